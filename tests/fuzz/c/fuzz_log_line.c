/* csrc/log_line.c: a line is what is given, quoted as Python's quote() does it, and
 * whatever a peer chose, no control byte but the form's own is in it. */
#include "log_line.h"

#include <ctype.h>

#include "fuzz.h"

typedef struct {
    char bytes[65536];
    size_t n;
} line;

static void add(line *to, const char *p, size_t n) {
    if (n > 0) {
        memcpy(to->bytes + to->n, p, n);
    }
    to->n += n;
}

static void add_quoted(line *to, fs_span span, int is_query) {
    for (size_t i = 0; i < span.n; i++) {
        unsigned char c = (unsigned char)span.p[i];
        char code[4];
        int kept = is_query ? c > 0x20 && c < 0x7f
                            : c < 0x80 && (isalnum(c) || (c && strchr("_.-~/", c)));
        if (kept) {
            add(to, span.p + i, 1);
        } else {
            snprintf(code, sizeof code, "%%%02X", c);
            add(to, code, 3);
        }
    }
}

static int is_printable(fs_span span) {
    for (size_t i = 0; i < span.n; i++) {
        if (span.p[i] < 0x20 || span.p[i] > 0x7e) {
            return 0;
        }
    }
    return 1;
}

static void write_slowly(line *to, const fs_log_form *form,
                         const fs_log_request *request) {
    char port[16];
    add(to, form->head.p, form->head.n);
    if (request->has_client) {
        add(to, request->host.p, request->host.n);
        add(to, port, (size_t)snprintf(port, sizeof port, ":%u", request->port));
    }
    add(to, form->method.p, form->method.n);
    add(to, request->method.p, request->method.n);
    add(to, " ", 1);
    add_quoted(to, request->path, 0);
    if (request->query.n > 0) {
        add(to, "?", 1);
        add_quoted(to, request->query, 1);
    }
    add(to, form->version.p, form->version.n);
    add(to, request->version.p, request->version.n);
    add(to, form->tail.p, form->tail.n);
}

static void check_line(const fs_log_form *form, const fs_log_request *request,
                       const line *expected, size_t room) {
    char *out = exactly(room);
    ptrdiff_t got = fs_write_log_line(out, room, form, request);
    if ((request->has_client && !is_printable(request->host))
        || !is_printable(request->method) || !is_printable(request->version)) {
        MUST(got == FS_LOG_BYTE);
    } else if (room < expected->n) {
        MUST(got == FS_LOG_ROOM);
    } else {
        MUST(same_bytes(out, (size_t)got, expected->bytes, expected->n));
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 8192) {
        return 0;
    }
    input in = {data, size};
    fs_span spans[9];
    piece pieces[9];
    line expected = {.n = 0};
    unsigned flags = next_byte(&in);
    unsigned port = next_byte(&in) << 8 | next_byte(&in);
    size_t room = next_byte(&in);
    for (int i = 0; i < 9; i++) {
        pieces[i] = i < 8 ? next_piece(&in, next_byte(&in)) : the_rest(&in);
        spans[i] = (fs_span){pieces[i].p, pieces[i].n};
        if (pieces[i].n == 0 && flags & 2) {
            spans[i].p = NULL;
        }
    }
    fs_log_form form = {spans[0], spans[1], spans[2], spans[3]};
    fs_log_request request = {flags & 1, spans[4], port, spans[5],
                              spans[8], spans[6], spans[7]};
    write_slowly(&expected, &form, &request);
    check_line(&form, &request, &expected, room);
    check_line(&form, &request, &expected, expected.n);
    if (expected.n > 0) {
        check_line(&form, &request, &expected, expected.n - 1);
    }
    for (int i = 0; i < 9; i++) {
        free(pieces[i].p);
    }
    return 0;
}
