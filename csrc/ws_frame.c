/* Frames of RFC 6455; the contract is in ws_frame.h.
 *
 * Pure functions over (pointer, length): nothing here allocates, keeps state of its
 * own, calls into Python, or reads a byte that it was not given. */
#include "ws_frame.h"

#include <string.h>

#include "word.h"

/* ---- heads: RFC 6455 5.2 ---- */

enum {
    RSV = 0x70,
    OPCODE = 0x0f,
    CONTROL = 0x08, /* the bit that control frames' opcodes have */
    MASKED = 0x80,
    LENGTH_16 = 126,
    LENGTH_64 = 127
};

static int check_first(unsigned first, int rules) {
    unsigned opcode = first & OPCODE;
    unsigned rsv = first & RSV;
    if (opcode > FS_WS_PONG || (opcode > FS_WS_BINARY && opcode < FS_WS_CLOSE)) {
        return FS_WS_E_OPCODE;
    }
    if (opcode & CONTROL) {
        return rsv ? FS_WS_E_RESERVED : first & FS_WS_FIN ? 0 : FS_WS_E_CONTROL;
    }
    if (opcode == FS_WS_CONTINUATION) {
        return rsv ? FS_WS_E_RESERVED : rules & FS_WS_INSIDE ? 0 : FS_WS_E_CONTINUATION;
    }
    if (rsv && !(rsv == FS_WS_RSV1 && rules & FS_WS_MAY_COMPRESS)) {
        return FS_WS_E_RESERVED;
    }
    return rules & FS_WS_INSIDE ? FS_WS_E_INTERRUPTED : 0;
}

