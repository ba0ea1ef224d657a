/* csrc/http_write.c: what it writes is what the C library writes, it fits, and no byte
 * that could end a line early gets through. */
#include "http_write.h"

#include <inttypes.h>
#include <time.h>

#include "fuzz.h"
#include "http_scan.h"

static void check_numbers(uint64_t number) {
    char expected[64], *out = exactly(FS_DECIMAL_MAX);
    size_t n = fs_write_decimal(out, number);
    MUST(n == (size_t)snprintf(expected, sizeof expected, "%" PRIu64, number));
    MUST(memcmp(out, expected, n) == 0);
    free(out);
    out = exactly(FS_CHUNK_HEAD_MAX);
    n = fs_write_chunk_head(out, number);
    MUST(n == (size_t)snprintf(expected, sizeof expected, "%" PRIx64 "\r\n", number));
    MUST(memcmp(out, expected, n) == 0);
    free(out);
}

static void check_date(int64_t seconds) {
    static const int64_t last = 253402300799; /* of the year 9999 */
    time_t inside = seconds < 0 ? 0 : seconds > last ? last : seconds;
    char expected[64], *out = exactly(FS_DATE_LENGTH);
    struct tm parts;
    MUST(gmtime_r(&inside, &parts) != NULL);
    strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    MUST(fs_write_date(out, seconds) == FS_DATE_LENGTH);
    MUST(memcmp(out, expected, FS_DATE_LENGTH) == 0);
    free(out);
}

static void check_status(int status) {
    char *out = exactly(FS_STATUS_LINE_MAX);
    size_t n = fs_write_status_line(out, status);
    if (status < 100 || status > 599) {
        MUST(n == 0);
    } else {
        MUST(n >= 15 && n <= FS_STATUS_LINE_MAX);
        MUST(memcmp(out, "HTTP/1.1 ", 9) == 0 && out[12] == ' ');
        MUST(strtol(out + 9, NULL, 10) == status);
        MUST(memcmp(out + n - 2, "\r\n", 2) == 0 && !memchr(out, '\r', n - 2));
    }
    free(out);
}

static int value_is_good(piece value) {
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return 0;
        }
    }
    return 1;
}

static void check_header(piece name, piece value, size_t room) {
    size_t due = name.n + value.n + 4;
    char *out = exactly(room);
    char *lowered = exactly(name.n);
    ptrdiff_t got =
        fs_write_header(out, room, name.p, name.n, value.p, value.n);
    if (room < due) {
        MUST(got == FS_E_ROOM);
    } else if (fs_lower_name(lowered, name.p, name.n) != 0) {
        MUST(got == FS_E_NAME);
    } else if (!value_is_good(value)) {
        MUST(got == FS_E_VALUE);
    } else {
        MUST(got == (ptrdiff_t)due);
        MUST(same_bytes(out, name.n, lowered, name.n));
        MUST(memcmp(out + name.n, ": ", 2) == 0);
        MUST(same_bytes(out + name.n + 2, value.n, value.p, value.n));
        MUST(memcmp(out + due - 2, "\r\n", 2) == 0);
    }
    free(out);
    free(lowered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    uint64_t number = next_number(&in);
    number >>= next_byte(&in) % 64;
    check_numbers(number);
    check_date((int64_t)number);
    check_status((int)(number & 0x7ff));
    size_t room = next_byte(&in);
    piece name = next_piece(&in, next_byte(&in));
    piece value = the_rest(&in);
    check_header(name, value, room);
    check_header(name, value, name.n + value.n + 4);
    check_header(name, value, name.n + value.n + 3);
    free(name.p);
    free(value.p);
    return 0;
}
