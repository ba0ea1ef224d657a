/* Masking and unmasking of RFC 6455 5.3, which are the same: every byte XORed with one
 * of the four of the key. One instruction set a file; fs_ws_mask_pick() says which
 * serves best here, and its caller keeps the answer.
 *
 * No function allocates, keeps state, or touches a byte beyond those it was given. */
#ifndef FASTSERVE_WS_MASK_H
#define FASTSERVE_WS_MASK_H

#include <stddef.h>
#include <stdint.h>

/* Writes to out[i] the byte in[i] XOR key[(offset + i) % 4], for each i below n.
 * offset is how many bytes of the frame's payload came before in[0], so that a frame
 * may come in pieces. out is in itself, or does not overlap it.
 *
 * Returns 0 if every byte written is below 0x80 (the text is ASCII), else not 0. */
typedef int (*fs_ws_mask)(uint8_t *out, const uint8_t *in, size_t n,
                          const uint8_t key[4], size_t offset);

/* The fastest that this processor can run. */
fs_ws_mask fs_ws_mask_pick(void);

/* All of them that this processor can run, slowest first: the one at an index, with
 * its name; NULL beyond the last. */
fs_ws_mask fs_ws_mask_at(int index, const char **name);

int fs_ws_mask_scalar(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4],
                      size_t offset);

/* SSE2 is part of x86-64, and NEON of AArch64; AVX2 may be called only if the processor
 * says that it has it. */
#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define FS_MASK_X86 1
int fs_ws_mask_sse2(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4],
                    size_t offset);
int fs_ws_mask_avx2(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4],
                    size_t offset);
#elif defined(__aarch64__) || defined(_M_ARM64)
#define FS_MASK_NEON 1
int fs_ws_mask_neon(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4],
                    size_t offset);
#endif

#endif
