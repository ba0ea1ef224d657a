/* csrc/ws_mask*.c: every variant that this processor has against one byte at a time,
 * at every alignment, length and phase of the key, from buffers of the exact size. */
#include "ws_mask.h"

#include "check.h"

enum { LONGEST = 300, ALIGNMENTS = 32 };

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

/* What a variant must write; returns whether it is ASCII. */
static int mask_slowly(uint8_t *out, const uint8_t *in, size_t n, size_t offset) {
    int ascii = 1;
    for (size_t i = 0; i < n; i++) {
        out[i] = in[i] ^ key[(offset + i) % 4];
        ascii &= out[i] < 0x80;
    }
    return ascii;
}

static void fill(uint8_t *p, size_t n, unsigned *state) {
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)next_random(state);
    }
}

/* One run whose ends are the heap blocks' own, so that no byte too many goes unseen;
 * from one buffer to another, and in place. */
static void check_run(fs_ws_mask mask, size_t before, size_t n, size_t offset,
                      unsigned *state) {
    uint8_t *in = (uint8_t *)exactly(before + n);
    uint8_t *out = (uint8_t *)exactly(before + n);
    uint8_t *expected = (uint8_t *)exactly(n);
    fill(in, before + n, state);
    int ascii = mask_slowly(expected, in + before, n, offset);
    int seen = mask(out + before, in + before, n, key, offset);
    CHECK((seen == 0) == ascii);
    CHECK(same_bytes((char *)out + before, n, (char *)expected, n));
    seen = mask(in + before, in + before, n, key, offset);
    CHECK((seen == 0) == ascii);
    CHECK(same_bytes((char *)in + before, n, (char *)expected, n));
    free(in);
    free(out);
    free(expected);
}

static void test_lengths_and_alignments(fs_ws_mask mask) {
    unsigned state = 1;
    for (size_t n = 0; n <= LONGEST; n++) {
        for (size_t before = 0; before < ALIGNMENTS; before++) {
            check_run(mask, before, n, (n + before) % 7, &state);
        }
        for (size_t offset = 0; offset < 4; offset++) {
            check_run(mask, 0, n, offset, &state);
            check_run(mask, 3, n, SIZE_MAX - 3 - offset, &state);
        }
    }
    check_run(mask, 0, 100003, 1, &state);
}

/* Input and output at alignments that differ. */
static void test_two_alignments(fs_ws_mask mask) {
    unsigned state = 2;
    uint8_t expected[LONGEST];
    for (size_t n = 0; n <= 100; n++) {
        for (size_t from = 0; from < 8; from++) {
            for (size_t to = 0; to < 8; to++) {
                uint8_t *in = (uint8_t *)exactly(from + n);
                uint8_t *out = (uint8_t *)exactly(to + n);
                fill(in, from + n, &state);
                mask_slowly(expected, in + from, n, 0);
                mask(out + to, in + from, n, key, 0);
                CHECK(same_bytes((char *)out + to, n, (char *)expected, n));
                free(in);
                free(out);
            }
        }
    }
}

/* One byte over 0x7f, at every place; and bytes around the run that do not count. */
static void test_ascii(fs_ws_mask mask) {
    for (size_t n = 0; n <= LONGEST; n++) {
        uint8_t *in = (uint8_t *)exactly(n + 2);
        uint8_t *out = (uint8_t *)exactly(n);
        memset(in, 0xff, n + 2);
        for (size_t i = 0; i < n; i++) {
            in[1 + i] = 'a' ^ key[i % 4];
        }
        CHECK(mask(out, in + 1, n, key, 0) == 0);
        for (size_t i = 0; i < n; i++) {
            in[1 + i] ^= 0x80;
            CHECK(mask(out, in + 1, n, key, 0) != 0);
            in[1 + i] ^= 0x80;
        }
        free(in);
        free(out);
    }
}

/* A run in two pieces is the run. */
static void test_pieces(fs_ws_mask mask) {
    unsigned state = 3;
    uint8_t in[80], out[80], expected[80];
    fill(in, sizeof in, &state);
    mask_slowly(expected, in, sizeof in, 0);
    for (size_t cut = 0; cut <= sizeof in; cut++) {
        mask(out, in, cut, key, 0);
        mask(out + cut, in + cut, sizeof in - cut, key, cut);
        CHECK(same_bytes((char *)out, sizeof out, (char *)expected, sizeof expected));
    }
}

static void test_choice(void) {
    const char *name = NULL;
    fs_ws_mask last = NULL;
    fs_ws_mask next;
    int count = 0;
    while ((next = fs_ws_mask_at(count, &name)) != NULL) {
        CHECK(name != NULL && next != last);
        last = next;
        count++;
    }
    CHECK(fs_ws_mask_at(0, &name) == fs_ws_mask_scalar);
    CHECK(strcmp(name, "scalar") == 0);
    CHECK(fs_ws_mask_pick() == last);
    CHECK(fs_ws_mask_at(-1, &name) == NULL);
    CHECK(fs_ws_mask_at(count + 1, &name) == NULL);
#if defined(FS_MASK_X86) || defined(FS_MASK_NEON)
    CHECK(count >= 2);
#endif
}

int main(void) {
    const char *name;
    fs_ws_mask mask;
    for (int i = 0; (mask = fs_ws_mask_at(i, &name)) != NULL; i++) {
        printf("masking with %s\n", name);
        test_lengths_and_alignments(mask);
        test_two_alignments(mask);
        test_ascii(mask);
        test_pieces(mask);
    }
    test_choice();
    return checks_result();
}
