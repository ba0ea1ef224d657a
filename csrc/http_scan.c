/* Reading side of HTTP/1.1; the contract is in http_scan.h.
 *
 * Pure functions over (pointer, length): nothing here allocates, keeps state, calls
 * into Python, or reads a byte that it was not given. */
#include "http_scan.h"

#include <string.h>

#include "word.h"

/* ---- tokens ---- */

const uint8_t fs_token_lower[256] = {
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   '!', 0,   '#', '$', '%', '&', '\'', 0,  0,   '*', '+', 0,   '-', '.', 0,
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 0,   0,   0,   0,   0,   0,
    0,   'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 0,   0,   0,   '^', '_',
    '`', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 0,   '|', 0,   '~', 0,
};

static uint8_t lower(char c) {
    return fs_token_lower[(uint8_t)c];
}

size_t fs_token_length(const char *p, size_t n) {
    size_t i = 0;
    while (i < n && lower(p[i]) != 0) {
        i++;
    }
    return i;
}

int fs_lower_name(char *out, const char *p, size_t n) {
    if (fs_lower_plain(out, p, n)) {
        return 0;
    }
    int bad = n == 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = lower(p[i]);
        out[i] = (char)c;
        bad |= c == 0;
    }
    return -bad;
}

/* Zero if the bytes of a are those of b but for the case of letters; b is lowered: its
 * letters differ from their other case in the bit 0x20, which is left out for them. */
static uint64_t difference(uint64_t a, uint64_t b) {
    return (a ^ b) & ~(fs_in_range(b, 'a', 'z') >> 2);
}

static inline int is_same_name(const char *wire, const char *lowered, size_t n) {
    uint64_t differs = 0;
    if (n >= 8) {
        for (size_t i = 0; i < n - 8; i += 8) {
            differs |= difference(fs_load8(wire + i), fs_load8(lowered + i));
        }
        size_t end = n - 8;
        differs |= difference(fs_load8(wire + end), fs_load8(lowered + end));
    } else if (n >= 4) {
        differs = difference(fs_load4(wire, n), fs_load4(lowered, n));
    } else {
        for (size_t i = 0; i < n; i++) {
            differs |= lower(wire[i]) ^ (uint8_t)lowered[i];
        }
    }
    return differs == 0;
}

int fs_name_equals(const char *wire, const char *lowered, size_t n) {
    return is_same_name(wire, lowered, n);
}

/* ---- the table of well-known names ---- */

/* The names in the order of the header's enum, then what browsers, proxies and API
 * clients send. After each stand its first byte and its last two, for the slots
 * below: C takes no "name"[0] in a constant expression. */
#define SERVER_NAMES(X) \
    X(HOST, "host", 'h', 's', 't') \
    X(CONNECTION, "connection", 'c', 'o', 'n') \
    X(CONTENT_LENGTH, "content-length", 'c', 't', 'h') \
    X(TRANSFER_ENCODING, "transfer-encoding", 't', 'n', 'g') \
    X(EXPECT, "expect", 'e', 'c', 't') \
    X(UPGRADE, "upgrade", 'u', 'd', 'e')
