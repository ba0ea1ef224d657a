/* Reading side of HTTP/1.1: tokens, header names, field values, hosts, request
 * targets, percent-decoding.
 *
 * Every function takes a pointer and a length and reads nothing beyond them.
 * It never allocates, keeps no state, and never calls into Python. */
#ifndef FASTSERVE_HTTP_SCAN_H
#define FASTSERVE_HTTP_SCAN_H

#include <stddef.h>
#include <stdint.h>

/* 0 for a byte that is no token character (RFC 9110 5.6.2), else the byte with
 * A-Z lowered. */
extern const uint8_t fs_token_lower[256];

/* Length of the run of token characters at the start of p[0..n). */
size_t fs_token_length(const char *p, size_t n);

/* Writes the n bytes of a field name to out, lowered; out has room for n bytes.
 * Returns 0, or -1 if n is 0 or a byte is no token character. */
int fs_lower_name(char *out, const char *p, size_t n);

/* 1 if wire[0..n), lowered, equals lower[0..n); lower is in lower case already. */
int fs_name_equals(const char *wire, const char *lower, size_t n);

/* The table of well-known field names: [0, FS_NAMES). */
enum {
    FS_NAME_HOST,
    FS_NAME_CONNECTION,
    FS_NAME_CONTENT_LENGTH,
    FS_NAME_TRANSFER_ENCODING,
    FS_NAME_EXPECT,
    FS_NAME_UPGRADE, /* the names above are those the server itself acts on */
    FS_NAME_OTHERS
};
extern const int fs_names_count;

/* The index of the name p[0..n) in the table, in any case; -1 if it is not there. */
int fs_name_index(const char *p, size_t n);

/* The lower-case name at an index in [0, fs_names_count), NUL-terminated. */
const char *fs_name_at(int index, size_t *length);

/* Moves *p and *n past the blanks and tabs at both ends (RFC 9110 5.5). */
void fs_trim(const char **p, size_t *n);

/* 1 if the comma-separated list holds the token, in any case; token is in lower
 * case (RFC 9110 5.6.1). */
int fs_list_has(const char *list, size_t n, const char *token, size_t token_len);

/* 1 if p[0..n) is host[:port] of RFC 3986 3.2.2 and 3.2.3: a reg-name, an IPv4
 * address or an IP literal in brackets, and a port of digits that may be empty.
 * Underscores and the empty value are valid; userinfo is not. */
int fs_host_is_valid(const char *p, size_t n);

enum { FS_TARGET_ORIGIN, FS_TARGET_ABSOLUTE, FS_TARGET_ASTERISK };

/* A request target, split; the pointers lie inside the scanned bytes. */
typedef struct {
    int form;               /* FS_TARGET_* */
    int escaped;            /* 1 if the path has a '%' */
    const char *path;       /* without the query; "/" if an absolute form has none */
    size_t path_len;
    const char *query;      /* what follows the first '?', or an empty span */
    size_t query_len;
    const char *authority;  /* host[:port] of the absolute form, else empty */
    size_t authority_len;
} fs_target;

/* Splits a request target (RFC 9112 3.2). Returns 0, or -1 for a target that is
 * none of origin form, absolute form (http or https, a valid and non-empty host)
 * and asterisk form, or that has a fragment, a blank, a control byte or a byte
 * over 0x7f. The authority form, CONNECT's, is refused too. */
int fs_scan_target(const char *p, size_t n, fs_target *out);

/* Replaces %XX by its byte; a '%' without two hex digits stays as it is. out has
 * room for n bytes and does not overlap p. Returns the number of bytes written. */
size_t fs_percent_decode(char *out, const char *p, size_t n);

#endif
