/* csrc/ws_mask*.c: every variant that this processor has gives what one byte at a time
 * gives, at every alignment of both buffers, in one run or two, and in place. */
#include "ws_mask.h"

#include "fuzz.h"

static int mask_slowly(uint8_t *out, const uint8_t *in, size_t n, const uint8_t *key,
                       size_t offset) {
    unsigned seen = 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = in[i] ^ key[(offset + i) % 4];
        seen |= out[i];
    }
    return seen >= 0x80;
}

static void check_variant(fs_ws_mask mask, piece text, const uint8_t *key,
                          size_t offset, size_t from, size_t to, size_t cut) {
    size_t n = text.n;
    uint8_t *in = (uint8_t *)exactly(from + n);
    uint8_t *out = (uint8_t *)exactly(to + n);
    uint8_t *expected = (uint8_t *)exactly(n);
    memcpy(in + from, text.p, n);
    int beyond = mask_slowly(expected, in + from, n, key, offset);
    MUST(!mask(out + to, in + from, n, key, offset) == !beyond);
    MUST(memcmp(out + to, expected, n) == 0);
    memset(out + to, 0, n);
    int first = mask(out + to, in + from, cut, key, offset);
    int second = mask(out + to + cut, in + from + cut, n - cut, key, offset + cut);
    MUST(!(first || second) == !beyond);
    MUST(memcmp(out + to, expected, n) == 0);
    MUST(!mask(in + from, in + from, n, key, offset) == !beyond);
    MUST(memcmp(in + from, expected, n) == 0);
    free(in);
    free(out);
    free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    uint8_t key[4];
    const char *name;
    fs_ws_mask mask;
    for (int i = 0; i < 4; i++) {
        key[i] = (uint8_t)next_byte(&in);
    }
    size_t offset = next_byte(&in);
    size_t from = next_byte(&in) % 32, to = next_byte(&in) % 32;
    size_t cut = next_byte(&in);
    piece text = the_rest(&in);
    if (text.n > 0) {
        for (int i = 0; (mask = fs_ws_mask_at(i, &name)) != NULL; i++) {
            check_variant(mask, text, key, offset, from, to, cut % (text.n + 1));
        }
    }
    free(text.p);
    return 0;
}
