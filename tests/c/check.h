/* What the C tests share: CHECK, and buffers of the exact size, so that the address
 * sanitizer sees a read or a write that is one byte too far. Header only; a test is
 * one program, and its main returns checks_result(). */
#ifndef FASTSERVE_TESTS_CHECK_H
#define FASTSERVE_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long checks_made;
static unsigned long checks_failed;

static inline void check(int holds, const char *file, int line, const char *text,
                         const char *what, size_t n) {
    checks_made++;
    if (holds || ++checks_failed > 50) {
        return;
    }
    fprintf(stderr, "%s:%d: %s", file, line, text);
    if (what != NULL) {
        fprintf(stderr, " for \"");
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)what[i];
            fprintf(stderr, c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
        }
        fprintf(stderr, "\"");
    }
    fprintf(stderr, "\n");
}

/* A condition that must hold; CHECK_FOR also shows the n bytes it failed for. */
#define CHECK(holds) check((holds) != 0, __FILE__, __LINE__, #holds, NULL, 0)
#define CHECK_FOR(what, n, holds) \
    check((holds) != 0, __FILE__, __LINE__, #holds, what, n)

static inline int checks_result(void) {
    printf("%s: %lu checks, %lu failed\n", __BASE_FILE__, checks_made, checks_failed);
    return checks_failed == 0 && checks_made > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* n bytes of heap, not one more. */
static inline char *exactly(size_t n) {
    char *p = calloc(n, 1);
    if (p == NULL && n > 0) {
        abort();
    }
    return p;
}

/* A copy of n bytes in exactly(n). */
static inline char *copy_of(const char *from, size_t n) {
    char *p = exactly(n);
    if (n > 0) {
        memcpy(p, from, n);
    }
    return p;
}

static inline int same_bytes(const char *a, size_t a_len, const char *b, size_t b_len) {
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* The same numbers in every run. */
static inline unsigned next_random(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

#endif
