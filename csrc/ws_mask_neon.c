/* Masking 16 bytes at a time, with NEON; elsewhere there is nothing in this file. */
#include "ws_mask.h"

#ifdef FS_MASK_NEON
#include <arm_neon.h>

#include "ws_mask_word.h"

int fs_ws_mask_neon(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4],
                    size_t offset) {
    uint32_t word = fs_key_load(key, offset);
    if (n < 16) {
        return fs_mask_short(out, in, n, word);
    }
    const uint8x16_t keys = vreinterpretq_u8_u32(vdupq_n_u32(word));
    uint8x16_t last = vld1q_u8(in + n - 16);
    uint8x16_t seen = vdupq_n_u8(0);
    for (size_t i = 0; i + 16 < n; i += 16) {
        uint8x16_t clear = veorq_u8(vld1q_u8(in + i), keys);
        vst1q_u8(out + i, clear);
        seen = vorrq_u8(seen, clear);
    }
    uint32_t turned = fs_key_at(word, n);
    last = veorq_u8(last, vreinterpretq_u8_u32(vdupq_n_u32(turned)));
    vst1q_u8(out + n - 16, last);
    return vmaxvq_u8(vorrq_u8(seen, last)) >= 0x80;
}
#endif
