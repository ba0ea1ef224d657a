/* Masking 16 bytes at a time, with SSE2; elsewhere there is nothing in this file. */
#include "ws_mask.h"

#ifdef FS_MASK_X86
#include <emmintrin.h>

#include "ws_mask_word.h"

int fs_ws_mask_sse2(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4],
                    size_t offset) {
    uint32_t word = fs_key_load(key, offset);
    if (n < 16) {
        return fs_mask_short(out, in, n, word);
    }
    const __m128i keys = _mm_set1_epi32((int)word);
    __m128i last = _mm_loadu_si128((const __m128i *)(in + n - 16));
    __m128i seen = _mm_setzero_si128();
    for (size_t i = 0; i + 16 < n; i += 16) {
        __m128i clear = _mm_loadu_si128((const __m128i *)(in + i));
        clear = _mm_xor_si128(clear, keys);
        _mm_storeu_si128((__m128i *)(out + i), clear);
        seen = _mm_or_si128(seen, clear);
    }
    last = _mm_xor_si128(last, _mm_set1_epi32((int)fs_key_at(word, n)));
    _mm_storeu_si128((__m128i *)(out + n - 16), last);
    return _mm_movemask_epi8(_mm_or_si128(seen, last)) != 0;
}
#endif
