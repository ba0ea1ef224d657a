/* Writing side of HTTP/1.1; the contract is in http_write.h.
 *
 * Pure functions that put bytes at a pointer: nothing here allocates, keeps state,
 * calls into Python, or lets a byte through that could end a line early. */
#include "http_write.h"

#include <string.h>

#include "http_scan.h"
#include "word.h"

/* ---- numbers ---- */

static void write_two(char *out, unsigned value) {
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
}

static size_t count_digits(uint64_t value) {
    size_t n = 1;
    for (; value >= 100; value /= 100) {
        n += 2;
    }
    return n + (value >= 10);
}

size_t fs_write_decimal(char *out, uint64_t value) {
    size_t n = count_digits(value);
    size_t i = n;
    for (; i >= 2; value /= 100) {
        i -= 2;
        write_two(out + i, (unsigned)(value % 100));
    }
    if (i == 1) {
        out[0] = (char)('0' + value);
    }
    return n;
}

size_t fs_write_chunk_head(char *out, uint64_t size) {
    static const char hex[] = "0123456789abcdef";
    size_t n = 1;
    while (n < 16 && size >> (4 * n) != 0) {
        n++;
    }
    for (size_t i = n; i > 0; i--) {
        out[i - 1] = hex[size & 15];
        size >>= 4;
    }
    memcpy(out + n, "\r\n", 2);
    return n + 2;
}

/* ---- the date ---- */

/* The civil date of a day since 1970. Years are counted from 1 March, so that the
 * leap day is the last of its year, in eras of 400 years (146097 days). */
static void civil_date(unsigned day, unsigned *y, unsigned *m, unsigned *d) {
    unsigned from_0000_03_01 = day + 719468;
    unsigned era = from_0000_03_01 / 146097;
    unsigned of_era = from_0000_03_01 % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* 0 is March */
    *d = of_year - (153 * month + 2) / 5 + 1;
    *m = month < 10 ? month + 3 : month - 9;
    *y = year + era * 400 + (*m <= 2);
}

size_t fs_write_date(char *out, int64_t unix_seconds) {
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970 began on one */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const int64_t year_10000 = 253402300800;
    /* Outside of the years that the format has room for: the nearest inside. */
    if (unix_seconds < 0) {
        unix_seconds = 0;
    } else if (unix_seconds >= year_10000) {
        unix_seconds = year_10000 - 1;
    }
    unsigned day = (unsigned)(unix_seconds / 86400);
    unsigned second = (unsigned)(unix_seconds % 86400);
    unsigned y, m, d;
    civil_date(day, &y, &m, &d);
    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", FS_DATE_LENGTH);
    memcpy(out, weekdays + 3 * (day % 7), 3);
    write_two(out + 5, d);
    memcpy(out + 8, months + 3 * (m - 1), 3);
    write_two(out + 12, y / 100);
    write_two(out + 14, y % 100);
    write_two(out + 17, second / 3600);
    write_two(out + 20, second / 60 % 60);
    write_two(out + 23, second % 60);
    return FS_DATE_LENGTH;
}

/* ---- the status line ---- */

enum { PHRASE_ROOM = 32, FIRST_STATUS = 100, STATUS_END = 600 };

typedef struct {
    uint8_t length;
    char text[PHRASE_ROOM];
} phrase;