#define OTHER_NAMES(X) \
    X(ACCEPT, "accept", 'a', 'p', 't') \
    X(ACCEPT_CHARSET, "accept-charset", 'a', 'e', 't') \
    X(ACCEPT_ENCODING, "accept-encoding", 'a', 'n', 'g') \
    X(ACCEPT_LANGUAGE, "accept-language", 'a', 'g', 'e') \
    X(ACCESS_CONTROL_REQUEST_HEADERS, "access-control-request-headers", 'a', 'r', 's') \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method", 'a', 'o', 'd') \
    X(AUTHORIZATION, "authorization", 'a', 'o', 'n') \
    X(BAGGAGE, "baggage", 'b', 'g', 'e') \
    X(CACHE_CONTROL, "cache-control", 'c', 'o', 'l') \
    X(CDN_LOOP, "cdn-loop", 'c', 'o', 'p') \
    X(CF_CONNECTING_IP, "cf-connecting-ip", 'c', 'i', 'p') \
    X(CF_IPCOUNTRY, "cf-ipcountry", 'c', 'r', 'y') \
    X(CF_RAY, "cf-ray", 'c', 'a', 'y') \
    X(CF_VISITOR, "cf-visitor", 'c', 'o', 'r') \
    X(CONTENT_DISPOSITION, "content-disposition", 'c', 'o', 'n') \
    X(CONTENT_ENCODING, "content-encoding", 'c', 'n', 'g') \
    X(CONTENT_TYPE, "content-type", 'c', 'p', 'e') \
    X(COOKIE, "cookie", 'c', 'i', 'e') \
    X(DATE, "date", 'd', 't', 'e') \
    X(DNT, "dnt", 'd', 'n', 't') \
    X(FORWARDED, "forwarded", 'f', 'e', 'd') \
    X(FROM, "from", 'f', 'o', 'm') \
    X(IDEMPOTENCY_KEY, "idempotency-key", 'i', 'e', 'y') \
    X(IF_MATCH, "if-match", 'i', 'c', 'h') \
    X(IF_MODIFIED_SINCE, "if-modified-since", 'i', 'c', 'e') \
    X(IF_NONE_MATCH, "if-none-match", 'i', 'c', 'h') \
    X(IF_RANGE, "if-range", 'i', 'g', 'e') \
    X(IF_UNMODIFIED_SINCE, "if-unmodified-since", 'i', 'c', 'e') \
    X(KEEP_ALIVE, "keep-alive", 'k', 'v', 'e') \
    X(LAST_EVENT_ID, "last-event-id", 'l', 'i', 'd') \
    X(ORIGIN, "origin", 'o', 'i', 'n') \
    X(PRAGMA, "pragma", 'p', 'm', 'a') \
    X(PRIORITY, "priority", 'p', 't', 'y') \
    X(PROXY_AUTHORIZATION, "proxy-authorization", 'p', 'o', 'n') \
    X(RANGE, "range", 'r', 'g', 'e') \
    X(REFERER, "referer", 'r', 'e', 'r') \
    X(SAVE_DATA, "save-data", 's', 't', 'a') \
    X(SEC_CH_UA, "sec-ch-ua", 's', 'u', 'a') \
    X(SEC_CH_UA_MOBILE, "sec-ch-ua-mobile", 's', 'l', 'e') \
    X(SEC_CH_UA_PLATFORM, "sec-ch-ua-platform", 's', 'r', 'm') \
    X(SEC_FETCH_DEST, "sec-fetch-dest", 's', 's', 't') \
    X(SEC_FETCH_MODE, "sec-fetch-mode", 's', 'd', 'e') \
    X(SEC_FETCH_SITE, "sec-fetch-site", 's', 't', 'e') \
    X(SEC_FETCH_USER, "sec-fetch-user", 's', 'e', 'r') \
    X(SEC_GPC, "sec-gpc", 's', 'p', 'c') \
    X(SEC_WEBSOCKET_EXTENSIONS, "sec-websocket-extensions", 's', 'n', 's') \
    X(SEC_WEBSOCKET_KEY, "sec-websocket-key", 's', 'e', 'y') \
    X(SEC_WEBSOCKET_PROTOCOL, "sec-websocket-protocol", 's', 'o', 'l') \
    X(SEC_WEBSOCKET_VERSION, "sec-websocket-version", 's', 'o', 'n') \
    X(TE, "te", 't', 't', 'e') \
    X(TRACEPARENT, "traceparent", 't', 'n', 't') \
    X(TRACESTATE, "tracestate", 't', 't', 'e') \
    X(TRAILER, "trailer", 't', 'e', 'r') \
    X(TRUE_CLIENT_IP, "true-client-ip", 't', 'i', 'p') \
    X(UPGRADE_INSECURE_REQUESTS, "upgrade-insecure-requests", 'u', 't', 's') \
    X(USER_AGENT, "user-agent", 'u', 'n', 't') \
    X(VIA, "via", 'v', 'i', 'a') \
    X(X_AMZN_TRACE_ID, "x-amzn-trace-id", 'x', 'i', 'd') \
    X(X_API_KEY, "x-api-key", 'x', 'e', 'y') \
    X(X_CORRELATION_ID, "x-correlation-id", 'x', 'i', 'd') \
    X(X_CSRF_TOKEN, "x-csrf-token", 'x', 'e', 'n') \
    X(X_CSRFTOKEN, "x-csrftoken", 'x', 'e', 'n') \
    X(X_FORWARDED_FOR, "x-forwarded-for", 'x', 'o', 'r') \
    X(X_FORWARDED_HOST, "x-forwarded-host", 'x', 's', 't') \
    X(X_FORWARDED_PORT, "x-forwarded-port", 'x', 'r', 't') \
    X(X_FORWARDED_PREFIX, "x-forwarded-prefix", 'x', 'i', 'x') \
    X(X_FORWARDED_PROTO, "x-forwarded-proto", 'x', 't', 'o') \
    X(X_FORWARDED_SERVER, "x-forwarded-server", 'x', 'e', 'r') \
    X(X_REAL_IP, "x-real-ip", 'x', 'i', 'p') \
    X(X_REQUEST_ID, "x-request-id", 'x', 'i', 'd') \
    X(X_REQUEST_START, "x-request-start", 'x', 'r', 't') \
    X(X_REQUESTED_WITH, "x-requested-with", 'x', 't', 'h')

