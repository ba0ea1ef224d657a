/* Writing side of HTTP/1.1: status line, header lines, chunk heads, date, decimals.
 *
 * Each writer puts bytes at out and returns how many; none of them allocates,
 * keeps state or calls into Python. A header line is checked while it is copied. */
#ifndef FASTSERVE_HTTP_WRITE_H
#define FASTSERVE_HTTP_WRITE_H

#include <stddef.h>
#include <stdint.h>

enum {
    FS_E_NAME = -1,  /* the field name is empty or no token (RFC 9110 5.1) */
    FS_E_VALUE = -2, /* the field value has CR, LF, NUL or another control byte */
    FS_E_ROOM = -3   /* out is too small; nothing past out + room was written */
};

#define FS_DATE_LENGTH 29         /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define FS_DECIMAL_MAX 20         /* digits of the largest uint64_t */
#define FS_CHUNK_HEAD_MAX 18      /* 16 hex digits and CRLF */
#define FS_STATUS_LINE_MAX 64     /* the longest status line with its CRLF */

/* The decimal digits of value; out has room for FS_DECIMAL_MAX bytes. */
size_t fs_write_decimal(char *out, uint64_t value);

/* The size of a chunk in lower-case hex, then CRLF; room: FS_CHUNK_HEAD_MAX. */
size_t fs_write_chunk_head(char *out, uint64_t size);

/* IMF-fixdate of RFC 9110 5.6.7, FS_DATE_LENGTH bytes, for seconds since 1970 in
 * the years 1970 to 9999. */
size_t fs_write_date(char *out, int64_t unix_seconds);

/* "HTTP/1.1 200 OK\r\n"; room: FS_STATUS_LINE_MAX. A status in 100..599 without a
 * registered phrase gets an empty one ("HTTP/1.1 599 \r\n", RFC 9112 4); any other
 * status returns 0. */
size_t fs_write_status_line(char *out, int status);

/* "name: value\r\n", the name lowered. Returns its length, or FS_E_NAME,
 * FS_E_VALUE or FS_E_ROOM. A value may hold tab, 0x20-0x7e and 0x80-0xff. */
ptrdiff_t fs_write_header(char *out, size_t room, const char *name, size_t name_len,
                          const char *value, size_t value_len);

#endif