static uint64_t big_endian(const uint8_t *p, size_t n) {
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

/* The size of the head at p[0..n); 0 if it is not whole; FS_WS_E_*. */
static ptrdiff_t parse(fs_ws_head *head, const uint8_t *p, size_t n, int rules) {
    if (n == 0) {
        return 0;
    }
    int error = check_first(p[0], rules);
    if (error != 0 || n == 1) {
        return error;
    }
    uint64_t length = p[1] & ~MASKED & 0xff;
    if (!(p[1] & MASKED)) {
        return FS_WS_E_MASK;
    }
    if (p[0] & CONTROL && length > FS_WS_CONTROL_MAX) {
        return FS_WS_E_CONTROL;
    }
    size_t more = length < LENGTH_16 ? 0 : length == LENGTH_16 ? 2 : 8;
    if (more == 8 && n > 2 && p[2] & 0x80) {
        return FS_WS_E_LENGTH;
    }
    if (n < 2 + more) {
        return 0;
    }
    if (more > 0) {
        length = big_endian(p + 2, more);
        if (length < (more == 2 ? LENGTH_16 : UINT64_C(0x10000))) {
            return FS_WS_E_LENGTH;
        }
    }
    size_t size = 2 + more + sizeof head->key;
    if (n < size) {
        return 0;
    }
    memcpy(head->key, p + 2 + more, sizeof head->key);
    head->length = length;
    head->opcode = p[0] & OPCODE;
    head->fin = (p[0] & FS_WS_FIN) != 0;
    head->rsv1 = (p[0] & FS_WS_RSV1) != 0;
    return (ptrdiff_t)size;
}

ptrdiff_t fs_ws_read_head(fs_ws_head *head, const uint8_t *p, size_t n, int rules) {
    if (head->held == 0) {
        ptrdiff_t size = parse(head, p, n, rules);
        if (size == 0 && n > 0) {
            memcpy(head->bytes, p, n); /* fewer than FS_WS_HEAD_MAX */
            head->held = (uint8_t)n;
        }
        return size;
    }
    size_t room = FS_WS_HEAD_MAX - head->held;
    size_t taken = n < room ? n : room;
    memcpy(head->bytes + head->held, p, taken);
    ptrdiff_t size = parse(head, head->bytes, head->held + taken, rules);
    if (size > 0) {
        size -= head->held;
        head->held = 0;
    } else if (size == 0) {
        head->held = (uint8_t)(head->held + taken);
    }
    return size;
}

size_t fs_ws_write_head(uint8_t *out, int first, uint64_t length) {
    size_t more = length < LENGTH_16 ? 0 : length < UINT64_C(0x10000) ? 2 : 8;
    out[0] = (uint8_t)first;
    out[1] = more == 0 ? (uint8_t)length : more == 2 ? LENGTH_16 : LENGTH_64;
    for (size_t i = 0; i < more; i++) {
        out[2 + i] = (uint8_t)(length >> 8 * (more - 1 - i));
    }
    return 2 + more;
}

int fs_ws_code_is_valid(unsigned code) {
    if (code < 1000 || code > 4999) {
        return 0;
    }
    /* 1004 to 1006 and 1015 never stand in a frame, 1016 to 2999 have no meaning. */
    return code >= 3000 || code < 1004 || (code > 1006 && code < 1015);
}

/* ---- UTF-8 ---- */

/* An automaton whose row for a byte is a word: shifted right by a state, its lowest six
 * bits are the next state. A step is one load and one shift. BAD is 0, so that what a
 * row does not name is bad. */
enum {
    OK = FS_UTF8_OK,
    ONE = 12,      /* one more continuation byte, 80..BF, is due */
    TWO = 18,
    THREE = 24,
    AFTER_E0 = 30, /* A0..BF, else it is overlong */
    AFTER_ED = 36, /* 80..9F, else it is a surrogate */
    AFTER_F0 = 42, /* 90..BF, else it is overlong */
    AFTER_F4 = 48  /* 80..8F, else it is over U+10FFFF */
};

#define GO(from, to) ((uint64_t)(to) << (from))
#define ROW_ASCII GO(OK, OK)
#define ROW_ANY (GO(ONE, OK) | GO(TWO, ONE) | GO(THREE, TWO))
#define ROW_8 (ROW_ANY | GO(AFTER_ED, ONE) | GO(AFTER_F4, TWO))
#define ROW_9 (ROW_ANY | GO(AFTER_ED, ONE) | GO(AFTER_F0, TWO))
#define ROW_A (ROW_ANY | GO(AFTER_E0, ONE) | GO(AFTER_F0, TWO))
#define ROW_C GO(OK, ONE)
#define ROW_E GO(OK, TWO)
#define X2(row) row, row
#define X4(row) X2(row), X2(row)
#define X12(row) X4(row), X4(row), X4(row)
#define X16(row) X4(row), X12(row)

static const uint64_t rows[256] = {
    X16(ROW_ASCII), X16(ROW_ASCII), X16(ROW_ASCII), X16(ROW_ASCII),
    X16(ROW_ASCII), X16(ROW_ASCII), X16(ROW_ASCII), X16(ROW_ASCII),
    X16(ROW_8), X16(ROW_9), X16(ROW_A), X16(ROW_A),
    /* C0, C1 */ X2(0), X2(ROW_C), X12(ROW_C), X16(ROW_C),
    /* E0 */ GO(OK, AFTER_E0), X12(ROW_E), /* ED */ GO(OK, AFTER_ED), X2(ROW_E),
    /* F0 */ GO(OK, AFTER_F0), X2(GO(OK, THREE)), GO(OK, THREE), GO(OK, AFTER_F4),
};

static uint64_t step(uint64_t state, uint8_t byte) {
    return rows[byte] >> (state & 63);
}

unsigned fs_utf8_check(unsigned from, const uint8_t *p, size_t n) {
    uint64_t state = from;
    while (n >= 16) {
        const char *word = (const char *)p;
        if ((state & 63) != OK
            || (fs_load8(word) | fs_load8(word + 8)) & FS_EACH(0x80)) {
            for (size_t i = 0; i < 16; i++) {
                state = step(state, p[i]);
            }
            if ((state & 63) == FS_UTF8_BAD) {
                return FS_UTF8_BAD;
            }
        }
        p += 16;
        n -= 16;
    }
    for (size_t i = 0; i < n; i++) {
        state = step(state, p[i]);
    }
    return (unsigned)(state & 63);
}