#define AS_ENUM(id, text, first, before, last) FS_NAME_##id,
enum { LAST_OF_SERVER = FS_NAME_OTHERS - 1, OTHER_NAMES(AS_ENUM) NAMES_END };

const int fs_names_count = NAMES_END;

enum { NAME_ROOM = 32 };

typedef struct {
    uint8_t length;
    char text[NAME_ROOM]; /* NUL-padded */
} known_name;

#define AS_NAME(id, text, first, before, last) \
    [FS_NAME_##id] = {sizeof(text) - 1, text},
static const known_name names[NAMES_END] = {SERVER_NAMES(AS_NAME) OTHER_NAMES(AS_NAME)};

/* A perfect hash: no two names share a slot. Two that did would initialise one
 * element twice, which -Woverride-init and -Winitializer-overrides refuse; then try
 * other factors. */
enum { SLOTS = 512 };
#define SLOT(n, first, before, last) \
    (((n) * 3u + (first) * 4u + (before) * 29u + (last)) % SLOTS)
#define AS_SLOT(id, text, first, before, last) \
    [SLOT(sizeof(text) - 1, first, before, last)] = FS_NAME_##id + 1,
static const uint8_t slots[SLOTS] = {SERVER_NAMES(AS_SLOT) OTHER_NAMES(AS_SLOT)};

int fs_name_index(const char *p, size_t n) {
    if (n < 2 || n > NAME_ROOM) {
        return -1;
    }
    /* 0x20 lowers a letter; whatever else it does, the comparison decides. */
    unsigned first = (uint8_t)p[0] | 0x20u;
    unsigned before = (uint8_t)p[n - 2] | 0x20u;
    unsigned last = (uint8_t)p[n - 1] | 0x20u;
    int index = slots[SLOT((unsigned)n, first, before, last)] - 1;
    if (index < 0 || names[index].length != n
        || !is_same_name(p, names[index].text, n)) {
        return -1;
    }
    return index;
}

const char *fs_name_at(int index, size_t *length) {
    *length = names[index].length;
    return names[index].text;
}

/* ---- field values ---- */

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

void fs_trim(const char **p, size_t *n) {
    while (*n > 0 && is_blank(**p)) {
        (*p)++;
        (*n)--;
    }
    while (*n > 0 && is_blank((*p)[*n - 1])) {
        (*n)--;
    }
}

int fs_list_has(const char *list, size_t n, const char *token, size_t token_len) {
    const char *end = list + n;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma != NULL ? comma : end;
        const char *item = list;
        size_t length = (size_t)(stop - list);
        fs_trim(&item, &length);
        /* Empty elements are no elements (RFC 9110 5.6.1.2). */
        if (length != 0 && length == token_len && fs_name_equals(item, token, length)) {
            return 1;
        }
        if (comma == NULL) {
            return 0;
        }
        list = comma + 1;
    }
    return 0;
}

/* ---- hosts ---- */

enum {
    IN_TARGET = 1, /* a byte that a request target may have: 0x21-0x7e but '#' */
    IN_HOST = 2,   /* unreserved or sub-delims (RFC 3986 2.2 and 2.3) */
    HEX = 4,
    ESCAPE = 8,  /* '%' */
    QUESTION = 16, /* '?' */
};

