/* csrc/ws_frame.c: heads against a reader and a writer that go by the RFC's figure, and
 * UTF-8 against a decoder that goes by RFC 3629's table. */
#include "ws_frame.h"

#include "check.h"

static const uint8_t key[4] = {1, 2, 3, 4};

/* A client's head with every field as given; the length in 1, 3 or 9 bytes. */
static size_t make_head(uint8_t *out, unsigned first, int masked, int form,
                        uint64_t length) {
    size_t more = form == 127 ? 8 : form == 126 ? 2 : 0;
    size_t n = 0;
    out[n++] = (uint8_t)first;
    out[n++] = (uint8_t)((masked ? 0x80 : 0) | (more ? (unsigned)form : length));
    for (size_t i = more; i > 0; i--) {
        out[n++] = (uint8_t)(length >> (8 * (i - 1)));
    }
    if (masked) {
        memcpy(out + n, key, 4);
        n += 4;
    }
    return n;
}

/* RFC 6455 5.2 to 5.5, word for word; 1 if a head is allowed. */
static int is_allowed(unsigned first, int masked, int form, uint64_t length,
                      int rules) {
    unsigned opcode = first & 0x0f;
    int control = opcode >= 8;
    if (!(opcode <= 2 || (opcode >= 8 && opcode <= 10)) || first & 0x30 || !masked) {
        return 0;
    }
    if (first & 0x40 && (!(rules & FS_WS_MAY_COMPRESS) || opcode == 0 || control)) {
        return 0;
    }
    if (control) {
        return first & 0x80 && form == 0 && length <= 125;
    }
    if ((opcode == 0) != ((rules & FS_WS_INSIDE) != 0)) {
        return 0;
    }
    if (form == 126) {
        return length >= 126;
    }
    return form == 0 || (length >= 0x10000 && length < UINT64_C(1) << 63);
}

/* Reads a head in two pieces, or in single bytes if cut is over its size. */
static ptrdiff_t read_cut(fs_ws_head *head, const uint8_t *p, size_t n, size_t cut,
                          int rules) {
    size_t at = 0;
    ptrdiff_t got = 0;
    memset(head, 0, sizeof *head);
    while (at < n) {
        size_t size = cut > n ? 1 : at < cut ? cut - at : n - at;
        char *piece = copy_of((const char *)p + at, size);
        got = fs_ws_read_head(head, (uint8_t *)piece, size, rules);
        free(piece);
        if (got != 0) {
            return got < 0 ? got : (ptrdiff_t)at + got;
        }
        at += size;
    }
    return 0;
}

static void check_head(unsigned first, int masked, int form, uint64_t length,
                       int rules) {
    uint8_t bytes[FS_WS_HEAD_MAX];
    fs_ws_head whole, again;
    size_t n = make_head(bytes, first, masked, form, length);
    int good = is_allowed(first, masked, form, length, rules);
    ptrdiff_t got = read_cut(&whole, bytes, n, n, rules);
    CHECK_FOR((char *)bytes, n, good ? got == (ptrdiff_t)n : got < 0);
    if (good) {
        CHECK(whole.length == length && memcmp(whole.key, key, 4) == 0);
        CHECK(whole.opcode == (first & 15) && whole.fin == first >> 7);
        CHECK(whole.rsv1 == ((first >> 6) & 1) && whole.held == 0);
    }
    for (size_t cut = 1; cut <= n + 1; cut++) {
        CHECK_FOR((char *)bytes, n, read_cut(&again, bytes, n, cut, rules) == got);
        if (good) {
            again.held = 0;
            CHECK(memcmp(&again, &whole, offsetof(fs_ws_head, held)) == 0);
        }
    }
}

static const uint64_t lengths[] = {
    0, 1, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537,
    UINT64_C(0xffffffff), UINT64_C(0x100000000), INT64_MAX - 1, INT64_MAX,
    UINT64_C(0x8000000000000000), UINT64_MAX,
};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static void test_heads(void) {
    for (int rules = 0; rules < 4; rules++) {
        for (unsigned first = 0; first < 256; first++) {
            for (size_t i = 0; i < LENGTHS; i++) {
                for (int masked = 0; masked < 2; masked++) {
                    if (lengths[i] < 126) {
                        check_head(first, masked, 0, lengths[i], rules);
                    }
                    if (lengths[i] < 65536) {
                        check_head(first, masked, 126, lengths[i], rules);
                    }
                    check_head(first, masked, 127, lengths[i], rules);
                }
            }
        }
    }
}

