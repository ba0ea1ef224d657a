"""The access log: a record for each line, or lines that need none.

While the logger has nothing but one stock handler with the stock formatter, no filter
and no other code could see a record: then lines are formatted in C, collected, and
written at the end of the loop's turn. In every other case, and for a request that the
C code leaves alone, the logging module gets uvicorn's record. What decides is looked at
again in every turn, so that handlers, filters and levels may change at any time.

Lines keep their order: the collected ones are written before a record is made. A batch
is as long as what a pipe takes in one piece, so that the lines of several processes do
not get mixed up within.

Never: a line that differs from the one that the formatter would make.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLong
from cpython.unicode cimport (
    PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII, PyUnicode_GET_LENGTH,
)

import atexit
import logging
import os

from fastserve.logging import (
    ACCESS_FORMAT, ACCESS_MESSAGE, AccessFormatter, access_line_parts,
    is_untouched, write_lines,
)
from fastserve.protocols cimport _c
from fastserve.protocols.utils import get_client_addr, get_path_with_query_string


cdef extern from "Python.h":
    bint PyLong_CheckExact(object)
    bint PyUnicode_CheckExact(object)
    bint PyUnicode_IS_ASCII(object)
    const char *PyUnicode_DATA(object)
    ctypedef struct PyTypeObject:
        unsigned int tp_version_tag     # another one whenever the class has changed

cdef enum:
    FIRST_STATUS = 100
    STATUS_END = 600
    PORT_END = 65536

cdef int INFO = logging.INFO
cdef object Logger = logging.Logger
cdef object LogRecord = logging.LogRecord
cdef object PercentStyle = logging.PercentStyle
cdef object StreamHandler = logging.StreamHandler
cdef object FileHandler = logging.FileHandler
cdef object get_record_factory = logging.getLogRecordFactory
cdef object get_level_name = logging.getLevelName


cdef inline unsigned int version_of(object kind) noexcept:
    return (<PyTypeObject *>kind).tp_version_tag


cdef bint has_handlers(object logger) except -1:
    """Logger.hasHandlers(): without any, uvicorn makes no record either."""
    while logger is not None:
        if logger.handlers:
            return True
        logger = logger.parent if logger.propagate else None
    return False


cdef inline _c.fs_span span_of(bytes data) noexcept:
    cdef _c.fs_span span
    span.p = PyBytes_AS_STRING(data)
    span.n = PyBytes_GET_SIZE(data)
    return span


cdef inline bint ascii_span(object text, _c.fs_span *span) noexcept:
    """Where an ASCII string has its bytes; False if it is none."""
    if not PyUnicode_CheckExact(text) or not PyUnicode_IS_ASCII(text):
        return False
    span.p = PyUnicode_DATA(text)
    span.n = PyUnicode_GET_LENGTH(text)
    return True


cdef bint utf8_span(object text, _c.fs_span *span) except -1:
    cdef Py_ssize_t size
    if ascii_span(text, span):
        return True
    if not PyUnicode_CheckExact(text):
        return False
    try:
        span.p = PyUnicode_AsUTF8AndSize(text, &size)
    except UnicodeEncodeError:          # a lone surrogate
        return False
    span.n = size
    return True


cdef bint client_span(object client, _c.fs_log_request *request) except -1:
    """The client of a scope; False if it is neither None nor (host, port)."""
    cdef object port
    cdef long number

    request.has_client = client is not None
    if client is None:
        return True
    if type(client) is not tuple or len(<tuple>client) != 2:
        return False
    port = (<tuple>client)[1]
    if not PyLong_CheckExact(port) or not 0 <= port < PORT_END:
        return False
    number = PyLong_AsLong(port)
    request.port = <unsigned int>number
    return ascii_span((<tuple>client)[0], &request.host)


@cython.final
cdef class AccessLog:
    """What becomes of the access lines of one loop; Shared has one."""

    def __cinit__(self):
        self.logger = logging.getLogger("uvicorn.access")
        self._pid = os.getpid()
        # The lines of a turn that the process does not live to end.
        atexit.register(self._write_at_exit)

    cdef int add(self, dict scope, int status) except -1:
        """The line of an answer that begins; the caller has end_turn() called."""
        if self.state == UNKNOWN:
            self.state = RECORDS if self._closed else self._look()
        if self.state == OFF or self.state == LINES and self._add_line(scope, status):
            return 0
        return self._add_record(scope, status)

    cdef int end_turn(self) except -1:
        """Write what was collected, and look at the logger again after this."""
        self.state = UNKNOWN
        return self.write()

    cdef int write(self) except -1:
        """Write what was collected; raises what StreamHandler.handle() lets through."""
        cdef str lines
        if self._size:
            lines = PyUnicode_DecodeASCII(self._batch, self._size, NULL)
            self._size = 0              # before a stream that could log, too
            write_lines(self._handler, lines)
        return 0

    def close(self):
        """Write what was collected; lines that come after this are records."""
        self._closed = True
        atexit.unregister(self._write_at_exit)
        self.end_turn()

    def _write_at_exit(self):
        if os.getpid() == self._pid:    # else it is the parent that will write them
            self.write()

    # --- what is wanted ---------------------------------------------------------------

    cdef State _look(self) except? OFF:
        cdef object logger = self.logger
        cdef object handlers

        if not has_handlers(logger):
            return OFF
        handlers = logger.handlers
        if (
            len(handlers) != 1
            or logger.propagate
            or logger.filters
            or type(logger) is not Logger
            or not self._is_stock(handlers[0])
        ):
            return RECORDS
        return LINES if logger.isEnabledFor(INFO) else OFF

    cdef bint _is_stock(self, object handler) except -1:
        """Whether nobody could tell lines that are written to it from records."""
        cdef object formatter, style

        if type(handler) is not StreamHandler:
            if type(handler) is not FileHandler or handler.stream is None:
                return False
        formatter = handler.formatter
        if (
            handler.level > INFO
            or handler.filters
            or type(formatter) is not AccessFormatter
            or get_record_factory() is not LogRecord
        ):
            return False
        style = formatter._style
        return (
            type(style) is PercentStyle
            and style._fmt == ACCESS_FORMAT
            and self._is_untouched(handler, formatter)
            and self._has_form(formatter)
        )

    cdef bint _is_untouched(self, object handler, object formatter) except -1:
        """Whether no method on a record's way was replaced, as tools do.

        Looked at closely only when a class or an object has changed since the last
        time: a class gets another version, an object more or fewer attributes.
        """
        cdef object kinds = (
            Logger, type(handler), AccessFormatter, PercentStyle, LogRecord)
        cdef object holders = (self.logger, handler, formatter)
        cdef bint same = handler is self._handler and formatter is self._formatter
        cdef int i

        for i in range(5):
            same = same and self._versions[i] != 0
            same = same and self._versions[i] == version_of(kinds[i])
        for i in range(3):
            same = same and self._sizes[i] == len(vars(holders[i]))
        if not same:
            self._handler = handler
            self._formatter = formatter
            self._untouched = is_untouched(self.logger, handler)
            for i in range(5):
                self._versions[i] = version_of(kinds[i])
            for i in range(3):
                self._sizes[i] = len(vars(holders[i]))
        return self._untouched

    cdef bint _has_form(self, object formatter) except -1:
        """Whether the constant parts of its lines are known, and are ASCII."""
        cdef object level_name = get_level_name(INFO)
        cdef bint colors = bool(formatter.use_colors)
        cdef str head, method, version

        if (
            formatter is self._form_of
            and colors == self._colors
            and level_name == self._level_name
        ):
            return True
        head, method, version, _ = access_line_parts(formatter, 200)
        if not (head + method + version).isascii():
            return False
        self._constants = (
            head.encode("ascii"), method.encode("ascii"), version.encode("ascii"))
        self._form.head = span_of(self._constants[0])
        self._form.method = span_of(self._constants[1])
        self._form.version = span_of(self._constants[2])
        self._tails = [None] * (STATUS_END - FIRST_STATUS)
        self._colors = colors
        self._level_name = level_name
        self._form_of = formatter
        return True

    # --- lines ------------------------------------------------------------------------

    cdef bint _add_line(self, dict scope, int status) except -1:
        """Collect a line; False if the formatter has to make it."""
        cdef object client = scope.get("client")
        cdef object method = scope.get("method")
        cdef object path = scope.get("path")
        cdef object query = scope.get("query_string")
        cdef object version = scope.get("http_version")
        cdef _c.fs_log_request request
        cdef Py_ssize_t size

        if not (
            client_span(client, &request)
            and ascii_span(method, &request.method)
            and utf8_span(path, &request.path)
            and type(query) is bytes
            and ascii_span(version, &request.version)
            and FIRST_STATUS <= status < STATUS_END
        ):
            return False
        request.query = span_of(<bytes>query)
        self._form.tail = span_of(self._tail(status))
        size = self._write_line(&request)
        if size == _c.FS_LOG_ROOM and self._size:
            self.write()
            size = self._write_line(&request)
        if size < 0:
            return False
        self._size += size
        return True

    cdef Py_ssize_t _write_line(self, const _c.fs_log_request *request) noexcept:
        return _c.fs_write_log_line(
            self._batch + self._size, BATCH - self._size, &self._form, request)

    cdef bytes _tail(self, int status):
        cdef object tail = self._tails[status - FIRST_STATUS]
        if tail is None:
            tail = access_line_parts(self._form_of, status)[3].encode("ascii")
            self._tails[status - FIRST_STATUS] = tail
        return tail

    # --- records ----------------------------------------------------------------------

    cdef int _add_record(self, dict scope, int status) except -1:
        """uvicorn's record: filters and formatters read its five arguments."""
        self.write()
        self.logger.info(
            ACCESS_MESSAGE,
            get_client_addr(scope),
            scope["method"],
            get_path_with_query_string(scope),
            scope["http_version"],
            status,
        )
        return 0