#define T IN_TARGET
#define H (IN_TARGET | IN_HOST)
#define X (IN_TARGET | IN_HOST | HEX)
#define E (IN_TARGET | ESCAPE)
#define Q (IN_TARGET | QUESTION)
static const uint8_t classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* control bytes */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, H, T, 0, H, E, H, H, H, H, H, H, H, H, H, T, /*  !"#$%&'()*+,-./ */
    X, X, X, X, X, X, X, X, X, X, T, H, T, H, T, Q, /* 0123456789:;<=>? */
    T, X, X, X, X, X, X, H, H, H, H, H, H, H, H, H, /* @ABCDEFGHIJKLMNO */
    H, H, H, H, H, H, H, H, H, H, H, T, T, T, T, H, /* PQRSTUVWXYZ[\]^_ */
    T, X, X, X, X, X, X, H, H, H, H, H, H, H, H, H, /* `abcdefghijklmno */
    H, H, H, H, H, H, H, H, H, H, H, T, T, T, H, 0, /* pqrstuvwxyz{|}~ */
};
#undef T
#undef H
#undef X
#undef E
#undef Q

static int is_of(char c, int class) {
    return (classes[(uint8_t)c] & class) != 0;
}

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* port = *DIGIT (RFC 3986 3.2.3), and a TCP port at that. */
static int is_port(const char *p, size_t n) {
    unsigned value = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(p[i])) {
            return 0;
        }
        value = value * 10 + (unsigned)(p[i] - '0');
        if (value > 65535) {
            return 0;
        }
    }
    return 1;
}

/* What follows a host: nothing, or a colon and a port. */
static int is_port_part(const char *p, size_t n) {
    return n == 0 || (p[0] == ':' && is_port(p + 1, n - 1));
}

/* Four decimal octets without leading zeros (RFC 3986 3.2.2, dec-octet). */
static int is_ipv4(const char *p, size_t n) {
    size_t i = 0;
    for (int octet = 0; octet < 4; octet++) {
        if (octet > 0 && (i == n || p[i++] != '.')) {
            return 0;
        }
        size_t start = i;
        unsigned value = 0;
        while (i < n && i - start < 3 && is_digit(p[i])) {
            value = value * 10 + (unsigned)(p[i++] - '0');
        }
        if (i == start || value > 255 || (p[start] == '0' && i - start > 1)) {
            return 0;
        }
    }
    return i == n;
}

/* Eight groups of 16 bits, one "::" standing for one group or more, the last two
 * perhaps as an IPv4 address. A zone has no place in an address on the wire
 * (RFC 6874 4): its '%' is refused like any other byte. */
static int is_ipv6(const char *p, size_t n) {
    int groups = 0;
    int gap = n >= 2 && p[0] == ':' && p[1] == ':';
    size_t i = gap ? 2 : 0;
    while (i < n) {
        size_t start = i;
        while (i < n && i - start < 4 && is_of(p[i], HEX)) {
            i++;
        }
        if (i == start) {
            return 0;
        }
        if (i < n && p[i] == '.') {
            groups += 2;
            if (!is_ipv4(p + start, n - start)) {
                return 0;
            }
            break;
        }
        groups++;
        if (i == n) {
            break;
        }
        if (p[i++] != ':' || i == n) {
            return 0;
        }
        if (p[i] == ':') {
            if (gap) {
                return 0;
            }
            gap = 1;
            i++;
        }
    }
    return gap ? groups < 8 : groups == 8;
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) (RFC 3986 3.2.2). */
static int is_ip_future(const char *p, size_t n) {
    size_t i = 1;
    while (i < n && is_of(p[i], HEX)) {
        i++;
    }
    if (i == 1 || i + 1 >= n || p[i] != '.') {
        return 0;
    }
    for (i++; i < n; i++) {
        if (p[i] != ':' && !is_of(p[i], IN_HOST)) {
            return 0;
        }
    }
    return 1;
}

static int is_ip_literal(const char *p, size_t n) {
    if (n > 0 && (p[0] == 'v' || p[0] == 'V')) {
        return is_ip_future(p, n);
    }
    return is_ipv6(p, n);
}

