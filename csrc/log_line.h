/* One line of the access log.
 *
 * A line is made of the form, which is written as it is, and of what is known of a
 * request, which a peer may have chosen: path and query are percent-encoded, and the
 * rest must be printable ASCII. So a control byte in a line is always the form's. */
#ifndef FASTSERVE_LOG_LINE_H
#define FASTSERVE_LOG_LINE_H

#include <stddef.h>

enum {
    FS_LOG_ROOM = -1, /* out is too small; nothing past out + room was written */
    FS_LOG_BYTE = -2  /* host, method or version is not printable ASCII */
};

/* Bytes with their number; p may be NULL where n is 0. */
typedef struct {
    const char *p;
    size_t n;
} fs_span;

/* What stands before the client, between it and the method, between path and version,
 * and behind that: phrase, colours and the line's end among them. */
typedef struct {
    fs_span head;
    fs_span method;
    fs_span version;
    fs_span tail;
} fs_log_form;

typedef struct {
    int has_client; /* 0: neither host nor port is shown */
    fs_span host;
    unsigned port;
    fs_span method;
    fs_span path; /* decoded: UTF-8, or any other bytes */
    fs_span query; /* as it came; "?" and the query only if there is one */
    fs_span version;
} fs_log_request;

/* Head, host:port, the form's method and the request's, a blank, path?query, the
 * form's version and the request's, tail. Returns the length of that, FS_LOG_ROOM or
 * FS_LOG_BYTE; what is in out is undefined then.
 *
 * Of the path, letters, digits and "_.-~/" stay, as with Python's quote(); of the
 * query, all that is visible ASCII. Every other byte becomes %XX. */
ptrdiff_t fs_write_log_line(char *out, size_t room, const fs_log_form *form,
                            const fs_log_request *request);

#endif