/* The phrases of the IANA registry, and 418's from RFC 2324. */
#define PHRASE(status, text) [status - FIRST_STATUS] = {sizeof(text) - 1, text}
static const phrase phrases[STATUS_END - FIRST_STATUS] = {
    PHRASE(100, "Continue"),
    PHRASE(101, "Switching Protocols"),
    PHRASE(102, "Processing"),
    PHRASE(103, "Early Hints"),
    PHRASE(104, "Upload Resumption Supported"),
    PHRASE(200, "OK"),
    PHRASE(201, "Created"),
    PHRASE(202, "Accepted"),
    PHRASE(203, "Non-Authoritative Information"),
    PHRASE(204, "No Content"),
    PHRASE(205, "Reset Content"),
    PHRASE(206, "Partial Content"),
    PHRASE(207, "Multi-Status"),
    PHRASE(208, "Already Reported"),
    PHRASE(226, "IM Used"),
    PHRASE(300, "Multiple Choices"),
    PHRASE(301, "Moved Permanently"),
    PHRASE(302, "Found"),
    PHRASE(303, "See Other"),
    PHRASE(304, "Not Modified"),
    PHRASE(305, "Use Proxy"),
    PHRASE(307, "Temporary Redirect"),
    PHRASE(308, "Permanent Redirect"),
    PHRASE(400, "Bad Request"),
    PHRASE(401, "Unauthorized"),
    PHRASE(402, "Payment Required"),
    PHRASE(403, "Forbidden"),
    PHRASE(404, "Not Found"),
    PHRASE(405, "Method Not Allowed"),
    PHRASE(406, "Not Acceptable"),
    PHRASE(407, "Proxy Authentication Required"),
    PHRASE(408, "Request Timeout"),
    PHRASE(409, "Conflict"),
    PHRASE(410, "Gone"),
    PHRASE(411, "Length Required"),
    PHRASE(412, "Precondition Failed"),
    PHRASE(413, "Content Too Large"),
    PHRASE(414, "URI Too Long"),
    PHRASE(415, "Unsupported Media Type"),
    PHRASE(416, "Range Not Satisfiable"),
    PHRASE(417, "Expectation Failed"),
    PHRASE(418, "I'm a Teapot"),
    PHRASE(421, "Misdirected Request"),
    PHRASE(422, "Unprocessable Content"),
    PHRASE(423, "Locked"),
    PHRASE(424, "Failed Dependency"),
    PHRASE(425, "Too Early"),
    PHRASE(426, "Upgrade Required"),
    PHRASE(428, "Precondition Required"),
    PHRASE(429, "Too Many Requests"),
    PHRASE(431, "Request Header Fields Too Large"),
    PHRASE(451, "Unavailable For Legal Reasons"),
    PHRASE(500, "Internal Server Error"),
    PHRASE(501, "Not Implemented"),
    PHRASE(502, "Bad Gateway"),
    PHRASE(503, "Service Unavailable"),
    PHRASE(504, "Gateway Timeout"),
    PHRASE(505, "HTTP Version Not Supported"),
    PHRASE(506, "Variant Also Negotiates"),
    PHRASE(507, "Insufficient Storage"),
    PHRASE(508, "Loop Detected"),
    PHRASE(510, "Not Extended"),
    PHRASE(511, "Network Authentication Required"),
};

#define VERSION "HTTP/1.1 "
enum { PHRASE_AT = sizeof(VERSION "200 ") - 1 };
_Static_assert(PHRASE_AT + PHRASE_ROOM + 2 <= FS_STATUS_LINE_MAX, "room for a phrase");

size_t fs_write_status_line(char *out, int status) {
    if (status < FIRST_STATUS || status >= STATUS_END) {
        return 0;
    }
    const phrase *reason = &phrases[status - FIRST_STATUS];
    size_t n = PHRASE_AT + reason->length;
    memcpy(out, VERSION "... ", PHRASE_AT);
    out[PHRASE_AT - 4] = (char)('0' + status / 100);
    write_two(out + PHRASE_AT - 3, (unsigned)status % 100);
    memcpy(out + PHRASE_AT, reason->text, PHRASE_ROOM); /* all: no length to look at */
    memcpy(out + n, "\r\n", 2);
    return n + 2;
}

/* ---- header lines ---- */

/* The highest bit of each byte that is no control byte: neither below 0x20 nor 0x7f.
 * Adding 1 to the low seven bits turns the latter into 0, so that one comparison finds
 * both; no sum leaves its byte. The lower bits of the result are noise. */
static uint64_t no_control(uint64_t word) {
    uint64_t next = (word & FS_EACH(0x7f)) + FS_EACH(1);
    return word | ((next & FS_EACH(0x7f)) + FS_EACH(0x80 - 0x21));
}

static int is_value(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return 0;
        }
    }
    return 1;
}

/* Copies a value. Returns 0 if there is a control byte in it; a tab counts as one. */
static int copy_value(char *out, const char *p, size_t n) {
    uint64_t good = FS_EACH(0x80);
    if (n >= 8) {
        for (size_t i = 0; i < n - 8; i += 8) {
            uint64_t word = fs_load8(p + i);
            fs_store8(out + i, word);
            good &= no_control(word);
        }
        uint64_t word = fs_load8(p + n - 8);
        fs_store8(out + n - 8, word);
        good &= no_control(word);
    } else if (n >= 4) {
        uint64_t word = fs_load4(p, n);
        fs_store4(out, n, word);
        good &= no_control(word);
    } else {
        for (size_t i = 0; i < n; i++) {
            out[i] = p[i];
            good &= no_control((uint8_t)p[i] * FS_EACH(1));
        }
    }
    return good == FS_EACH(0x80);
}

ptrdiff_t fs_write_header(char *out, size_t room, const char *name, size_t name_len,
                          const char *value, size_t value_len) {
    const size_t marks = 4; /* ": " and CRLF */
    /* In this order, for a sum of the lengths could wrap. */
    if (room < marks || name_len > room - marks
        || value_len > room - marks - name_len) {
        return FS_E_ROOM;
    }
    if (!fs_lower_plain(out, name, name_len)
        && fs_lower_name(out, name, name_len) != 0) {
        return FS_E_NAME;
    }
    out += name_len;
    memcpy(out, ": ", 2);
    if (!copy_value(out + 2, value, value_len) && !is_value(value, value_len)) {
        return FS_E_VALUE;
    }
    memcpy(out + 2 + value_len, "\r\n", 2);
    return (ptrdiff_t)(name_len + value_len + marks);
}
