/* csrc/http_scan.c against oracles written another way: lists of bytes, linear
 * searches, inet_pton. Input lies in buffers of the exact size. */
#define _POSIX_C_SOURCE 200809L
#include "http_scan.h"

#include <arpa/inet.h>
#include <strings.h>

#include "check.h"

/* ---- oracles ---- */

static const char letters_digits[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static int is_one_of(int c, const char *bytes) {
    return c != 0 && c < 0x80 && strchr(bytes, c) != NULL;
}

static int is_token_byte(int c) {
    return is_one_of(c, letters_digits) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

static int lowered(int c) {
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static int is_hex(int c) {
    return is_one_of(c, "0123456789abcdefABCDEF");
}

/* ---- tokens ---- */

static void test_token_table(void) {
    for (int c = 0; c < 256; c++) {
        CHECK(fs_token_lower[c] == (is_token_byte(c) ? lowered(c) : 0));
    }
}

/* Every byte at every place of names of every length around the word's 8 bytes. */
static void test_tokens_of_every_byte(void) {
    for (size_t n = 0; n <= 27; n++) {
        char *name = exactly(n);
        char *out = exactly(n);
        memset(name, 'K', n);
        CHECK(fs_token_length(name, n) == n);
        CHECK(fs_lower_name(out, name, n) == (n == 0 ? -1 : 0));
        for (size_t i = 0; i < n; i++) {
            for (int c = 0; c < 256; c++) {
                name[i] = (char)c;
                int good = is_token_byte(c);
                CHECK_FOR(name, n, fs_token_length(name, n) == (good ? n : i));
                memset(out, 1, n);
                CHECK_FOR(name, n, fs_lower_name(out, name, n) == (good ? 0 : -1));
                for (size_t j = 0; good && j < n; j++) {
                    CHECK(out[j] == (char)(j == i ? lowered(c) : 'k'));
                }
            }
            name[i] = 'K';
        }
        free(name);
        free(out);
    }
}

static void test_name_equals(void) {
    static const char lower[] = "x-b3_id";
    size_t n = sizeof lower - 1;
    char *wire = copy_of("X-b3_iD", n);
    CHECK(fs_name_equals(wire, lower, n));
    CHECK(fs_name_equals(wire, lower, 0));
    for (size_t i = 0; i < n; i++) {
        char was = wire[i];
        for (int c = 0; c < 256; c++) {
            wire[i] = (char)c;
            int equal = is_token_byte(c) && lowered(c) == lower[i];
            CHECK_FOR(wire, n, fs_name_equals(wire, lower, n) == equal);
        }
        wire[i] = was;
    }
    free(wire);
}

/* ---- the table of names ---- */

static int index_by_search(const char *p, size_t n) {
    for (int i = 0; i < fs_names_count; i++) {
        size_t length;
        const char *name = fs_name_at(i, &length);
        if (length == n && strncasecmp(name, p, n) == 0) {
            return i;
        }
    }
    return -1;
}

static void test_names_of_the_server(void) {
    static const char *const expected[FS_NAME_OTHERS] = {
        [FS_NAME_HOST] = "host",
        [FS_NAME_CONNECTION] = "connection",
        [FS_NAME_CONTENT_LENGTH] = "content-length",
        [FS_NAME_TRANSFER_ENCODING] = "transfer-encoding",
        [FS_NAME_EXPECT] = "expect",
        [FS_NAME_UPGRADE] = "upgrade",
    };
    for (int i = 0; i < FS_NAME_OTHERS; i++) {
        size_t n;
        CHECK(strcmp(fs_name_at(i, &n), expected[i]) == 0);
        CHECK(n == strlen(expected[i]));
    }
}

static void test_names_are_found(void) {
    CHECK(fs_names_count >= 60);
    for (int i = 0; i < fs_names_count; i++) {
        size_t n;
        const char *name = fs_name_at(i, &n);
        CHECK(n > 0 && name[n] == '\0' && strlen(name) == n);
        char *wire = copy_of(name, n);
        CHECK_FOR(wire, n, fs_name_index(wire, n) == i);
        for (size_t j = 0; j < n; j++) {
            CHECK_FOR(wire, n, lowered(wire[j]) == wire[j]);
            CHECK_FOR(wire, n, is_token_byte(wire[j]));
            wire[j] = (char)(name[j] >= 'a' ? name[j] - 32 : name[j]);
            CHECK_FOR(wire, n, fs_name_index(wire, n) == i);
        }
        free(wire);
    }
}

/* Each name with one byte replaced by every other, cut, and made longer. */
static void test_names_nearly_right(void) {
    for (int i = 0; i < fs_names_count; i++) {
        size_t n;
        const char *name = fs_name_at(i, &n);
        char *wire = copy_of(name, n);
        for (size_t j = 0; j < n; j++) {
            for (int c = 0; c < 256; c++) {
                wire[j] = (char)c;
                CHECK_FOR(wire, n, fs_name_index(wire, n) == index_by_search(wire, n));
            }
            wire[j] = name[j];
        }
        free(wire);
        for (size_t k = 0; k <= n; k++) {
            char *cut = copy_of(name, k);
            CHECK_FOR(cut, k, fs_name_index(cut, k) == index_by_search(cut, k));
            free(cut);
        }
        char *longer = exactly(n + 1);
        memcpy(longer, name, n);
        for (int c = 0; c < 256; c++) {
            longer[n] = (char)c;
            int expected = index_by_search(longer, n + 1);
            CHECK_FOR(longer, n + 1, fs_name_index(longer, n + 1) == expected);
        }
        free(longer);
    }
}

static void test_names_of_any_length(void) {
    char *name = exactly(70000);
    memset(name, 'a', 70000);
    for (size_t n = 0; n < 300; n++) {
        CHECK(fs_name_index(name, n) == -1);
    }
    CHECK(fs_name_index(name, 65536 + 4) == -1);
    /* The length counts in full: not modulo a byte or a slot. */
    memcpy(name, "hoaa", 4);
    memcpy(name + 258, "st", 2);
    CHECK(fs_name_index(name, 260) == -1);
    memcpy(name + 516 - 2, "st", 2);
    CHECK(fs_name_index(name, 516) == -1);
    free(name);
}

/* ---- field values ---- */

static void check_trim(const char *text, const char *expected) {
    size_t n = strlen(text);
    char *buffer = copy_of(text, n);
    const char *p = buffer;
    fs_trim(&p, &n);
    CHECK_FOR(text, strlen(text), same_bytes(p, n, expected, strlen(expected)));
    CHECK(p >= buffer && p + n <= buffer + strlen(text));
    free(buffer);
}

static void test_trim(void) {
    check_trim("", "");
    check_trim(" ", "");
    check_trim("\t \t", "");
    check_trim("a", "a");
    check_trim(" a", "a");
    check_trim("a\t", "a");
    check_trim(" \ta b\t c \t", "a b\t c");
    check_trim("\r\na\n", "\r\na\n"); /* blanks and tabs only */
    check_trim("\v\fa\x1f", "\v\fa\x1f");
    check_trim("\xa0", "\xa0");
}

static int list_has(const char *list, const char *token) {
    char *p = copy_of(list, strlen(list));
    char *t = copy_of(token, strlen(token));
    int found = fs_list_has(p, strlen(list), t, strlen(token));
    CHECK_FOR(list, strlen(list), found == 0 || found == 1);
    free(p);
    free(t);
    return found;
}

static void test_list_has(void) {
    static const char *const with[] = {
        "close", "CLOSE", "Close", " close", "close\t", "\t close \t", "close,",
        ",close", ",,close,,", "a,close", "a, close", "close, a", "a ,\tclose\t, b",
        "closed, close", "keep-alive, Upgrade,clOSe", "close, close",
    };
    static const char *const without[] = {
        "", " ", ",", ",,", " , ", "clos", "closee", "xclose", "close x", "cl ose",
        "close;q=1", "clo,se", "keep-alive", "closed,", "\"close\"", "close\r",
        "c\x0cose", "\x03lose", "close\x80",
    };
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        CHECK_FOR(with[i], strlen(with[i]), list_has(with[i], "close"));
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        CHECK_FOR(without[i], strlen(without[i]), !list_has(without[i], "close"));
        CHECK_FOR(without[i], strlen(without[i]), !list_has(without[i], ""));
    }
    CHECK(list_has("100-Continue", "100-continue"));
    CHECK(list_has("a,b,c,d", "d"));
    CHECK(!list_has("a,b,c,d", "e"));
}

/* ---- hosts ---- */

static int host_is_valid(const char *text, size_t n) {
    char *p = copy_of(text, n);
    int valid = fs_host_is_valid(p, n);
    CHECK(valid == 0 || valid == 1);
    free(p);
    return valid;
}

static void test_hosts(void) {
    static const char *const valid[] = {
        "", "a", "localhost", "example.com", "example.com.", "EXAMPLE.com:8000",
        "a:", ":", ":80", "a:0", "a:00080", "a:65535", "a:0000000000000000065535",
        "1.2.3.4", "1.2.3.4:80", "999.1.1.1", "my_app:80", "_", "-a-", "a..b", "~",
        "a!$&'()*+,;=b", "%41", "a%2Fb%aF", "%00", "xn--bcher-kva.example:443",
        "[::]", "[::1]", "[::1]:8000", "[::1]:", "[1:2:3:4:5:6:7:8]", "[1::8]:65535",
        "[1:2:3:4:5:6:7::]", "[::2:3:4:5:6:7:8]", "[1::3:4:5:6:7:8]",
        "[2001:DB8::aBcD]", "[::ffff:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]",
        "[::1.2.3.4]", "[1::1.2.3.4]:80", "[64:ff9b::255.255.255.255]",
        "[v1.a]", "[vF.a:b]", "[V1aF.!$&'()*+,;=-._~:09]:80", "[v7.:]",
    };
    static const char *const invalid[] = {
        "a:b", "a:8o", "a:80:", "a:80:80", "a::", "::1", "a:-1", "a:+1", "a: 80",
        "a:80 ", "a:65536", "a:99999", "a:4294967297", "a:18446744073709551617",
        "a b", " a", "a ", "a\t", "\ta", "a,b c", "u@a", "u:p@a", "a/b", "a?b", "a#b",
        "a\\b", "a[b]", "a]", "a|b", "a\"b", "<a>", "a^b", "a`b", "{a}", "a\x7f",
        "%", "%4", "%4g", "%g4", "a%", "a%1", "%%41", "%:80", "\xc3\xbc", "http://a",
        "[", "]", "[]", "[::1", "::1]", "[::1]80", "[::1]a", "[::1]]", "[[::1]]",
        "[::1]:a", "[::1]:65536", "[::1] ", "[ ::1]", "[:]", "[:::]", "[1]", "[1:2]",
        "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:]", "[:2:3:4:5:6:7:8]", "[1::2::3]",
        "[::1::]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7:8::]", "[::1:2:3:4:5:6:7:8]",
        "[1:2:3:4::5:6:7:8]", "[12345::]", "[::g]", "[::1.2.3]", "[::1.2.3.4.5]",
        "[::1.2.3.256]", "[::01.2.3.4]", "[::1.2.3.04]", "[::1.2.3.]", "[::.1.2.3]",
        "[::1..2.3]", "[::1.2.3.4:1]", "[1.2.3.4]", "[1.2.3.4::]", "[::a.2.3.4]",
        "[1:2:3:4:5:6:7:1.2.3.4]", "[::1:2:3:4:5:6:1.2.3.4]", "[::1.2.3.1234]",
        "[fe80::1%eth0]", "[fe80::1%25eth0]", "[::1/64]", "[v]", "[v1]", "[v1.]",
        "[v.a]", "[vg.a]", "[v1.a/b]", "[v1.%41]", "[v1.[]", "[1v.a]", "[v1.a",
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        size_t n = strlen(valid[i]);
        CHECK_FOR(valid[i], n, host_is_valid(valid[i], n));
    }
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        size_t n = strlen(invalid[i]);
        CHECK_FOR(invalid[i], n, !host_is_valid(invalid[i], n));
    }
    CHECK(!host_is_valid("a\0b", 3));
    CHECK(!host_is_valid("a:8\0", 4));
    CHECK(!host_is_valid("[::1\0]", 6));
}

static void test_hosts_of_every_byte(void) {
    for (int c = 0; c < 256; c++) {
        char name[] = {'a', (char)c, 'a'};
        int regname = is_one_of(c, letters_digits) || is_one_of(c, "-._~!$&'()*+,;=");
        CHECK_FOR(name, 3, host_is_valid(name, 3) == regname);
        CHECK_FOR(name, 2, host_is_valid(name, 2) == (regname || c == ':'));
        char port[] = {'a', ':', '1', (char)c};
        CHECK_FOR(port, 4, host_is_valid(port, 4) == is_one_of(c, "0123456789"));
        char group[] = {'[', ':', ':', (char)c, ']'};
        CHECK_FOR(group, 5, host_is_valid(group, 5) == is_hex(c));
        char future[] = {'[', 'v', '1', '.', (char)c, ']'};
        CHECK_FOR(future, 6, host_is_valid(future, 6) == (regname || c == ':'));
        char high[] = {'%', (char)c, '0'};
        CHECK_FOR(high, 3, host_is_valid(high, 3) == is_hex(c));
        char low[] = {'%', '0', (char)c};
        CHECK_FOR(low, 3, host_is_valid(low, 3) == is_hex(c));
    }
}

static void check_ipv6(const char *address) {
    char host[128];
    struct in6_addr parsed;
    int n = snprintf(host, sizeof host, "[%s]", address);
    int expected = inet_pton(AF_INET6, address, &parsed) == 1;
    CHECK_FOR(host, (size_t)n, host_is_valid(host, (size_t)n) == expected);
}

/* Every sequence of up to seven pieces, then long random ones. */
static void test_ipv6_against_inet_pton(void) {
    static const char *const pieces[] = {":", "::", "0", "fFfF", "1.2.3.4"};
    const unsigned count = sizeof pieces / sizeof *pieces;
    for (unsigned number = 0; number < 5 * 5 * 5 * 5 * 5 * 5 * 5; number++) {
        char address[64] = "";
        for (unsigned rest = number; rest > 0; rest /= count) {
            strcat(address, pieces[rest % count]);
        }
        check_ipv6(address);
    }
    static const char *const more[] = {":1", ":0a", ":", "::", ":12345", ":255.0.9.10"};
    unsigned state = 1;
    for (int round = 0; round < 200000; round++) {
        char address[128] = "";
        unsigned groups = next_random(&state) % 9;
        for (unsigned i = 0; i <= groups; i++) {
            /* Mostly plain groups, or hardly any address would be valid. */
            unsigned pick = next_random(&state) % 24;
            strcat(address, more[pick < 6 ? pick : pick % 2]);
        }
        check_ipv6(address + (next_random(&state) % 4 > 0));
    }
}

/* ---- request targets ---- */

typedef struct {
    const char *target;
    int form;
    const char *path;
    const char *query;
    const char *authority;
} target_case;

static void check_target(const target_case *is) {
    size_t n = strlen(is->target);
    char *p = copy_of(is->target, n);
    fs_target got;
    memset(&got, 0x55, sizeof got);
    CHECK_FOR(p, n, fs_scan_target(p, n, &got) == 0);
    CHECK_FOR(p, n, got.form == is->form);
    CHECK_FOR(p, n, same_bytes(got.path, got.path_len, is->path, strlen(is->path)));
    CHECK_FOR(p, n, same_bytes(got.query, got.query_len, is->query,
                               strlen(is->query)));
    CHECK_FOR(p, n, same_bytes(got.authority, got.authority_len, is->authority,
                               strlen(is->authority)));
    CHECK_FOR(p, n, got.escaped == (strchr(is->path, '%') != NULL));
    free(p);
}

static void test_targets(void) {
    enum { O = FS_TARGET_ORIGIN, A = FS_TARGET_ABSOLUTE, S = FS_TARGET_ASTERISK };
    static const target_case cases[] = {
        {"/", O, "/", "", ""},
        {"/a/b", O, "/a/b", "", ""},
        {"/?", O, "/", "", ""},
        {"/?a=1", O, "/", "a=1", ""},
        {"/a?b?c", O, "/a", "b?c", ""},
        {"/a??", O, "/a", "?", ""},
        {"/a%20b?c%20d", O, "/a%20b", "c%20d", ""},
        {"/a?c%20d", O, "/a", "c%20d", ""},
        {"/%", O, "/%", "", ""},
        {"//a/b", O, "//a/b", "", ""},
        {"/http://a/", O, "/http://a/", "", ""},
        {"/\"<>[]^`{|}\\", O, "/\"<>[]^`{|}\\", "", ""},
        {"/*", O, "/*", "", ""},
        {"*", S, "*", "", ""},
        {"http://a", A, "/", "", "a"},
        {"http://a/", A, "/", "", "a"},
        {"HTTP://a:80/b", A, "/b", "", "a:80"},
        {"HtTpS://a/b?c", A, "/b", "c", "a"},
        {"https://a?c/d", A, "/", "c/d", "a"},
        {"https://a?", A, "/", "", "a"},
        {"http://a?%20", A, "/", "%20", "a"},
        {"http://a//b", A, "//b", "", "a"},
        {"http://%41/%41", A, "/%41", "", "%41"},
        {"http://%41/a", A, "/a", "", "%41"},
        {"http://[::1]:80/?x", A, "/", "x", "[::1]:80"},
        {"http://a:/b", A, "/b", "", "a:"},
        {"https://a/http://b/", A, "/http://b/", "", "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_target(&cases[i]);
    }
}

static int target_is_valid(const char *text, size_t n) {
    fs_target got;
    char *p = copy_of(text, n);
    int result = fs_scan_target(p, n, &got);
    CHECK(result == 0 || result == -1);
    free(p);
    return result == 0;
}

static void test_targets_refused(void) {
    static const char *const refused[] = {
        "", "a", "a/b", "?", "?a", "**", "*/", "*?a", "example.com:443", "[::1]:443",
        "a:b", "http", "http:", "http:/", "http:/a", "http://", "https://", "http:///",
        "http:///a", "http://?a", "http://:80/", "http://:80", "http:a", "http//a",
        "httpx://a/", "http s://a", "ttp://a/", "ftp://a/", "ws://a/", "file:///a",
        "file://a/", "gggg://a/", "ggggg://a/", "httq://a/", "httpt://a/", "https//a/",
        "://a/", "http://u@a/", "http://u:p@a/", "http://a:b/", "http://a:65536/",
        "http://[::1/", "http://[::1]x/", "http://a\\b/", "http://a\"/", "http://%4/",
        "/#", "/a#b", "/a?b#c", "http://a#b", "http://a/#", "#", "/ ", "/a b", " /",
        "/\t", "/a\r", "/a\n", "/\x7f", "/\x80", "/\xc3\xbc", "/?\xff", "*\x01",
        "http\x1a//a/", "hTTP\x1a//a",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        size_t n = strlen(refused[i]);
        CHECK_FOR(refused[i], n, !target_is_valid(refused[i], n));
    }
    CHECK(!target_is_valid("/\0", 2));
    CHECK(!target_is_valid("\0", 1));
    for (int c = 0; c < 256; c++) {
        int good = c > 0x20 && c < 0x7f && c != '#';
        for (size_t at = 1; at < 20; at++) {
            char target[20];
            memset(target, '/', sizeof target);
            target[at] = (char)c;
            CHECK_FOR(target, sizeof target,
                      target_is_valid(target, sizeof target) == good);
        }
    }
}

/* ---- nothing at all ---- */

/* A length of 0 reads nothing, not even the byte at the pointer. */
static void test_empty_input(void) {
    char *block = exactly(8);
    char *end = block + 8;
    const char *p = end;
    size_t n = 0;
    fs_target target;
    CHECK(fs_token_length(end, 0) == 0);
    CHECK(fs_lower_name(end, end, 0) == -1);
    CHECK(fs_name_equals(end, end, 0) == 1);
    CHECK(fs_name_index(end, 0) == -1);
    fs_trim(&p, &n);
    CHECK(p == end && n == 0);
    CHECK(fs_list_has(end, 0, "close", 5) == 0);
    CHECK(fs_host_is_valid(end, 0) == 1);
    CHECK(fs_scan_target(end, 0, &target) == -1);
    CHECK(fs_percent_decode(end, end, 0) == 0);
    free(block);
}

/* ---- percent-decoding ---- */

static size_t decode_slowly(char *out, const char *p, size_t n) {
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        out[length] = p[i];
        if (p[i] == '%' && i + 2 < n && is_hex((unsigned char)p[i + 1])
            && is_hex((unsigned char)p[i + 2])) {
            char digits[3] = {p[i + 1], p[i + 2], '\0'};
            out[length] = (char)strtol(digits, NULL, 16);
            i += 2;
        }
        length++;
    }
    return length;
}

static void check_decode(const char *text, size_t n) {
    char *p = copy_of(text, n);
    char *expected = exactly(n);
    char *out = exactly(n);
    size_t length = fs_percent_decode(out, p, n);
    CHECK_FOR(p, n, same_bytes(out, length, expected, decode_slowly(expected, p, n)));
    free(p);
    free(expected);
    free(out);
}

static void test_percent_decode(void) {
    static const char *const cases[] = {
        "", "a", "/a/b", "%", "%%", "%4", "a%", "a%4", "%41", "%41%42", "%%41", "%4%41",
        "%zz", "%4z", "%z4", "%2541", "/%C3%BC/%e2%82%ac", "%00", "%ff%FF", "a%20b%2",
        "+", "%2b",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_decode(cases[i], strlen(cases[i]));
    }
    char out[4];
    CHECK(fs_percent_decode(out, "%2F%00", 6) == 2 && memcmp(out, "/\0", 2) == 0);
    CHECK(fs_percent_decode(out, "%2541", 5) == 3 && memcmp(out, "%41", 3) == 0);
    for (int high = 0; high < 256; high++) {
        for (int low = 0; low < 256; low++) {
            char text[] = {'/', '%', (char)high, (char)low};
            check_decode(text, sizeof text);
        }
    }
    unsigned state = 7;
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t n = next_random(&state) % (sizeof text + 1);
        for (size_t i = 0; i < n; i++) {
            text[i] = "%%%0aF9gG/"[next_random(&state) % 10];
        }
        check_decode(text, n);
    }
}

int main(void) {
    test_token_table();
    test_tokens_of_every_byte();
    test_name_equals();
    test_names_of_the_server();
    test_names_are_found();
    test_names_nearly_right();
    test_names_of_any_length();
    test_trim();
    test_list_has();
    test_hosts();
    test_hosts_of_every_byte();
    test_ipv6_against_inet_pton();
    test_targets();
    test_targets_refused();
    test_empty_input();
    test_percent_decode();
    return checks_result();
}
