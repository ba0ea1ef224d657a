/* csrc/http_scan.c: whatever the bytes, each function gives what a slow one gives, and
 * spans that lie in the bytes. */
#include "http_scan.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "fuzz.h"

static int is_token(char c) {
    return c != '\0' && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~", c));
}

static void check_tokens(const char *p, size_t n) {
    size_t length = fs_token_length(p, n);
    MUST(length <= n && (length == n || !is_token(p[length])));
    for (size_t i = 0; i < length; i++) {
        MUST(is_token(p[i]));
    }
    char *lowered = exactly(n);
    int bad = fs_lower_name(lowered, p, n);
    MUST(bad == (n > 0 && length == n ? 0 : -1));
    for (size_t i = 0; !bad && i < n; i++) {
        MUST(lowered[i] == (p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i]));
    }
    int index = fs_name_index(p, n);
    size_t known_length;
    MUST(index >= -1 && index < fs_names_count);
    for (int i = 0; i < fs_names_count; i++) {
        const char *known = fs_name_at(i, &known_length);
        int same = !bad && same_bytes(lowered, n, known, known_length);
        MUST(same == (i == index));
    }
    free(lowered);
}

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

static void check_trim(const char *p, size_t n) {
    const char *at = p;
    size_t length = n;
    fs_trim(&at, &length);
    MUST(at >= p && at + length <= p + n);
    MUST(length == 0 || (!is_blank(at[0]) && !is_blank(at[length - 1])));
    for (const char *c = p; c < p + n; c++) {
        MUST(is_blank(*c) || (c >= at && c < at + length));
    }
}

/* Is the token, in lower case, an element of the list? */
static int has_slowly(const char *list, size_t n, const char *token, size_t size) {
    size_t from = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && list[i] != ',') {
            continue;
        }
        size_t a = from, b = i;
        while (a < b && is_blank(list[a])) {
            a++;
        }
        while (b > a && is_blank(list[b - 1])) {
            b--;
        }
        size_t same = 0;
        while (b - a == size && same < size
               && tolower((unsigned char)list[a + same]) == token[same]) {
            same++;
        }
        if (size > 0 && b - a == size && same == size) {
            return 1;
        }
        from = i + 1;
    }
    return 0;
}

static void check_list(input in) {
    piece token = next_piece(&in, next_byte(&in) % 16);
    piece list = the_rest(&in);
    for (size_t i = 0; i < token.n; i++) {
        if (!is_token(token.p[i])) {
            token.n = i; /* the contract: a token, in lower case */
            break;
        }
        token.p[i] = (char)tolower((unsigned char)token.p[i]);
    }
    MUST(fs_list_has(list.p, list.n, token.p, token.n)
         == has_slowly(list.p, list.n, token.p, token.n));
    free(token.p);
    free(list.p);
}

static void check_host(const char *p, size_t n) {
    int valid = fs_host_is_valid(p, n);
    MUST(valid == 0 || valid == 1);
    if (valid) {
        for (size_t i = 0; i < n; i++) {
            MUST(p[i] > 0x20 && p[i] < 0x7f && !strchr("/?#@\\\"<>^`{|}", p[i]));
        }
    }
    if (n < 3 || n > 64 || p[0] != '[' || p[n - 1] != ']' || memchr(p, ']', n - 1)
        || p[1] == 'v' || p[1] == 'V' || memchr(p, '\0', n)) {
        return;
    }
    char address[64];
    struct in6_addr parsed;
    memcpy(address, p + 1, n - 2);
    address[n - 2] = '\0';
    MUST(valid == (inet_pton(AF_INET6, address, &parsed) == 1));
}

static int is_within(const char *p, size_t n, const char *span, size_t length) {
    return span >= p && span + length <= p + n;
}

static void check_target(const char *p, size_t n) {
    fs_target target;
    int result = fs_scan_target(p, n, &target);
    MUST(result == 0 || result == -1);
    if (result != 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        MUST(p[i] > 0x20 && p[i] < 0x7f && p[i] != '#');
    }
    MUST(is_within(p, n, target.query, target.query_len));
    MUST(is_within(p, n, target.authority, target.authority_len));
    MUST(!memchr(target.path, '?', target.path_len));
    MUST(target.escaped == (memchr(target.path, '%', target.path_len) != NULL));
    if (target.form == FS_TARGET_ASTERISK) {
        MUST(n == 1 && same_bytes(target.path, target.path_len, "*", 1));
        return;
    }
    MUST(target.path_len > 0 && target.path[0] == '/');
    size_t front = 0;
    if (target.form == FS_TARGET_ABSOLUTE) {
        front = (size_t)(target.authority - p) + target.authority_len;
        MUST(target.authority_len > 0);
        MUST(fs_host_is_valid(target.authority, target.authority_len));
    }
    /* The parts, joined again, are the target. */
    size_t rest = n - front;
    if (target.query_len > 0 || (rest > 0 && p[n - 1] == '?')) {
        MUST(target.query[-1] == '?');
        rest -= target.query_len + 1;
    }
    MUST(rest == target.path_len || (rest == 0 && target.path_len == 1));
    MUST(rest == 0 || same_bytes(target.path, target.path_len, p + front, rest));
}

static void check_decode(const char *p, size_t n) {
    char *out = exactly(n);
    size_t length = fs_percent_decode(out, p, n);
    size_t at = 0;
    for (size_t i = 0; i < n; i++, at++) {
        MUST(at < length);
        if (p[i] == '%' && i + 2 < n && isxdigit((unsigned char)p[i + 1])
            && isxdigit((unsigned char)p[i + 2])) {
            char digits[3] = {p[i + 1], p[i + 2], '\0'};
            MUST(out[at] == (char)strtol(digits, NULL, 16));
            i += 2;
        } else {
            MUST(out[at] == p[i]);
        }
    }
    MUST(at == length);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    check_list(in);
    piece text = the_rest(&in);
    check_tokens(text.p, text.n);
    check_trim(text.p, text.n);
    check_host(text.p, text.n);
    check_target(text.p, text.n);
    check_decode(text.p, text.n);
    free(text.p);
    return 0;
}
