/* csrc/ws_frame.c: a head is read as RFC 6455 5.2 says, however it is cut; a head that
 * is written is read back; UTF-8 is what RFC 3629's table says, however it is cut. */
#include "ws_frame.h"

#include "fuzz.h"

/* A head by the book: its size, 0 if it is not whole, -1 if it can never be good. */
static long read_slowly(const uint8_t *p, size_t n, int rules, uint64_t *length) {
    if (n == 0) {
        return 0;
    }
    unsigned opcode = p[0] & 15, rsv = p[0] >> 4 & 7;
    int control = opcode >= 8;
    if ((opcode > 2 && opcode < 8) || opcode > 10) {
        return -1;
    }
    if (rsv && !(rsv == 4 && rules & FS_WS_MAY_COMPRESS && opcode && !control)) {
        return -1;
    }
    if ((control && !(p[0] & 0x80))
        || (!control && (opcode == 0) != ((rules & FS_WS_INSIDE) != 0))) {
        return -1;
    }
    if (n == 1) {
        return 0;
    }
    unsigned form = p[1] & 127;
    if (!(p[1] & 0x80) || (control && form > 125)) {
        return -1;
    }
    size_t more = form == 126 ? 2 : form == 127 ? 8 : 0;
    if (more == 8 && n > 2 && p[2] & 0x80) {
        return -1;
    }
    if (n < 2 + more) {
        return 0;
    }
    *length = more ? 0 : form;
    for (size_t i = 0; i < more; i++) {
        *length = *length << 8 | p[2 + i];
    }
    if ((more == 2 && *length < 126) || (more == 8 && *length < 65536)) {
        return -1;
    }
    return n < 6 + more ? 0 : (long)(6 + more);
}

static void check_head(input in, int rules) {
    fs_ws_head whole, pieces;
    uint64_t length = 0;
    unsigned cuts = next_byte(&in);
    piece bytes = next_piece(&in, 20);
    const uint8_t *p = (const uint8_t *)bytes.p;
    long due = read_slowly(p, bytes.n, rules, &length);
    memset(&whole, 0, sizeof whole);
    memset(&pieces, 0, sizeof pieces);
    ptrdiff_t got = fs_ws_read_head(&whole, p, bytes.n, rules);
    MUST(due < 0 ? got < 0 : got == due);
    MUST(got >= FS_WS_E_LENGTH);
    ptrdiff_t cut = 0;
    size_t at = 0;
    while (cut == 0 && at < bytes.n) {
        size_t size = 1 + (cuts & 3); /* a cut each, in a block of its own */
        cuts = cuts >> 2 | (cuts & 3) << 6;
        size = size < bytes.n - at ? size : bytes.n - at;
        char *one = copy_of(bytes.p + at, size);
        cut = fs_ws_read_head(&pieces, (uint8_t *)one, size, rules);
        free(one);
        at += cut > 0 ? (size_t)cut : cut == 0 ? size : 0;
    }
    MUST(got > 0 ? at == (size_t)got : cut == got);
    if (got > 0) {
        MUST(whole.length == length && pieces.length == length);
        MUST(whole.opcode == (p[0] & 15) && pieces.opcode == whole.opcode);
        MUST(whole.fin == p[0] >> 7 && pieces.fin == whole.fin);
        MUST(whole.rsv1 == (p[0] >> 6 & 1) && pieces.rsv1 == whole.rsv1);
        MUST(memcmp(whole.key, p + got - 4, 4) == 0);
        MUST(memcmp(pieces.key, p + got - 4, 4) == 0);
    }
    free(bytes.p);
}

static void check_written(input in) {
    uint64_t length = next_number(&in) >> 1 >> next_byte(&in) % 63;
    uint8_t *out = (uint8_t *)exactly(FS_WS_WRITTEN_MAX);
    size_t n = fs_ws_write_head(out, FS_WS_FIN | FS_WS_BINARY, length);
    uint8_t masked[FS_WS_HEAD_MAX] = {0};
    fs_ws_head head = {0};
    MUST(n == 2 || n == 4 || n == 10);
    memcpy(masked, out, n);
    masked[1] |= 0x80;
    MUST(fs_ws_read_head(&head, masked, n + 4, 0) == (ptrdiff_t)n + 4);
    MUST(head.length == length && head.opcode == FS_WS_BINARY && head.fin);
    free(out);
}

static void check_code(unsigned code) {
    /* RFC 6455 7.4.1 and 7.4.2, and the registry's 1012 to 1014. */
    int good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)
               || (code >= 3000 && code <= 4999);
    MUST(fs_ws_code_is_valid(code) == good);
}

/* RFC 3629 4: the bytes of the character at p; 0 if they can be none, -1 if they can
 * become one. */
static int character(const uint8_t *p, size_t n) {
    unsigned c = p[0], low = 0x80, high = 0xbf;
    if (c < 0x80) {
        return 1;
    }
    int more = c >= 0xc2 && c <= 0xdf ? 1 : c >> 4 == 0xe ? 2
               : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
    low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
    high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
    for (int i = 1; i <= more; i++) {
        if ((size_t)i == n) {
            return -1;
        }
        if (p[i] < low || p[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return more ? more + 1 : 0;
}

static void check_text(input in) {
    unsigned cuts = next_byte(&in);
    piece text = the_rest(&in);
    const uint8_t *p = (const uint8_t *)text.p;
    int good = 1;
    for (size_t i = 0; good > 0 && i < text.n; i += (size_t)good) {
        good = character(p + i, text.n - i);
        if (good <= 0) {
            break;
        }
    }
    unsigned whole = fs_utf8_check(FS_UTF8_OK, p, text.n);
    MUST((whole == FS_UTF8_BAD) == (good == 0));
    MUST((whole == FS_UTF8_OK) == (good > 0));
    unsigned state = FS_UTF8_OK;
    for (size_t at = 0, size; at < text.n; at += size) {
        size = 1 + (cuts & 15) * (cuts & 15);
        cuts = cuts >> 1 | (cuts & 1) << 7;
        size = size < text.n - at ? size : text.n - at;
        char *one = copy_of(text.p + at, size);
        state = fs_utf8_check(state, (uint8_t *)one, size);
        free(one);
    }
    MUST(state == whole);
    free(text.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    unsigned first = next_byte(&in);
    check_head(in, (int)(first & 3));
    check_written(in);
    check_code(first << 8 | next_byte(&in));
    check_code((unsigned)next_number(&(input){data, size}));
    check_text(in);
    return 0;
}
