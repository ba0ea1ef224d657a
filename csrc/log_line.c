/* Lines of the access log; the contract is in log_line.h.
 *
 * Every byte goes through put(), which knows where out ends: nothing here allocates,
 * keeps state or calls into Python. */
#include "log_line.h"

#include <stdint.h>
#include <string.h>

#include "http_write.h"

/* Where the next byte goes, and the first place where none may. */
typedef struct {
    char *at;
    char *end;
} cursor;

static int put(cursor *to, const char *p, size_t n) {
    if ((size_t)(to->end - to->at) < n) {
        return 0;
    }
    if (n > 0) {
        memcpy(to->at, p, n);
        to->at += n;
    }
    return 1;
}

static int put_span(cursor *to, fs_span span) {
    return put(to, span.p, span.n);
}

/* ---- classes of bytes ---- */

enum { IN_PATH = 1, IN_QUERY = 2 };

#define Q IN_QUERY
#define B (IN_PATH | IN_QUERY)
static const uint8_t classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, B, B, B, /* blank to '/' */
    B, B, B, B, B, B, B, B, B, B, Q, Q, Q, Q, Q, Q, /* '0' to '?' */
    Q, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, /* '@' to 'O' */
    B, B, B, B, B, B, B, B, B, B, B, Q, Q, Q, Q, B, /* 'P' to '_' */
    Q, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, /* '`' to 'o' */
    B, B, B, B, B, B, B, B, B, B, B, Q, Q, Q, B, 0, /* 'p' to '~', DEL */
};
#undef Q
#undef B

static int is_printable(fs_span span) {
    for (size_t i = 0; i < span.n; i++) {
        if (span.p[i] != ' ' && !(classes[(uint8_t)span.p[i]] & IN_QUERY)) {
            return 0;
        }
    }
    return 1;
}

static int put_quoted(cursor *to, fs_span span, int kept) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < span.n; i++) {
        size_t begin = i;
        while (i < span.n && (classes[(uint8_t)span.p[i]] & kept)) {
            i++;
        }
        if (!put(to, span.p + begin, i - begin)) {
            return 0;
        }
        if (i < span.n) {
            uint8_t c = (uint8_t)span.p[i];
            char code[3] = {'%', hex[c >> 4], hex[c & 15]};
            if (!put(to, code, sizeof code)) {
                return 0;
            }
        }
    }
    return 1;
}

/* ---- the line ---- */

static int put_client(cursor *to, const fs_log_request *request) {
    char port[1 + FS_DECIMAL_MAX] = ":";
    if (!request->has_client) {
        return 1;
    }
    return put_span(to, request->host)
           && put(to, port, 1 + fs_write_decimal(port + 1, request->port));
}

static int put_target(cursor *to, const fs_log_request *request) {
    if (!put_quoted(to, request->path, IN_PATH)) {
        return 0;
    }
    return request->query.n == 0
           || (put(to, "?", 1) && put_quoted(to, request->query, IN_QUERY));
}

ptrdiff_t fs_write_log_line(char *out, size_t room, const fs_log_form *form,
                            const fs_log_request *request) {
    cursor to = {out, out + room};
    if ((request->has_client && !is_printable(request->host))
        || !is_printable(request->method) || !is_printable(request->version)) {
        return FS_LOG_BYTE;
    }
    int fits = put_span(&to, form->head) && put_client(&to, request)
               && put_span(&to, form->method) && put_span(&to, request->method)
               && put(&to, " ", 1) && put_target(&to, request)
               && put_span(&to, form->version) && put_span(&to, request->version)
               && put_span(&to, form->tail);
    return fits ? to.at - out : FS_LOG_ROOM;
}