/* What is wrong is told apart, and as soon as it is there. */
static void test_errors(void) {
    static const struct {
        const char *bytes;
        size_t n;
        int rules;
        int error;
    } cases[] = {
        {"\x91", 1, 0, FS_WS_E_RESERVED},
        {"\xa1", 1, FS_WS_MAY_COMPRESS, FS_WS_E_RESERVED},
        {"\xc1", 1, 0, FS_WS_E_RESERVED},
        {"\xc0", 1, FS_WS_MAY_COMPRESS | FS_WS_INSIDE, FS_WS_E_RESERVED},
        {"\xc9", 1, FS_WS_MAY_COMPRESS, FS_WS_E_RESERVED},
        {"\x83", 1, 0, FS_WS_E_OPCODE},
        {"\x8b", 1, 0, FS_WS_E_OPCODE},
        {"\x80", 1, 0, FS_WS_E_CONTINUATION},
        {"\x81", 1, FS_WS_INSIDE, FS_WS_E_INTERRUPTED},
        {"\x09", 1, 0, FS_WS_E_CONTROL},
        {"\x89\xfe", 2, 0, FS_WS_E_CONTROL},
        {"\x81\x05", 2, 0, FS_WS_E_MASK},
        {"\x81\xfe\x00\x7d", 4, 0, FS_WS_E_LENGTH},
        {"\x81\xff\x80", 3, 0, FS_WS_E_LENGTH},
        {"\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10, 0, FS_WS_E_LENGTH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fs_ws_head head = {0};
        const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
        for (size_t n = 0; n < cases[i].n; n++) {
            memset(&head, 0, sizeof head);
            CHECK(fs_ws_read_head(&head, bytes, n, cases[i].rules) == 0);
        }
        memset(&head, 0, sizeof head);
        CHECK_FOR(cases[i].bytes, cases[i].n,
                  fs_ws_read_head(&head, bytes, cases[i].n, cases[i].rules)
                      == cases[i].error);
    }
}

/* Frames one after the other, and bytes behind a head that are not the head's. */
static void test_head_after_head(void) {
    uint8_t bytes[64];
    fs_ws_head head = {0};
    size_t n = make_head(bytes, 0x81, 1, 126, 500);
    n += make_head(bytes + n, 0x89, 1, 0, 5);
    CHECK(fs_ws_read_head(&head, bytes, 3, 0) == 0 && head.held == 3);
    CHECK(fs_ws_read_head(&head, bytes + 3, 0, 0) == 0 && head.held == 3);
    CHECK(fs_ws_read_head(&head, bytes + 3, n - 3, 0) == 5);
    CHECK(head.length == 500 && head.opcode == FS_WS_TEXT);
    CHECK(fs_ws_read_head(&head, bytes + 8, n - 8, 0) == 6);
    CHECK(head.length == 5 && head.opcode == FS_WS_PING);
}

static void test_written_heads(void) {
    for (size_t i = 0; i < LENGTHS && lengths[i] <= INT64_MAX; i++) {
        uint8_t expected[FS_WS_HEAD_MAX];
        int form = lengths[i] < 126 ? 0 : lengths[i] < 65536 ? 126 : 127;
        size_t n = make_head(expected, 0xc2, 0, form, lengths[i]);
        uint8_t *out = (uint8_t *)exactly(n);
        size_t written = fs_ws_write_head(out, 0xc2, lengths[i]);
        CHECK(written <= FS_WS_WRITTEN_MAX);
        CHECK(same_bytes((char *)out, written, (char *)expected, n));
        free(out);
    }
}

static void test_codes(void) {
    static const unsigned valid[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                     1010, 1011, 1012, 1013, 1014};
    size_t next = 0;
    for (unsigned code = 0; code < 0x10000; code++) {
        int good = code >= 3000 && code <= 4999;
        if (next < sizeof valid / sizeof *valid && valid[next] == code) {
            next++;
            good = 1;
        }
        CHECK(fs_ws_code_is_valid(code) == good);
    }
    CHECK(fs_ws_code_is_valid(UINT32_MAX) == 0);
}

/* ---- UTF-8 ---- */

/* RFC 3629 4: the size of the character at p[0..n); 0 if it is cut short but may still
 * become one; -1 if it may not. */
static int character(const uint8_t *p, size_t n) {
    static const struct {
        uint8_t first, last, low, high;
        int size;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last) {
            continue;
        }
        for (int at = 1; at < forms[i].size; at++) {
            if ((size_t)at == n) {
                return 0;
            }
            uint8_t low = at == 1 ? forms[i].low : 0x80;
            uint8_t high = at == 1 ? forms[i].high : 0xbf;
            if (p[at] < low || p[at] > high) {
                return -1;
            }
        }
        return forms[i].size;
    }
    return -1;
}

