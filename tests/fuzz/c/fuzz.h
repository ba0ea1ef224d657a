/* What the libFuzzer targets share: MUST, and an input that is taken apart from its
 * front. Buffers of the exact size are those of the C tests. */
#ifndef FASTSERVE_TESTS_FUZZ_H
#define FASTSERVE_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds for any input: if it does not, the fuzzer keeps that one. */
#define MUST(holds) \
    do { \
        if (!(holds)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
            abort(); \
        } \
    } while (0)

typedef struct {
    const uint8_t *at;
    size_t left;
} input;

/* The next byte, 0 behind the last. */
static inline unsigned next_byte(input *in) {
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

static inline uint64_t next_number(input *in) {
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | next_byte(in);
    }
    return number;
}

typedef struct {
    char *p;
    size_t n;
} piece;

/* At most n bytes, in a block of their own. */
static inline piece next_piece(input *in, size_t n) {
    n = n < in->left ? n : in->left;
    piece got = {copy_of((const char *)in->at, n), n};
    in->at += n;
    in->left -= n;
    return got;
}

static inline piece the_rest(input *in) {
    return next_piece(in, in->left);
}

#endif
