"""What all connections of one event loop share: made by Server, one a loop.

The Date and configured header lines, the scope that requests start from, counters,
the access log, the end of a turn, and one coarse wheel for every deadline of a second
and more.

Never: a byte of a connection, a parser, a module-level variable that changes.
"""

cimport cython
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE,
)
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.math cimport ceil
from libc.stdint cimport UINT64_MAX
from libc.string cimport memcmp

import logging

from fastserve import extensions
from fastserve.middleware.proxy_headers import ProxyHeadersMiddleware
from fastserve.protocols cimport _c
from fastserve.protocols.access_log cimport UNKNOWN
from fastserve.protocols.access_log import AccessLog
from fastserve.protocols.refusals import peer_name


cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    time_t time(time_t *)

cdef enum:
    REPORTS_A_SECOND = 5

cdef int TRACE = 5              # uvicorn's log level below DEBUG
cdef double TICK = 0.25         # seconds a turn of the wheel


@cython.binding(True)           # or Python 3.13 shows it with a self
def keep_heap():
    """Make the C library keep the memory of reads for the next ones.

    For a process that is a server and nothing else: it acts on the whole process. An
    upload of 1 MiB costs 130 page faults and 500 us without it, 180 us with it
    (bench.compare, upload-1m). Returns whether the C library can do that.
    """
    return bool(_c.fs_heap_keep())


cdef class Timed:
    """Something with deadlines, and with input that may wait for the turn's others."""

    cdef int64_t on_tick(self, int64_t now) except -1:
        """Called at tick `slot`. Returns the tick of the next visit, or 0: no more."""
        return 0

    cdef int serve_read(self) except -1:
        """Called when all that was ready has been read; raises nothing."""
        return 0


cdef class Sender:
    """Something with output for the end of the loop's turn."""

    cdef int send_queued(self) except -1:
        """Called at the end of the turn in which send_later() was; raises nothing."""
        return 0