/* 1: text; 0: text so far, inside a character; -1: none. */
static int judge(const uint8_t *p, size_t n) {
    while (n > 0) {
        int size = character(p, n);
        if (size <= 0) {
            return size;
        }
        p += size;
        n -= (size_t)size;
    }
    return 1;
}

static int verdict(unsigned state) {
    return state == FS_UTF8_OK ? 1 : state == FS_UTF8_BAD ? -1 : 0;
}

static void check_utf8(const uint8_t *p, size_t n) {
    int expected = judge(p, n);
    uint8_t *text = (uint8_t *)copy_of((const char *)p, n);
    CHECK_FOR((char *)p, n, verdict(fs_utf8_check(FS_UTF8_OK, text, n)) == expected);
    for (size_t cut = 1; cut < n; cut++) {
        unsigned state = fs_utf8_check(FS_UTF8_OK, text, cut);
        CHECK_FOR((char *)p, cut, verdict(state) == judge(p, cut));
        state = fs_utf8_check(state, text + cut, n - cut);
        CHECK_FOR((char *)p, n, verdict(state) == expected);
    }
    free(text);
}

/* Every sequence of three bytes, and every of four that begins like one. */
static void test_utf8_sequences(void) {
    uint8_t bytes[4];
    unsigned long differ = 0;
    for (unsigned first = 0; first < 0x1000000; first++) {
        bytes[0] = (uint8_t)(first >> 16);
        bytes[1] = (uint8_t)(first >> 8);
        bytes[2] = (uint8_t)first;
        differ += verdict(fs_utf8_check(FS_UTF8_OK, bytes, 3)) != judge(bytes, 3);
        if (bytes[0] < 0xef) {
            continue;
        }
        for (unsigned last = 0x70; last < 0xd0; last += 0xf) {
            bytes[3] = (uint8_t)last;
            differ += verdict(fs_utf8_check(FS_UTF8_OK, bytes, 4)) != judge(bytes, 4);
        }
    }
    CHECK(differ == 0);
}

/* One sequence at every place of ASCII text, so that it meets the words of 16 bytes in
 * every way, whole and cut. */
static void test_utf8_places(void) {
    static const char *sequences[] = {
        "\xc2\xa2", "\xe2\x82\xac", "\xf0\xa4\xad\xa2", "\x80", "\xc0\x80", "\xff",
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\xa4\xad", "\xc2",
    };
    for (size_t s = 0; s < sizeof sequences / sizeof *sequences; s++) {
        size_t size = strlen(sequences[s]);
        for (size_t at = 0; at < 40; at++) {
            uint8_t text[64];
            memset(text, 'a', sizeof text);
            memcpy(text + at, sequences[s], size);
            check_utf8(text, at + size);
            check_utf8(text, at + size + 1);
            check_utf8(text, sizeof text);
        }
    }
}

static void test_utf8_noise(void) {
    static const char telling[] = "a\xc2\x80\xbf\xe0\xa0\x9f\xed\xef\xf0\x90\x8f\xf4";
    unsigned state = 5;
    uint8_t text[48];
    for (int round = 0; round < 20000; round++) {
        size_t n = next_random(&state) % (sizeof text + 1);
        unsigned share = 1 + next_random(&state) % 40;
        for (size_t i = 0; i < n; i++) {
            unsigned pick = next_random(&state);
            text[i] = pick % share ? 'b' : (uint8_t)telling[pick / 64 % 13];
        }
        check_utf8(text, n);
    }
    CHECK(fs_utf8_check(FS_UTF8_BAD, (const uint8_t *)"abc", 3) == FS_UTF8_BAD);
    CHECK(fs_utf8_check(FS_UTF8_OK, (const uint8_t *)"", 0) == FS_UTF8_OK);
}

int main(void) {
    test_heads();
    test_errors();
    test_head_after_head();
    test_written_heads();
    test_codes();
    test_utf8_sequences();
    test_utf8_places();
    test_utf8_noise();
    return checks_result();
}
