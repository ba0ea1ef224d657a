/* csrc/log_line.c against a slow writer over snprintf, in buffers of the exact size:
 * every byte in every place, and every room from nothing to enough. */
#include "log_line.h"

#include <limits.h>

#include "check.h"

static fs_span span(const char *text) {
    fs_span made = {text, strlen(text)};
    return made;
}

static const fs_log_form *plain_form(void) {
    static fs_log_form form;
    form.head = span("INFO:     ");
    form.method = span(" - \"");
    form.version = span(" HTTP/");
    form.tail = span("\" 200 OK\n");
    return &form;
}

static fs_log_request plain_request(void) {
    fs_log_request request = {
        1, span("127.0.0.1"), 5000, span("GET"), span("/"), span(""), span("1.1"),
    };
    return request;
}

/* ---- the slow writer ---- */

typedef struct {
    char text[65536];
    size_t n;
} slow_line;

static void add(slow_line *line, fs_span part) {
    for (size_t i = 0; i < part.n; i++) {
        line->text[line->n++] = part.p[i];
    }
}

static void add_quoted(slow_line *line, fs_span part, const char *kept) {
    static const char alnum[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (size_t i = 0; i < part.n; i++) {
        unsigned char c = (unsigned char)part.p[i];
        if (c != 0 && (strchr(alnum, c) != NULL || strchr(kept, c) != NULL)) {
            line->text[line->n++] = (char)c;
        } else {
            line->n += (size_t)snprintf(line->text + line->n, 4, "%%%02X", c);
        }
    }
}

static void write_slowly(slow_line *line, const fs_log_form *form,
                         const fs_log_request *request) {
    line->n = 0;
    add(line, form->head);
    if (request->has_client) {
        add(line, request->host);
        line->n += (size_t)snprintf(line->text + line->n, 16, ":%u", request->port);
    }
    add(line, form->method);
    add(line, request->method);
    line->text[line->n++] = ' ';
    add_quoted(line, request->path, "_.-~/");
    if (request->query.n > 0) {
        line->text[line->n++] = '?';
        add_quoted(line, request->query, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
    }
    add(line, form->version);
    add(line, request->version);
    add(line, form->tail);
}

/* ---- checks ---- */

/* In a buffer of its size, and not in one that is a byte smaller. */
static void check_line(const fs_log_form *form, const fs_log_request *request) {
    static slow_line expected;
    write_slowly(&expected, form, request);
    char *out = exactly(expected.n);
    ptrdiff_t n = fs_write_log_line(out, expected.n, form, request);
    CHECK_FOR(expected.text, expected.n,
              n >= 0 && same_bytes(out, (size_t)n, expected.text, expected.n));
    free(out);
    out = exactly(expected.n - 1);
    CHECK_FOR(expected.text, expected.n,
              fs_write_log_line(out, expected.n - 1, form, request) == FS_LOG_ROOM);
    free(out);
}

static void test_a_line(void) {
    char out[128];
    fs_log_request request = plain_request();
    static const char expected[] =
        "INFO:     127.0.0.1:5000 - \"GET /a%20b?q=%1b&r=%20 HTTP/1.1\" 200 OK\n";
    request.path = span("/a b");
    request.query = span("q=%1b&r= ");
    ptrdiff_t n = fs_write_log_line(out, sizeof out, plain_form(), &request);
    CHECK(n > 0 && same_bytes(out, (size_t)n, expected, sizeof expected - 1));
}

static void test_clients(void) {
    static const unsigned ports[] = {0, 1, 9, 10, 80, 65535, 65536, UINT_MAX};
    fs_log_request request = plain_request();
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        request.port = ports[i];
        check_line(plain_form(), &request);
    }
    request.host = span("");
    check_line(plain_form(), &request);
    request.has_client = 0;
    request.host.p = NULL;
    check_line(plain_form(), &request);
}

/* Each byte in path and query, at every place of a short text. */
static void test_quoting_of_bytes(void) {
    fs_log_request request = plain_request();
    for (int c = 0; c < 256; c++) {
        for (size_t n = 1; n <= 4; n++) {
            for (size_t at = 0; at < n; at++) {
                char *text = exactly(n);
                memset(text, 'x', n);
                text[at] = (char)c;
                fs_span given = {text, n};
                request.path = given;
                request.query = span("");
                check_line(plain_form(), &request);
                request.path = span("/");
                request.query = given;
                check_line(plain_form(), &request);
                free(text);
            }
        }
    }
}

/* What is not encoded must be printable; what is printable is written. */
static void test_bytes_that_are_refused(void) {
    char out[128];
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        fs_span given = {text, sizeof text};
        fs_log_request requests[3] = {plain_request(), plain_request(),
                                      plain_request()};
        requests[0].host = given;
        requests[1].method = given;
        requests[2].version = given;
        for (size_t i = 0; i < 3; i++) {
            if (c >= 0x20 && c < 0x7f) {
                check_line(plain_form(), &requests[i]);
            } else {
                CHECK(fs_write_log_line(out, sizeof out, plain_form(), &requests[i])
                      == FS_LOG_BYTE);
            }
        }
        requests[0].has_client = 0; /* its host is not shown */
        check_line(plain_form(), &requests[0]);
    }
}

/* No room is enough but the right one, and nothing is written past it. */
static void test_rooms(void) {
    char whole[128];
    fs_log_request request = plain_request();
    request.path = span("/\x01\x02 caf\xc3\xa9");
    request.query = span("\x7f" "a b");
    ptrdiff_t size = fs_write_log_line(whole, sizeof whole, plain_form(), &request);
    CHECK(size > 0);
    for (size_t room = 0; room < (size_t)size; room++) {
        char *out = exactly(room);
        CHECK(fs_write_log_line(out, room, plain_form(), &request) == FS_LOG_ROOM);
        free(out);
    }
}

static void test_a_form_with_colors(void) {
    fs_log_form form;
    fs_log_request request = plain_request();
    form.head = span("\x1b[32mINFO\x1b[0m:     ");
    form.method = span(" - \"\x1b[1m");
    form.version = span(" HTTP/");
    form.tail = span("\x1b[0m\" \x1b[32m200 OK\x1b[0m\n");
    check_line(&form, &request);
    form.head = form.method = form.version = form.tail = span("");
    check_line(&form, &request);
}

static void test_random_lines(void) {
    static char bytes[4][300];
    unsigned state = 7;
    for (int round = 0; round < 20000; round++) {
        fs_log_request request = plain_request();
        fs_span *parts[4] = {&request.host, &request.method, &request.path,
                             &request.query};
        for (int part = 0; part < 4; part++) {
            parts[part]->n = next_random(&state) % (part < 2 ? 20 : 300);
            parts[part]->p = bytes[part];
            for (size_t i = 0; i < parts[part]->n; i++) {
                unsigned c = next_random(&state);
                bytes[part][i] = (char)(part < 2 ? 0x20 + c % 0x5f : c);
            }
        }
        request.port = next_random(&state);
        check_line(plain_form(), &request);
    }
}

int main(void) {
    test_a_line();
    test_clients();
    test_quoting_of_bytes();
    test_bytes_that_are_refused();
    test_rooms();
    test_a_form_with_colors();
    test_random_lines();
    return checks_result();
}
