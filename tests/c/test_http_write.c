/* csrc/http_write.c against snprintf, strftime and a slow header writer. Output goes
 * into buffers of the exact size that the contract asks for. */
#define _POSIX_C_SOURCE 200809L
#include "http_write.h"

#include <inttypes.h>
#include <time.h>

#include "check.h"

/* ---- numbers ---- */

static void check_decimal(uint64_t value) {
    char expected[FS_DECIMAL_MAX + 1];
    int n = snprintf(expected, sizeof expected, "%" PRIu64, value);
    char *out = exactly(FS_DECIMAL_MAX);
    size_t length = fs_write_decimal(out, value);
    CHECK_FOR(expected, (size_t)n, same_bytes(out, length, expected, (size_t)n));
    free(out);
    /* It needs no more room than it says. */
    out = exactly((size_t)n);
    CHECK_FOR(expected, (size_t)n, fs_write_decimal(out, value) == (size_t)n);
    free(out);
}

static void check_chunk_head(uint64_t size) {
    char expected[FS_CHUNK_HEAD_MAX + 1];
    int n = snprintf(expected, sizeof expected, "%" PRIx64 "\r\n", size);
    char *out = exactly((size_t)n);
    size_t length = fs_write_chunk_head(out, size);
    CHECK_FOR(expected, (size_t)n, same_bytes(out, length, expected, (size_t)n));
    free(out);
}

static void test_numbers(void) {
    for (uint64_t value = 0; value < 20000; value++) {
        check_decimal(value);
        check_chunk_head(value);
    }
    uint64_t power = 1;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        for (uint64_t times = 1; times <= 9; times++) {
            check_decimal(power * times - 1); /* 10^19 * 2 wraps, and may */
            check_decimal(power * times);
            check_decimal(power * times + 1);
        }
    }
    for (int bit = 0; bit < 64; bit++) {
        uint64_t value = UINT64_C(1) << bit;
        for (uint64_t near = value - 1; near != value + 2; near++) {
            check_decimal(near);
            check_chunk_head(near);
        }
    }
    check_decimal(UINT64_MAX);
    check_chunk_head(UINT64_MAX);
    char head[FS_CHUNK_HEAD_MAX];
    CHECK(fs_write_chunk_head(head, UINT64_MAX) == FS_CHUNK_HEAD_MAX);
    CHECK(fs_write_decimal(head, 0) == 1 && head[0] == '0');
}

/* ---- the date ---- */

static void check_date(int64_t seconds) {
    char expected[64];
    struct tm parts;
    time_t when = (time_t)seconds;
    gmtime_r(&when, &parts);
    size_t n = strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    char *out = exactly(FS_DATE_LENGTH);
    CHECK_FOR(expected, n, n == FS_DATE_LENGTH);
    CHECK_FOR(expected, n, fs_write_date(out, seconds) == FS_DATE_LENGTH);
    CHECK_FOR(expected, n, memcmp(out, expected, FS_DATE_LENGTH) == 0);
    free(out);
}

static void test_dates(void) {
    const int64_t day = 86400;
    const int64_t end = INT64_C(253402300800); /* the year 10000 */
    char out[FS_DATE_LENGTH];
    fs_write_date(out, 784111777);
    CHECK(memcmp(out, "Sun, 06 Nov 1994 08:49:37 GMT", FS_DATE_LENGTH) == 0);
    for (int64_t second = 0; second < day; second++) { /* of 29 February 2000 */
        check_date(951782400 + second);
    }
    for (int64_t noon = day / 2; noon < 150000 * day; noon += day) { /* to 2380 */
        check_date(noon);
    }
    for (int64_t second = 0; second < end; second += 37 * day + 4567) {
        check_date(second);
    }
    /* Both sides of midnight at the turns of years and of February, in years that
     * are leap (2000, 2024, 2400, 9996) and not (2023, 2100, 9999). */
    static const int years[] = {1970, 1972, 1999, 2000, 2023, 2024, 2038,
                                2100, 2400, 9996, 9999};
    for (size_t i = 0; i < sizeof years / sizeof *years; i++) {
        int64_t year = years[i] - 1;
        int64_t days = year * 365 + year / 4 - year / 100 + year / 400 - 719162;
        for (int64_t of_year = 0; of_year < 366; of_year++) {
            if ((days + of_year) * day == end) {
                break;
            }
            check_date((days + of_year) * day);
            check_date((days + of_year + 1) * day - 1);
        }
    }
    check_date(end - 1);
    char last[FS_DATE_LENGTH];
    fs_write_date(last, end - 1);
    CHECK(memcmp(last, "Fri, 31 Dec 9999 23:59:59 GMT", FS_DATE_LENGTH) == 0);
}

