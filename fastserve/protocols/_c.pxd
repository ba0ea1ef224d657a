# The one door to C: what fastserve uses of llhttp and of csrc/, and nothing else.
#
# llhttp's callbacks are declared `except -1`: a callback that fails with a Python
# exception set makes llhttp_execute stop, and `except *` hands the exception on.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t


cdef extern from "llhttp.h":
    ctypedef struct llhttp_t:
        void *data
        uint8_t http_major
        uint8_t http_minor
        uint8_t upgrade
        uint16_t flags
        uint64_t content_length

    ctypedef int (*llhttp_data_cb)(llhttp_t *, const char *, size_t) except -1
    ctypedef int (*llhttp_cb)(llhttp_t *) except -1

    ctypedef struct llhttp_settings_t:
        llhttp_data_cb on_url
        llhttp_data_cb on_protocol
        llhttp_data_cb on_header_field
        llhttp_data_cb on_header_value
        llhttp_data_cb on_chunk_extension_name
        llhttp_data_cb on_chunk_extension_value
        llhttp_data_cb on_body
        llhttp_cb on_url_complete
        llhttp_cb on_chunk_extension_name_complete
        llhttp_cb on_chunk_extension_value_complete
        llhttp_cb on_header_value_complete
        llhttp_cb on_headers_complete
        llhttp_cb on_message_complete

    ctypedef enum llhttp_errno_t:
        HPE_OK
        HPE_PAUSED

    ctypedef enum llhttp_type_t:
        HTTP_REQUEST

    enum:
        F_CHUNKED
        F_CONNECTION_CLOSE
        F_CONNECTION_UPGRADE
        F_UPGRADE
        F_CONTENT_LENGTH
        F_TRANSFER_ENCODING

    void llhttp_settings_init(llhttp_settings_t *)
    void llhttp_init(llhttp_t *, llhttp_type_t, const llhttp_settings_t *)
    void llhttp_reset(llhttp_t *)
    llhttp_errno_t llhttp_execute(llhttp_t *, const char *, size_t) except *
    const char *llhttp_get_error_pos(const llhttp_t *)
    const char *llhttp_get_error_reason(const llhttp_t *)


cdef extern from "http_scan.h" nogil:
    enum:
        FS_NAME_HOST
        FS_NAME_CONNECTION
        FS_NAME_CONTENT_LENGTH
        FS_NAME_TRANSFER_ENCODING
        FS_NAME_EXPECT
        FS_NAME_UPGRADE
        FS_NAME_OTHERS
        FS_TARGET_ORIGIN
        FS_TARGET_ABSOLUTE
        FS_TARGET_ASTERISK

    const int fs_names_count

    ctypedef struct fs_target:
        int form
        int escaped
        const char *path
        size_t path_len
        const char *query
        size_t query_len
        const char *authority
        size_t authority_len

    size_t fs_token_length(const char *p, size_t n)
    int fs_lower_name(char *out, const char *p, size_t n)
    int fs_name_equals(const char *wire, const char *lower, size_t n)
    int fs_name_index(const char *p, size_t n)
    const char *fs_name_at(int index, size_t *length)
    void fs_trim(const char **p, size_t *n)
    int fs_list_has(const char *items, size_t n, const char *token, size_t token_len)
    int fs_host_is_valid(const char *p, size_t n)
    int fs_scan_target(const char *p, size_t n, fs_target *out)
    size_t fs_percent_decode(char *out, const char *p, size_t n)


cdef extern from "http_write.h" nogil:
    enum:
        FS_E_NAME
        FS_E_VALUE
        FS_E_ROOM
        FS_DATE_LENGTH
        FS_DECIMAL_MAX
        FS_CHUNK_HEAD_MAX
        FS_STATUS_LINE_MAX

    size_t fs_write_decimal(char *out, uint64_t value)
    size_t fs_write_chunk_head(char *out, uint64_t size)
    size_t fs_write_date(char *out, int64_t unix_seconds)
    size_t fs_write_status_line(char *out, int status)
    Py_ssize_t fs_write_header(
        char *out, size_t room, const char *name, size_t name_len,
        const char *value, size_t value_len)


cdef extern from "socket_send.h" nogil:
    size_t fs_socket_send(int fd, const char *data, size_t size, int more)


cdef extern from "heap_keep.h" nogil:
    int fs_heap_keep()


cdef extern from "log_line.h" nogil:
    enum:
        FS_LOG_ROOM

    ctypedef struct fs_span:
        const char *p
        size_t n

    ctypedef struct fs_log_form:
        fs_span head
        fs_span method
        fs_span version
        fs_span tail

    ctypedef struct fs_log_request:
        int has_client
        fs_span host
        unsigned int port
        fs_span method
        fs_span path
        fs_span query
        fs_span version

    Py_ssize_t fs_write_log_line(
        char *out, size_t room, const fs_log_form *form, const fs_log_request *request)


cdef extern from "ws_frame.h" nogil:
    enum:
        FS_WS_CONTINUATION
        FS_WS_TEXT
        FS_WS_BINARY
        FS_WS_CLOSE
        FS_WS_PING
        FS_WS_PONG
        FS_WS_FIN
        FS_WS_RSV1
        FS_WS_WRITTEN_MAX
        FS_WS_CONTROL_MAX
        FS_WS_MAY_COMPRESS
        FS_WS_INSIDE
        FS_WS_E_RESERVED
        FS_WS_E_OPCODE
        FS_WS_E_CONTINUATION
        FS_WS_E_INTERRUPTED
        FS_WS_E_MASK
        FS_WS_E_CONTROL
        FS_WS_E_LENGTH
        FS_UTF8_BAD
        FS_UTF8_OK

    ctypedef struct fs_ws_head:
        uint64_t length
        uint8_t key[4]
        uint8_t opcode
        uint8_t fin
        uint8_t rsv1

    Py_ssize_t fs_ws_read_head(fs_ws_head *head, const uint8_t *p, size_t n, int rules)
    size_t fs_ws_write_head(uint8_t *out, int first, uint64_t length)
    int fs_ws_code_is_valid(unsigned code)
    unsigned fs_utf8_check(unsigned state, const uint8_t *p, size_t n)


cdef extern from "ws_mask.h" nogil:
    ctypedef int (*fs_ws_mask)(
        uint8_t *out, const uint8_t *p, size_t n, const uint8_t *key,
        size_t offset) noexcept

    fs_ws_mask fs_ws_mask_pick()
