/* Frames of RFC 6455: their heads read and written, and UTF-8 checked as it comes.
 *
 * Every function takes a pointer and a length and touches nothing beyond them. It
 * never allocates, and never calls into Python; what must be kept between two calls
 * is the caller's. */
#ifndef FASTSERVE_WS_FRAME_H
#define FASTSERVE_WS_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FS_WS_CONTINUATION = 0x0,
    FS_WS_TEXT = 0x1,
    FS_WS_BINARY = 0x2,
    FS_WS_CLOSE = 0x8,
    FS_WS_PING = 0x9,
    FS_WS_PONG = 0xa,
    /* The other bits of a frame's first byte. */
    FS_WS_FIN = 0x80,
    FS_WS_RSV1 = 0x40
};

enum {
    FS_WS_HEAD_MAX = 14,    /* the bytes of a client's head at most */
    FS_WS_WRITTEN_MAX = 10, /* of a server's, which has no mask */
    FS_WS_CONTROL_MAX = 125 /* payload bytes of a control frame at most */
};

/* What fs_ws_read_head allows beyond the frames that are always valid. */
enum {
    FS_WS_MAY_COMPRESS = 1, /* permessage-deflate was agreed on: RSV1 has a meaning */
    FS_WS_INSIDE = 2        /* a message has begun and not ended */
};

enum {
    FS_WS_E_RESERVED = -1,     /* RSV2 or RSV3, or RSV1 where it has no meaning */
    FS_WS_E_OPCODE = -2,       /* one that the RFC has not given a meaning */
    FS_WS_E_CONTINUATION = -3, /* one without a message to continue */
    FS_WS_E_INTERRUPTED = -4,  /* a message begins inside another */
    FS_WS_E_MASK = -5,         /* a client's frame without a mask */
    FS_WS_E_CONTROL = -6,      /* a control frame in fragments or over 125 bytes */
    FS_WS_E_LENGTH = -7        /* over 2^63 - 1, or not in the shortest form */
};

/* A head, whole or in the making. All zero before the first frame. */
typedef struct {
    uint64_t length; /* bytes of payload, below 2^63 */
    uint8_t key[4];  /* the mask */
    uint8_t opcode;  /* FS_WS_* */
    uint8_t fin;     /* 1: the last frame of its message */
    uint8_t rsv1;    /* 1: the message is compressed (RFC 7692 6) */
    uint8_t held;    /* bytes of a head that has begun: in bytes[] */
    uint8_t bytes[FS_WS_HEAD_MAX];
} fs_ws_head;

/* Reads a client's head, which may come in pieces, at p[0..n).
 *
 * Returns how many of the n bytes it took once the head is whole; 0 if it took them
 * all and needs more; or FS_WS_E_*, as soon as the bytes there are leave no other
 * way. rules are FS_WS_MAY_COMPRESS and FS_WS_INSIDE; they may not change inside a
 * head. After an error the struct is of no more use. */
ptrdiff_t fs_ws_read_head(fs_ws_head *head, const uint8_t *p, size_t n, int rules);

/* Writes a server's head for a payload of length bytes, below 2^63; first is the
 * opcode with FS_WS_FIN and FS_WS_RSV1. out has room for FS_WS_WRITTEN_MAX bytes.
 * Returns the number of bytes written: 2, 4 or 10. */
size_t fs_ws_write_head(uint8_t *out, int first, uint64_t length);

/* 1 if a peer may send this status in a close frame (RFC 6455 7.4, and the IANA
 * registry of close codes). */
int fs_ws_code_is_valid(unsigned code);

/* Where a check of UTF-8 stands. It begins with FS_UTF8_OK, and text may end only
 * there: every other state is inside a character. */
enum { FS_UTF8_BAD = 0, FS_UTF8_OK = 6 };

/* The state after p[0..n), from the state before it. FS_UTF8_BAD, which is for good,
 * as soon as no bytes that might follow could make it UTF-8 (RFC 3629): surrogates,
 * overlong forms and what lies over U+10FFFF are found at their second byte. */
unsigned fs_utf8_check(unsigned state, const uint8_t *p, size_t n);

#endif
