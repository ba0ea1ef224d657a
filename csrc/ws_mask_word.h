/* What the files of ws_mask.h share: the key as a word, and runs that are shorter than
 * a vector, which are most of them.
 *
 * A run is XORed in words of which the last may overlap the one before. The last is
 * loaded before the first is stored, so that out may be in. */
#ifndef FASTSERVE_WS_MASK_WORD_H
#define FASTSERVE_WS_MASK_WORD_H

#include "word.h"

/* The key for a place `by` bytes further on. In memory its bytes move towards the
 * front; the compiler knows which shift that is. */
static inline uint32_t fs_key_at(uint32_t key, size_t by) {
    const uint16_t one = 1;
    uint8_t little;
    unsigned bits = 8 * (unsigned)(by & 3);
    memcpy(&little, &one, 1);
    if (little) {
        return key >> bits | key << ((32 - bits) & 31);
    }
    return key << bits | key >> ((32 - bits) & 31);
}

static inline uint32_t fs_key_load(const uint8_t key[4], size_t offset) {
    uint32_t word;
    memcpy(&word, key, sizeof word);
    return fs_key_at(word, offset);
}

static inline uint64_t fs_key_twice(uint32_t key) {
    return (uint64_t)key << 32 | key;
}

/* Fewer than 16 bytes. Returns the highest bits of what it has written. */
static inline int fs_mask_short(uint8_t *to, const uint8_t *from, size_t n,
                                uint32_t key) {
    char *out = (char *)to;
    const char *in = (const char *)from;
    uint64_t seen = 0;
    if (n >= 8) {
        uint64_t first = fs_load8(in) ^ fs_key_twice(key);
        uint64_t last = fs_load8(in + n - 8) ^ fs_key_twice(fs_key_at(key, n));
        fs_store8(out, first);
        fs_store8(out + n - 8, last);
        seen = first | last;
    } else if (n >= 4) {
        uint64_t keys = (uint64_t)fs_key_at(key, n) << 32 | key;
        seen = fs_load4(in, n) ^ keys;
        fs_store4(out, n, seen);
    } else {
        uint8_t bytes[4];
        memcpy(bytes, &key, sizeof bytes);
        for (size_t i = 0; i < n; i++) {
            to[i] = from[i] ^ bytes[i];
            seen |= to[i];
        }
    }
    return (seen & FS_EACH(0x80)) != 0;
}

#endif
