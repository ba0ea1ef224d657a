# HTTP/1.1 without I/O: the request parser of one connection.

from libc.stdint cimport uint32_t, uint64_t

from fastserve.protocols._c cimport fs_target, llhttp_t


cdef enum Phase:
    START       # no byte of the message has come
    HEAD        # empty lines, request line and fields
    BODY        # the fields are over, the message is not
    COMPLETE    # the message is over; next() begins another
    FAILED      # refused: status and reason say why; nothing more is parsed


cdef struct Span:
    const char *at
    size_t size


cdef class RequestParser:
    # The connection's.
    cdef llhttp_t _llhttp
    cdef list _remembered           #: the last request's header tuples, or None
    cdef bint _used                 # a message was parsed since forget()
    cdef uint32_t _limit_line
    cdef uint32_t _limit_head
    cdef uint32_t _limit_fields
    cdef uint32_t _limit_whole_head
    cdef uint32_t _limit_extensions
    cdef uint64_t _limit_body
    # One read's: bytes that the spans point into.
    cdef const char *_base          # start of the data being fed
    cdef const char *_from          # start of the message's bytes in it
    cdef Py_ssize_t _size
    cdef void *_data                # that bytes object, borrowed during feed()
    cdef Span _first                # method, target or field name
    cdef Span _second               # field value
    # A token that goes on in the next read, or None.
    cdef bytearray _held_first
    cdef bytearray _held_second
    # One request's.
    cdef readonly Phase phase
    cdef readonly str method
    cdef readonly str path          #: decoded, without root_path
    cdef readonly bytes raw_path
    cdef readonly bytes query_string
    cdef readonly list headers      #: (name, value) tuples of bytes
    cdef readonly bint http10
    cdef readonly bint keep_alive
    cdef readonly bint expect_continue
    cdef readonly bint chunked      # of its body
    cdef readonly bint takes_trailers       # it has `TE: trailers`
    cdef readonly list trailers     #: like headers; None: the body had none
    cdef readonly bint upgrade      # a well-formed Upgrade was asked for, also by 1.0
    cdef readonly int status        # FAILED: the status of the refusal
    cdef readonly str reason        #: FAILED: what is wrong
    cdef readonly str limit         #: FAILED: the setting that was exceeded, or None
    cdef readonly Py_ssize_t offset  # FAILED: where in the data fed last
    cdef object _body               #: None, bytes, or a list of bytes
    cdef bytes _authority           #: host of an absolute-form target, or None
    cdef int _form
    cdef int _hosts
    cdef int _codings
    cdef bint _half_line            # the CR of an empty line was the last byte
    cdef bint _target_taken
    cdef Py_ssize_t _before         # bytes of it in earlier reads
    cdef Py_ssize_t _due            # where the target begins; -1: the version has
    cdef Py_ssize_t _end            # where the target ends
    cdef uint32_t _method_size
    cdef uint32_t _line_size
    cdef uint32_t _head_size
    cdef uint32_t _fields
    cdef uint32_t _extension_size
    cdef uint32_t _extension_part   # bytes of its name, or of its value, so far
    cdef bint _quoted               # the value begins with a quote
    cdef uint64_t _body_size

    cdef int set_limits(
        self, uint32_t line, uint32_t head, uint32_t fields, uint64_t body,
        uint32_t extensions) except -1
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t offset=*) except -1
    cpdef object take_body(self)
    cpdef int next(self) except -1
    cdef bint is_silent(self) noexcept
    cpdef int forget(self) except -1

    cdef const char *_take_method(self, const char *p, const char *end) except? NULL
    cdef const char *_skip_empty_lines(
        self, const char *p, const char *end) except? NULL
    cdef const char *_take_split_method(
        self, const char *p, const char *end) except? NULL
    cdef const char *_take_any_method(
        self, const char *token, size_t size, const char *rest) except? NULL
    cdef int _hold(self) except -1
    cdef int _refuse(self, int status, str reason, str limit=*) except -1
    cdef int _on_first(self, const char *at, size_t size) except -1
    cdef int _on_second(self, const char *at, size_t size) except -1
    cdef int _fail(self, const char *p) except -1
    cdef int _on_target_span(self, const char *at, size_t size) except -1
    cdef int _on_protocol(self, const char *at) except -1
    cdef int _on_target(self) except -1
    cdef int _take_path(self, fs_target *target) except -1
    cdef int _take_query(self, fs_target *target) except -1
    cdef int _take_authority(self) except -1
    cdef int _on_field(self) except -1
    cdef int _on_trailer(
        self, const char *name, size_t n, const char *value, size_t v) except -1
    cdef int _on_known_field(self, object name, object value) except -1
    cdef object _header(
        self, const char *name, size_t n, const char *value, size_t v, object last)
    cdef int _on_head(self) except -1
    cdef int _check_head(self) except -1
    cdef int _on_body(self, const char *at, size_t size) except -1
    cdef int _on_extension(self, size_t size) except -1
    cdef int _on_extension_name(self) except -1
    cdef int _on_extension_value(self, const char *at, size_t size) except -1
    cdef int _on_extension_part(self) except -1