/* Outside the years of the format, the nearest date inside. */
static void test_dates_out_of_range(void) {
    static const int64_t early[] = {-1, INT64_MIN};
    static const int64_t late[] = {INT64_C(253402300800), INT64_MAX};
    for (int i = 0; i < 2; i++) {
        char *out = exactly(FS_DATE_LENGTH);
        CHECK(fs_write_date(out, early[i]) == FS_DATE_LENGTH);
        CHECK(memcmp(out, "Thu, 01 Jan 1970 00:00:00 GMT", FS_DATE_LENGTH) == 0);
        CHECK(fs_write_date(out, late[i]) == FS_DATE_LENGTH);
        CHECK(memcmp(out, "Fri, 31 Dec 9999 23:59:59 GMT", FS_DATE_LENGTH) == 0);
        free(out);
    }
}

/* ---- the status line ---- */

/* The registered statuses in ascending order (IANA, HTTP Status Code Registry). */
static const struct {
    int status;
    const char *phrase;
} registered[] = {
    {100, "Continue"}, {101, "Switching Protocols"}, {102, "Processing"},
    {103, "Early Hints"}, {104, "Upload Resumption Supported"}, {200, "OK"},
    {201, "Created"}, {202, "Accepted"}, {203, "Non-Authoritative Information"},
    {204, "No Content"}, {205, "Reset Content"}, {206, "Partial Content"},
    {207, "Multi-Status"}, {208, "Already Reported"}, {226, "IM Used"},
    {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"},
    {303, "See Other"}, {304, "Not Modified"}, {305, "Use Proxy"},
    {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"},
    {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"},
    {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"}, {408, "Request Timeout"},
    {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"},
    {412, "Precondition Failed"}, {413, "Content Too Large"}, {414, "URI Too Long"},
    {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"}, {418, "I'm a Teapot"}, {421, "Misdirected Request"},
    {422, "Unprocessable Content"}, {423, "Locked"}, {424, "Failed Dependency"},
    {425, "Too Early"}, {426, "Upgrade Required"}, {428, "Precondition Required"},
    {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"}, {500, "Internal Server Error"},
    {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"}, {507, "Insufficient Storage"},
    {508, "Loop Detected"}, {510, "Not Extended"},
    {511, "Network Authentication Required"},
};

static void test_status_lines(void) {
    const size_t count = sizeof registered / sizeof *registered;
    size_t next = 0;
    for (int status = -700; status <= 70000; status++) {
        char expected[FS_STATUS_LINE_MAX + 1] = "";
        const char *phrase = "";
        if (next < count && registered[next].status == status) {
            phrase = registered[next++].phrase;
        }
        if (status >= 100 && status < 600) {
            snprintf(expected, sizeof expected, "HTTP/1.1 %d %s\r\n", status, phrase);
        }
        char *out = exactly(FS_STATUS_LINE_MAX);
        size_t n = fs_write_status_line(out, status);
        CHECK_FOR(expected, strlen(expected),
                  same_bytes(out, n, expected, strlen(expected)));
        free(out);
    }
    CHECK(next == count);
    char out[FS_STATUS_LINE_MAX];
    CHECK(fs_write_status_line(out, -2147483647 - 1) == 0);
    CHECK(fs_write_status_line(out, 2147483647) == 0);
}

/* ---- header lines ---- */

static int is_token_byte(unsigned char c) {
    return c > 0x20 && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

static int is_value_byte(unsigned char c) {
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

/* What fs_write_header must return, and into expected the line of a good header. */
static ptrdiff_t write_slowly(char *expected, size_t room, const char *name,
                              size_t name_len, const char *value, size_t value_len) {
    size_t n = 0;
    if (room < name_len + value_len + 4) {
        return FS_E_ROOM;
    }
    for (size_t i = 0; i < name_len; i++) {
        if (!is_token_byte((unsigned char)name[i])) {
            return FS_E_NAME;
        }
        int upper = name[i] >= 'A' && name[i] <= 'Z';
        expected[n++] = (char)(upper ? name[i] + 32 : name[i]);
    }
    if (name_len == 0) {
        return FS_E_NAME;
    }
    memcpy(expected + n, ": ", 2);
    n += 2;
    for (size_t i = 0; i < value_len; i++) {
        if (!is_value_byte((unsigned char)value[i])) {
            return FS_E_VALUE;
        }
        expected[n++] = value[i];
    }
    memcpy(expected + n, "\r\n", 2);
    return (ptrdiff_t)(n + 2);
}

static void check_header(size_t room, const char *name, size_t name_len,
                         const char *value, size_t value_len) {
    char *expected = exactly(name_len + value_len + 4);
    char *n = copy_of(name, name_len);
    char *v = copy_of(value, value_len);
    char *out = exactly(room);
    ptrdiff_t wanted = write_slowly(expected, room, n, name_len, v, value_len);
    ptrdiff_t got = fs_write_header(out, room, n, name_len, v, value_len);
    CHECK_FOR(v, value_len, got == wanted);
    if (got > 0) {
        CHECK_FOR(v, value_len, memcmp(out, expected, (size_t)got) == 0);
    }
    free(expected);
    free(n);
    free(v);
    free(out);
}

static void test_header_lines(void) {
    char out[64];
    ptrdiff_t n = fs_write_header(out, sizeof out, "Content-Type", 12, "a/b", 3);
    CHECK(n == 19 && memcmp(out, "content-type: a/b\r\n", 19) == 0);
    n = fs_write_header(out, sizeof out, "X", 1, "", 0);
    CHECK(n == 5 && memcmp(out, "x: \r\n", 5) == 0);
    /* Without room, or without a value, not even the pointer is looked at. */
    CHECK(fs_write_header(out + sizeof out, 0, "a", 1, "", 0) == FS_E_ROOM);
    char *block = exactly(8);
    CHECK(fs_write_header(out, sizeof out, "a", 1, block + 8, 0) == 5);
    CHECK(fs_write_header(out, sizeof out, block + 8, 0, "a", 1) == FS_E_NAME);
    free(block);
    CHECK(fs_write_header(out, sizeof out, "a b", 3, "a", 1) == FS_E_NAME);
    CHECK(fs_write_header(out, sizeof out, "a:", 2, "a", 1) == FS_E_NAME);
    CHECK(fs_write_header(out, sizeof out, "a", 1, "b\r\nc: d", 7) == FS_E_VALUE);
    CHECK(fs_write_header(out, sizeof out, "a", 1, "b\0c", 3) == FS_E_VALUE);
}

/* Every pair of lengths round the words of 8 bytes, with just the room, one byte
 * less, one more, and none. */
static void test_header_rooms(void) {
    char name[41];
    char value[41];
    memset(name, 'N', sizeof name);
    memset(value, 'v', sizeof value);
    for (size_t name_len = 0; name_len < sizeof name; name_len++) {
        for (size_t value_len = 0; value_len < sizeof value; value_len++) {
            size_t room = name_len + value_len + 4;
            check_header(room, name, name_len, value, value_len);
            check_header(room - 1, name, name_len, value, value_len);
            check_header(room + 1, name, name_len, value, value_len);
            check_header(0, name, name_len, value, value_len);
        }
    }
    for (size_t room = 0; room < 12; room++) {
        check_header(room, "name", 4, "val", 3);
    }
    /* Lengths whose sum wraps never look like a small one. */
    char out[8];
    CHECK(fs_write_header(out, 8, "a", 1, "b", SIZE_MAX) == FS_E_ROOM);
    CHECK(fs_write_header(out, 8, "a", 1, "b", SIZE_MAX - 4) == FS_E_ROOM);
    CHECK(fs_write_header(out, 8, "a", SIZE_MAX, "b", 1) == FS_E_ROOM);
    CHECK(fs_write_header(out, 8, "a", SIZE_MAX - 3, "b", 0) == FS_E_ROOM);
    CHECK(fs_write_header(out, 8, "a", SIZE_MAX, "b", SIZE_MAX) == FS_E_ROOM);
}

/* Every byte at every place of values and names of each length. */
static void test_header_bytes(void) {
    char text[35];
    for (size_t n = 1; n <= sizeof text; n++) {
        memset(text, 'T', sizeof text);
        for (size_t i = 0; i < n; i++) {
            for (int c = 0; c < 256; c++) {
                text[i] = (char)c;
                check_header(n + 8, "name", 4, text, n);
                check_header(n + 9, text, n, "value", 5);
            }
            text[i] = 'T';
        }
    }
}

/* Neighbours: what one byte borrows must not hide or accuse the next. */
static void test_header_pairs(void) {
    char text[16];
    memset(text, 'a', sizeof text);
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            text[6] = (char)first;
            text[7] = (char)second;
            check_header(20, "x", 1, text, 15);
            text[8] = (char)first;
            text[9] = (char)second;
            check_header(20, "x", 1, text, 15);
            check_header(20, text, 15, "x", 1);
        }
    }
    unsigned state = 3;
    for (int round = 0; round < 200000; round++) {
        size_t n = next_random(&state) % (sizeof text + 1);
        for (size_t i = 0; i < n; i++) {
            text[i] = "\t !~\x7f\x80\xff\x1f\x20za-\x00\n\r@"[next_random(&state) % 15];
        }
        check_header(20, "x", 1, text, n);
    }
}

int main(void) {
    test_numbers();
    test_dates();
    test_dates_out_of_range();
    test_status_lines();
    test_header_lines();
    test_header_rooms();
    test_header_bytes();
    test_header_pairs();
    return checks_result();
}