@cython.final
cdef class Wheel:
    """Deadlines in steps of a quarter second; it sleeps while it holds none.

    Setting a deadline later than the next visit costs two stores: the item stays
    where it is and finds out when it is visited. So a connection that is busy costs
    a visit a second, not a timer a request. Nothing fires early; it fires up to two
    steps late, and only after the loop has read what had come in by then.
    """

    def __cinit__(self, loop, context):
        self._loop = loop
        self._context = context
        self._slots = {}
        self._origin = loop.time()

    cdef int64_t _ticks(self) except -1:
        return <int64_t>((<double>self._loop.time() - self._origin) / TICK)

    cdef int set_deadline(self, Timed item, double seconds) except -1:
        """The deadline of item is this many seconds from now."""
        if self._timer is None:
            self.now = self._ticks()
            self._arm()
        # The present tick is under way already: one more, so that none fires early.
        item.due = self.now + <int64_t>ceil(seconds / TICK) + 1
        if item.slot == 0 or item.slot > item.due:
            # Visited within a second, so that idle things can be made smaller.
            self._place(item, min(item.due, self.now + 4))
        return 0

    cdef int _place(self, Timed item, int64_t tick) except -1:
        cdef object held
        if item.slot:
            self._leave(item)
        held = self._slots.get(tick)
        if held is None:
            held = self._slots[tick] = set()
        (<set>held).add(item)
        item.slot = tick
        return 0

    cdef int discard(self, Timed item) except -1:
        """Forget item; nothing happens if it is not in the wheel."""
        item.due = 0
        return self._leave(item) if item.slot else 0

    cdef int _leave(self, Timed item) except -1:
        cdef object held = self._slots.get(item.slot)
        if held is not None:
            (<set>held).discard(item)
            if not held:
                del self._slots[item.slot]      # nothing to turn for
        item.slot = 0
        return 0

    def _arm(self):
        when = self._origin + (self.now + 1) * TICK
        self._timer = self._loop.call_at(when, self.turn, context=self._context)

    def turn(self):
        """Visit what is due; called by the loop."""
        self._timer = None
        self._turn(self._ticks())
        if self._slots:
            self._arm()

    cdef int _turn(self, int64_t now) except -1:
        cdef object tick, item
        if now > self.now + 1:
            self._shift(now - self.now - 1)
        self.now = now
        for tick in sorted([tick for tick in self._slots if tick <= now]):
            for item in self._slots.pop(tick, ()):
                self._visit(<Timed>item, now)
        return 0

    cdef int _shift(self, int64_t late) except -1:
        """The loop was held up: every deadline moves along.

        Those set meanwhile were counted from a tick long past, and what the peers
        have sent meanwhile has not been read.
        """
        cdef object held, item
        for held in self._slots.values():
            for item in <set>held:
                if (<Timed>item).due:
                    (<Timed>item).due += late
        return 0

    cdef int _visit(self, Timed item, int64_t now) except -1:
        cdef int64_t next_visit
        item.slot = 0
        try:
            next_visit = item.on_tick(now)
        except Exception as error:
            # One connection's fault must not take the others' deadlines with it.
            self._loop.call_exception_handler(
                {"message": "A deadline's callback failed", "exception": error})
            return 0
        if next_visit:
            self._place(item, max(next_visit, now + 1))
        return 0

    def close(self):
        """Stop the timer and forget everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()


cdef inline bint is_forwarded(const char *name, Py_ssize_t size) noexcept:
    """Whether ProxyHeadersMiddleware reads the field of this name, in lower case."""
    if size == 15:
        return memcmp(name, b"x-forwarded-for", 15) == 0
    return size == 17 and memcmp(name, b"x-forwarded-proto", 17) == 0


@cython.final
cdef class Shared:
    """State of one loop's connections.

    config is a loaded Config, server_state Server's, app_state the lifespan's state
    (each request gets a shallow copy), context the contextvars.Context that serve()
    runs in; it is made in the loop's thread. Raises ValueError if a configured header
    cannot be sent.
    """

    def __init__(self, config, server_state, app_state, loop, context):
        self.config = config
        self.server_state = server_state
        self.app = config.loaded_app
        self._direct = self.app
        if type(self.app) is ProxyHeadersMiddleware:
            self._direct = self.app.app
        self.app_state = app_state
        self.loop = loop
        self.thread = PyThread_get_thread_ident()
        self.context = context
        self.connections = server_state.connections
        self.tasks = server_state.tasks
        self.logger = logging.getLogger("uvicorn.error")
        self.access_log = AccessLog()
        self.timeout_keep_alive = config.timeout_keep_alive
        self.limit_concurrency = -1
        if config.limit_concurrency is not None:
            self.limit_concurrency = config.limit_concurrency
        self.timeout_request_header = config.timeout_request_header
        self.timeout_request_body = config.timeout_request_body
        self.timeout_write = config.timeout_write
        self.limit_request_line = config.limit_request_line
        self.limit_header_size = config.limit_header_size
        self.limit_header_count = config.limit_header_count
        self.limit_chunk_extensions = config.limit_chunk_extensions
        self.limit_pipelined_requests = config.limit_pipelined_requests
        self.limit_request_body = UINT64_MAX
        if config.limit_request_body is not None:
            self.limit_request_body = config.limit_request_body
        self.websocket_class = config.other_ws_class
        self.websockets = (
            config.ws_protocol_class is not None and self.websocket_class is None)
        self.ws_max_queue = max(config.ws_max_queue, 1)
        self.ws_ping_interval = config.ws_ping_interval or 0
        self.ws_ping_timeout = config.ws_ping_timeout or 0
        self.root_path = config.root_path
        self.root_path_bytes = config.root_path.encode("ascii")
        for bit, name in enumerate(extensions.EXTENSIONS):
            if name not in config.disable_extensions:
                self.offers |= 1 << bit
        self.wheel = Wheel(loop, context)
        self._readers = []
        self._senders = []
        self.asgi = {"version": config.asgi_version, "spec_version": "2.3"}
        self._template = {
            "type": "http",
            "asgi": None,
            "http_version": "1.1",
            "server": None,
            "client": None,
            "scheme": "http",
            "root_path": config.root_path,
            # A request's own, set in the copy: there already, so that it never grows.
            "headers": None,
            "state": None,
            "method": None,
            "path": None,
            "raw_path": None,
            "query_string": None,
            "extensions": None,
        }
        self._render_lines(config)
        self.refresh()

    cdef object app_for(self, list headers):
        """The application that a request with these headers is given to.

        That is ProxyHeadersMiddleware's own one where the middleware has nothing to
        read: a call through it costs 0.5 us, this look at the names a tenth of that.
        """
        cdef Py_ssize_t i
        cdef object name
        if self._direct is self.app:
            return self.app
        for i in range(PyList_GET_SIZE(headers)):
            name = <object>PyTuple_GET_ITEM(<object>PyList_GET_ITEM(headers, i), 0)
            if is_forwarded(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)):
                return self.app
        return self._direct

    def _render_lines(self, config):
        """Put the configured headers into lines, behind room for the Date line."""
        cdef char line[65536]
        cdef bytes name, value
        cdef Py_ssize_t size
        cdef list lines = []

        self.keep_alive = True
        if config.date_header:
            lines.append(b"date: " + b" " * _c.FS_DATE_LENGTH + b"\r\n")
            self.date_size = len(lines[0])
        for name, value in config.encoded_headers:
            size = _c.fs_write_header(
                line, sizeof(line), name, len(name), value, len(value))
            if size < 0:
                raise ValueError(f"The header {name!r}: {value!r} cannot be sent.")
            if name.lower() == b"connection" and b"close" in value.lower():
                self.keep_alive = False
            lines.append(line[:size])
        self._lines = b"".join(lines)
        self._second = -1

    cdef int serve_later(self, Timed reader) except -1:
        """Call its serve_read() when the loop has handed out what is ready now.

        A turn in three stages, every read, then every application, then every send,
        keeps the code of each in the processor's caches, the kernel's above all.
        Served inside data_received(), 64 connections cost 5 % more a request.
        """
        if not self._ending:
            self._end_later()
        self._readers.append(reader)
        return 0

    cdef int send_later(self, Sender sender) except -1:
        """Call its send_queued() when the loop has handed out what is ready now."""
        if not self._ending:
            self._end_later()
        self._senders.append(sender)
        return 0

    cdef int _end_later(self) except -1:
        self.loop.call_soon(self.end_turn, context=self.context)
        self._ending = True
        return 0

    def end_turn(self):
        """Serve what the turn has read and send what came of it; called by the loop."""
        try:
            self._serve_readers()
        finally:
            self._end_sends()

    cdef int _serve_readers(self) except -1:
        cdef list readers = self._readers
        cdef object reader
        if readers:
            self._readers = []
            for reader in readers:
                (<Timed>reader).serve_read()
        return 0

    cdef int _end_sends(self) except -1:
        cdef list senders = self._senders
        cdef object sender
        self._senders = []
        self._ending = False
        try:
            # First: whoever has an answer finds its line in the log.
            self.access_log.end_turn()
        finally:
            for sender in senders:
                (<Sender>sender).send_queued()
        return 0

    cdef bytes default_lines(self):
        """The lines that every answer begins with; date_size bytes of them are Date's.

        The C library's time() reads a coarse clock without a system call, which
        costs less than a timer that renews the line would.
        """
        cdef int64_t now = time(NULL)
        cdef bytes lines

        if now != self._second and self.date_size:
            # Bytes that others may still hold are never written to: a new object.
            lines = PyBytes_FromStringAndSize(
                PyBytes_AS_STRING(self._lines), PyBytes_GET_SIZE(self._lines))
            _c.fs_write_date(PyBytes_AS_STRING(lines) + 6, now)
            self._lines = lines
            self._second = now
        return self._lines

    cdef dict scope_template(self, object transport, object client, object server):
        """The scope of a connection's requests, to be copied for each."""
        cdef dict template = self._template.copy()
        template["server"] = server
        template["client"] = client
        if transport.get_extra_info("sslcontext"):
            template["scheme"] = "https"
        return template

    cdef int refresh(self) except -1:
        """Look again at what tools may have set on the loop."""
        self.has_task_factory = self.loop.get_task_factory() is not None
        return 0

    cdef int log_access(self, dict scope, int status) except -1:
        """The access line of an answer that begins."""
        if self.access_log.state == UNKNOWN and not self._ending:
            self._end_later()
        return self.access_log.add(scope, status)

    cpdef bint may_report(self) except -1:
        """Whether one more refusal may be explained in this second's log."""
        cdef int64_t now = time(NULL)
        if now != self._report_second:
            self._report_second = now
            self._reports = 0
        self._reports += 1
        return self._reports <= REPORTS_A_SECOND

    cpdef int count_limit(self, str name) except -1:
        """One more connection has met the limit of this setting."""
        self.server_state.limits_met[name] += 1
        return 0

    cpdef int report_limit(
            self, str name, str text, double limit, object peer) except -1:
        """The same, and log it, if the log has room; text has a place for the limit."""
        self.count_limit(name)
        if self.may_report():
            self.logger.warning(
                f"Closed, from %s: the peer {text} (--%s).", peer_name(peer), limit,
                name.replace("_", "-"))
        return 0

    cdef bint is_over_limit(self) except -1:
        """uvicorn's --limit-concurrency: connections and tasks, this one included."""
        return self.limit_concurrency >= 0 and (
            len(self.connections) >= self.limit_concurrency
            or len(self.tasks) >= self.limit_concurrency)

    cdef bint is_tracing(self) except -1:
        return self.logger.level <= TRACE

    cdef int trace(self, object client, str text) except -1:
        """Log what befalls a connection, as uvicorn words it; is_tracing() goes before.

        client is scope["client"].
        """
        prefix = "%s:%d - " % client if client else ""
        self.logger.log(TRACE, "%s%s", prefix, text)
        return 0

    def stop(self, grace):
        """Serving ends: new connections too are told to, as Connection.shutdown() says.

        For `grace` seconds connections that are kept still answer a request.
        """
        self.stopping = True
        self.grace = grace

    def close(self):
        """Stop the wheel and write what is left; Server calls this last."""
        self.wheel.close()
        self.access_log.close()