int fs_host_is_valid(const char *p, size_t n) {
    if (n > 0 && p[0] == '[') {
        const char *close = memchr(p, ']', n);
        if (close == NULL || !is_ip_literal(p + 1, (size_t)(close - p) - 1)) {
            return 0;
        }
        return is_port_part(close + 1, n - (size_t)(close - p) - 1);
    }
    /* A reg-name; an IPv4 address is one too. */
    size_t i = 0;
    while (i < n && p[i] != ':') {
        if (is_of(p[i], IN_HOST)) {
            i++;
        } else if (p[i] == '%' && n - i > 2 && is_of(p[i + 1], HEX)
                   && is_of(p[i + 2], HEX)) {
            i += 3;
        } else {
            return 0;
        }
    }
    return is_port_part(p + i, n - i);
}

/* ---- request targets ---- */

/* The path is p[0..n) up to the first '?'; what follows that is the query. */
static void split_path(const char *p, size_t n, int seen, fs_target *out) {
    const char *mark = (seen & QUESTION) != 0 ? memchr(p, '?', n) : NULL;
    out->path = p;
    out->path_len = mark != NULL ? (size_t)(mark - p) : n;
    out->query = mark != NULL ? mark + 1 : p + n;
    out->query_len = mark != NULL ? n - out->path_len - 1 : 0;
    out->escaped = (seen & ESCAPE) != 0 && memchr(p, '%', out->path_len) != NULL;
    if (out->path_len == 0) {
        out->path = "/"; /* RFC 9112 3.2.1: an absent path is sent as "/" */
        out->path_len = 1;
    }
}

/* The length of "http://" or "https://" at the start of p[0..n), or 0. */
static size_t scheme_length(const char *p, size_t n) {
    static const char https[] = "https";
    size_t i = n >= 5 && fs_name_equals(p, https, 5) ? 5 : 4;
    if (n < i + 3 || !fs_name_equals(p, https, i) || memcmp(p + i, "://", 3) != 0) {
        return 0;
    }
    return i + 3;
}

static int split_absolute(const char *p, size_t n, int seen, fs_target *out) {
    size_t start = scheme_length(p, n);
    if (start == 0) {
        return -1;
    }
    size_t end = start;
    while (end < n && p[end] != '/' && p[end] != '?') {
        end++;
    }
    /* RFC 9110 4.2.1: an http URI with an empty host is invalid. */
    if (end == start || p[start] == ':' || !fs_host_is_valid(p + start, end - start)) {
        return -1;
    }
    out->form = FS_TARGET_ABSOLUTE;
    out->authority = p + start;
    out->authority_len = end - start;
    split_path(p + end, n - end, seen, out);
    return 0;
}

int fs_scan_target(const char *p, size_t n, fs_target *out) {
    int all = IN_TARGET;
    int seen = 0;
    for (size_t i = 0; i < n; i++) {
        int class = classes[(uint8_t)p[i]];
        all &= class;
        seen |= class;
    }
    if (n == 0 || all == 0) {
        return -1;
    }
    if (p[0] != '/' && !(n == 1 && p[0] == '*')) {
        return split_absolute(p, n, seen, out);
    }
    out->form = p[0] == '/' ? FS_TARGET_ORIGIN : FS_TARGET_ASTERISK;
    out->authority = p;
    out->authority_len = 0;
    split_path(p, n, seen, out);
    return 0;
}

/* ---- percent-decoding ---- */

static int hex_value(char c) {
    return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

size_t fs_percent_decode(char *out, const char *p, size_t n) {
    const char *end = p + n;
    char *to = out;
    while (p < end) {
        const char *mark = memchr(p, '%', (size_t)(end - p));
        size_t run = (size_t)((mark != NULL ? mark : end) - p);
        memcpy(to, p, run);
        to += run;
        p += run;
        if (mark == NULL) {
            break;
        }
        if (end - p > 2 && is_of(p[1], HEX) && is_of(p[2], HEX)) {
            *to++ = (char)(hex_value(p[1]) << 4 | hex_value(p[2]));
            p += 3;
        } else {
            *to++ = *p++;
        }
    }
    return (size_t)(to - out);
}
