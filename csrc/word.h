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

#endif
