/* Masking 32 bytes at a time, with AVX2; elsewhere there is nothing in this file.
 *
 * The attribute, not a flag of the whole build, says that the functions here may use
 * it: whoever calls one has asked the processor first. MSVC needs neither. */
#include "ws_mask.h"

#ifdef FS_MASK_X86
#include <immintrin.h>

#include "ws_mask_word.h"

#if defined(__GNUC__) || defined(__clang__)
#define WITH_AVX2 __attribute__((target("avx2")))
#else
#define WITH_AVX2
#endif

WITH_AVX2 static inline __m256i load(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

WITH_AVX2 static inline void store(uint8_t *p, __m256i bytes) {
    _mm256_storeu_si256((__m256i *)p, bytes);
}

/* 16 to 31 bytes. */
WITH_AVX2 static int mask_half(uint8_t *out, const uint8_t *in, size_t n,
                               uint32_t word) {
    __m128i first = _mm_loadu_si128((const __m128i *)in);
    __m128i last = _mm_loadu_si128((const __m128i *)(in + n - 16));
    first = _mm_xor_si128(first, _mm_set1_epi32((int)word));
    last = _mm_xor_si128(last, _mm_set1_epi32((int)fs_key_at(word, n)));
    _mm_storeu_si128((__m128i *)out, first);
    _mm_storeu_si128((__m128i *)(out + n - 16), last);
    return _mm_movemask_epi8(_mm_or_si128(first, last)) != 0;
}

WITH_AVX2 int fs_ws_mask_avx2(uint8_t *out, const uint8_t *in, size_t n,
                              const uint8_t key[4], size_t offset) {
    uint32_t word = fs_key_load(key, offset);
    if (n < 32) {
        return n < 16 ? fs_mask_short(out, in, n, word) : mask_half(out, in, n, word);
    }
    const __m256i keys = _mm256_set1_epi32((int)word);
    __m256i last = load(in + n - 32);
    __m256i seen = _mm256_setzero_si256();
    __m256i others = _mm256_setzero_si256();
    size_t i = 0;
    for (; n - i > 64; i += 64) { /* two chains, for loads that wait */
        __m256i one = _mm256_xor_si256(load(in + i), keys);
        __m256i two = _mm256_xor_si256(load(in + i + 32), keys);
        store(out + i, one);
        store(out + i + 32, two);
        seen = _mm256_or_si256(seen, one);
        others = _mm256_or_si256(others, two);
    }
    if (n - i > 32) {
        __m256i one = _mm256_xor_si256(load(in + i), keys);
        store(out + i, one);
        seen = _mm256_or_si256(seen, one);
    }
    last = _mm256_xor_si256(last, _mm256_set1_epi32((int)fs_key_at(word, n)));
    store(out + n - 32, last);
    seen = _mm256_or_si256(_mm256_or_si256(seen, others), last);
    return _mm256_movemask_epi8(seen) != 0;
}
#endif
