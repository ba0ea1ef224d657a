# The access log of one event loop's connections.

from fastserve.protocols cimport _c


cdef enum:
    BATCH = 4096                # bytes: POSIX's PIPE_BUF on Linux, written whole


cdef enum State:
    UNKNOWN                     # to be looked at: a new turn
    OFF                         # no line is wanted
    RECORDS                     # a record for each line, by the logging module
    LINES                       # lines are formatted here


cdef class AccessLog:
    cdef readonly object logger         #: uvicorn.access
    cdef State state                    # for the present turn
    cdef bint _closed
    cdef int _pid
    # Lines of the present turn, all for the same handler.
    cdef char _batch[BATCH]
    cdef Py_ssize_t _size
    # What the classes and objects were like when they were last looked at closely.
    cdef object _handler                #: StreamHandler or FileHandler
    cdef object _formatter              #: AccessFormatter
    cdef unsigned int _versions[5]
    cdef Py_ssize_t _sizes[3]
    cdef bint _untouched
    # The constant parts of a line, and what they were made for.
    cdef object _form_of                #: the formatter; None: there is no form
    cdef object _level_name
    cdef bint _colors
    cdef tuple _constants               #: bytes that _form points into
    cdef _c.fs_log_form _form
    cdef list _tails                    #: bytes or None, by status less 100

    cdef int add(self, dict scope, int status) except -1
    cdef int end_turn(self) except -1
    cdef int write(self) except -1
    cdef State _look(self) except? OFF
    cdef bint _is_stock(self, object handler) except -1
    cdef bint _is_untouched(self, object handler, object formatter) except -1
    cdef bint _has_form(self, object formatter) except -1
    cdef bint _add_line(self, dict scope, int status) except -1
    cdef Py_ssize_t _write_line(self, const _c.fs_log_request *request) noexcept
    cdef bytes _tail(self, int status)
    cdef int _add_record(self, dict scope, int status) except -1
