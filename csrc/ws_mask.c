/* Masking eight bytes at a time, and the choice among the files of ws_mask.h. */
#include "ws_mask.h"

#if defined(_MSC_VER) && !defined(__clang__) && defined(FS_MASK_X86)
#include <immintrin.h>
#include <intrin.h>
#endif

#include "ws_mask_word.h"

int fs_ws_mask_scalar(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4],
                      size_t offset) {
    uint32_t word = fs_key_load(key, offset);
    if (n < 16) {
        return fs_mask_short(out, in, n, word);
    }
    uint64_t twice = fs_key_twice(word);
    uint64_t last = fs_load8((const char *)in + n - 8);
    uint64_t seen = 0;
    for (size_t i = 0; i + 8 < n; i += 8) {
        uint64_t clear = fs_load8((const char *)in + i) ^ twice;
        fs_store8((char *)out + i, clear);
        seen |= clear;
    }
    last ^= fs_key_twice(fs_key_at(word, n));
    fs_store8((char *)out + n - 8, last);
    return ((seen | last) & FS_EACH(0x80)) != 0;
}

#ifdef FS_MASK_X86
static int has_avx2(void) {
#if defined(_MSC_VER) && !defined(__clang__)
    int at[4];
    __cpuid(at, 0);
    if (at[0] < 7) {
        return 0;
    }
    __cpuid(at, 1);
    /* OSXSAVE, and a system that saves the registers' upper halves. */
    if (!(at[2] & (1 << 27)) || (_xgetbv(0) & 6) != 6) {
        return 0;
    }
    __cpuidex(at, 7, 0);
    return (at[1] & (1 << 5)) != 0;
#else
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
#endif
}
#endif

fs_ws_mask fs_ws_mask_at(int index, const char **name) {
    static const struct {
        const char *name;
        fs_ws_mask function;
    } all[] = {
        {"scalar", fs_ws_mask_scalar},
#if defined(FS_MASK_X86)
        {"sse2", fs_ws_mask_sse2},
        {"avx2", fs_ws_mask_avx2},
#elif defined(FS_MASK_NEON)
        {"neon", fs_ws_mask_neon},
#endif
    };
    int count = (int)(sizeof all / sizeof *all);
#ifdef FS_MASK_X86
    count -= !has_avx2(); /* the last */
#endif
    if (index < 0 || index >= count) {
        return NULL;
    }
    *name = all[index].name;
    return all[index].function;
}

fs_ws_mask fs_ws_mask_pick(void) {
    fs_ws_mask best = fs_ws_mask_scalar;
    fs_ws_mask next;
    const char *name;
    for (int i = 1; (next = fs_ws_mask_at(i, &name)) != NULL; i++) {
        best = next;
    }
    return best;
}
