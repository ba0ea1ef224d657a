# What all connections of one event loop share.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastserve.protocols.access_log cimport AccessLog


cdef extern from "Python.h":
    # Cython's own declaration has the sign of Python 3.6.
    unsigned long PyThread_get_thread_ident() noexcept


cdef class Timed:
    # One place in the wheel; the tick numbers count from the wheel's start.
    cdef int64_t due                # when the deadline has passed; 0: there is none
    cdef int64_t slot               # the tick this is visited at; 0: not in the wheel

    cdef int64_t on_tick(self, int64_t now) except -1
    cdef int serve_read(self) except -1


cdef class Sender:
    cdef int send_queued(self) except -1


cdef class Wheel:
    cdef object _loop
    cdef object _context            #: contextvars.Context its timer runs in
    cdef object _timer              #: TimerHandle, or None while the wheel sleeps
    cdef dict _slots                #: tick -> set of Timed
    cdef double _origin             # loop.time() of tick 0
    cdef int64_t now                # the tick of the last turn

    cdef int set_deadline(self, Timed item, double seconds) except -1
    cdef int _place(self, Timed item, int64_t tick) except -1
    cdef int discard(self, Timed item) except -1
    cdef int _leave(self, Timed item) except -1
    cdef int _turn(self, int64_t now) except -1
    cdef int _shift(self, int64_t late) except -1
    cdef int _visit(self, Timed item, int64_t now) except -1
    cdef int64_t _ticks(self) except -1


cdef enum Offer:
    # The extensions of HTTP that a scope may list, in the order of their names in
    # fastserve.extensions.
    EARLY_HINT = 1
    TRAILERS = 2
    REQUEST_TRAILERS = 4


cdef class Shared:
    # Set once, by Server.
    cdef readonly object config
    cdef readonly object loop
    cdef readonly object server_state
    cdef readonly object app        #: the ASGI application
    cdef readonly object context    #: contextvars.Context that requests copy
    cdef readonly set connections
    cdef readonly set tasks
    cdef readonly object logger             #: uvicorn.error
    cdef readonly AccessLog access_log
    cdef readonly double timeout_keep_alive  # seconds
    cdef readonly Py_ssize_t limit_concurrency      # -1: no limit
    cdef readonly double timeout_request_header     # seconds; 0: none, as the others
    cdef readonly double timeout_request_body
    cdef readonly double timeout_write
    cdef uint32_t limit_request_line        # bytes
    cdef uint32_t limit_header_size         # bytes
    cdef uint32_t limit_header_count
    cdef uint32_t limit_chunk_extensions    # bytes
    cdef Py_ssize_t limit_pipelined_requests
    cdef uint64_t limit_request_body        # bytes; UINT64_MAX: none
    cdef int offers                 # extensions that are not disabled: bits of Offer
    cdef readonly bint keep_alive   # False: a configured header closes connections
    cdef object _direct             #: app without its ProxyHeadersMiddleware
    cdef readonly object websocket_class    #: a class that is not ours, or None
    cdef readonly bint websockets   # requests for them are ours to serve
    cdef readonly Py_ssize_t ws_max_queue   # messages, at least 1
    cdef readonly double ws_ping_interval   # seconds; 0: no pings
    cdef readonly double ws_ping_timeout    # seconds; 0: none is missed
    cdef unsigned long thread       # the loop's
    cdef dict app_state
    cdef dict asgi                  #: scope["asgi"] of an HTTP request, to be copied
    cdef dict _template             #: scope of any request, without its own keys
    cdef str root_path
    cdef bytes root_path_bytes
    cdef Wheel wheel
    # Changing.
    cdef public long long total_requests
    cdef readonly bint has_task_factory
    cdef bint stopping              # the server shuts down
    cdef double grace               # seconds that kept connections still have then
    cdef bytes _lines               #: Date line and configured header lines
    cdef Py_ssize_t date_size       # bytes of the Date line in them; 0: none
    cdef list _readers              #: what has input to serve in this turn
    cdef list _senders              #: what has output for the end of this turn
    cdef bint _ending               # end_turn() is to be called
    cdef int64_t _second            # the Unix time in the Date line
    cdef int64_t _report_second
    cdef int _reports               # explanations of refusals within that second

    cdef object app_for(self, list headers)
    cdef int serve_later(self, Timed reader) except -1
    cdef int send_later(self, Sender sender) except -1
    cdef int _end_later(self) except -1
    cdef int _serve_readers(self) except -1
    cdef int _end_sends(self) except -1
    cdef bytes default_lines(self)
    cdef dict scope_template(self, object transport, object client, object server)
    cdef int refresh(self) except -1
    cdef int log_access(self, dict scope, int status) except -1
    cpdef bint may_report(self) except -1
    cpdef int count_limit(self, str name) except -1
    cpdef int report_limit(
        self, str name, str text, double seconds, object peer) except -1
    cdef bint is_over_limit(self) except -1
    cdef bint is_tracing(self) except -1
    cdef int trace(self, object client, str text) except -1
