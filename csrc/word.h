/* Eight bytes at a time, for http_scan.c and http_write.c: words that are looked at
 * byte by byte without a loop. Byte order plays no part in any of it.
 *
 * A run of 8 bytes or more is read as words of which the last may overlap the one
 * before, so that nothing beyond the run is touched. */
#ifndef FASTSERVE_WORD_H
#define FASTSERVE_WORD_H

#include <stdint.h>
#include <string.h>

/* The byte in all eight places. */
#define FS_EACH(byte) (UINT64_C(0x0101010101010101) * (uint64_t)(byte))

static inline uint64_t fs_load8(const char *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline void fs_store8(char *p, uint64_t word) {
    memcpy(p, &word, sizeof word);
}

/* The n bytes of p, 4 to 8 of them: the first four and the last four. */
static inline uint64_t fs_load4(const char *p, size_t n) {
    uint32_t first, last;
    memcpy(&first, p, sizeof first);
    memcpy(&last, p + n - sizeof last, sizeof last);
    return (uint64_t)last << 32 | first;
}

static inline void fs_store4(char *p, size_t n, uint64_t word) {
    uint32_t first = (uint32_t)word;
    uint32_t last = (uint32_t)(word >> 32);
    memcpy(p, &first, sizeof first);
    memcpy(p + n - sizeof last, &last, sizeof last);
}

/* The highest bit of each byte in from..to; all bytes are below 0x80. */
static inline uint64_t fs_in_range(uint64_t word, int from, int to) {
    return (word + FS_EACH(0x80 - from)) & ~(word + FS_EACH(0x7f - to)) & FS_EACH(0x80);
}

/* Lowers A-Z. Clears bits of *plain unless each byte is a letter, a digit or '-'. */
static inline uint64_t fs_lower_word(uint64_t word, uint64_t *plain) {
    uint64_t ascii = word & FS_EACH(0x7f);
    uint64_t letters = fs_in_range(ascii | FS_EACH(0x20), 'a', 'z');
    uint64_t others = fs_in_range(ascii, '0', '9') | fs_in_range(ascii, '-', '-');
    *plain &= (letters | others) & ~word;
    return word | letters >> 2;
}

/* Copies a name to out in lower case. Returns 1, or 0 if the name is short or has
 * other bytes than letters, digits and '-': then it is the table's turn. */
static inline int fs_lower_plain(char *out, const char *p, size_t n) {
    uint64_t plain = FS_EACH(0x80);
    if (n < 4) {
        return 0;
    }
    if (n < 8) {
        fs_store4(out, n, fs_lower_word(fs_load4(p, n), &plain));
    } else {
        for (size_t i = 0; i < n - 8; i += 8) {
            fs_store8(out + i, fs_lower_word(fs_load8(p + i), &plain));
        }
        fs_store8(out + n - 8, fs_lower_word(fs_load8(p + n - 8), &plain));
    }
    return plain == FS_EACH(0x80);
}

#endif
