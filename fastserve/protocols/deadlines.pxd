# What an HTTP connection waits for, and for how long: connection is built on it.

from libc.stdint cimport int64_t

from fastserve.protocols.exchange cimport Channel
from fastserve.protocols.shared cimport Shared


cdef enum Deadline:
    # What the connection's deadline in the wheel is for. Those before FOR_HEAD are
    # renewed by every byte of the peer's.
    NO_DEADLINE
    FOR_REQUEST         # the next one: the keep-alive time
    FOR_BODY            # more of the request's body
    FOR_HEAD            # the rest of a head, from its first byte or from accept
    TO_END              # the end of a linger, or of a shutdown's grace


cdef class DeadlineChannel(Channel):
    cdef Shared _shared
    cdef readonly object transport  #: asyncio.Transport; None once it is lost
    cdef object _timer              #: TimerHandle of a keep-alive time under 1 s
    cdef Deadline _waiting
    cdef bint _closing              # nothing more is read or written
    cdef bint _lingering            # the last byte is written; input is dropped
    cdef bint _stopping             # the server shuts down
    cdef bint _busy                 # something came since the wheel's last visit
    cdef bint _confirming           # the deadline has passed; input may be unread

    cdef int _heard(self) except -1
    cdef int _wait(self, Deadline waiting, double seconds) except -1
    cdef int _wait_idle(self) except -1
    cdef int _forget_timer(self) except -1
    cdef int _is_late(self) except -1

    # What connection adds.
    cdef bint _is_owed(self) noexcept
    cdef bint _has_unserved(self) noexcept
    cdef bint _is_silent(self) noexcept
    cdef int _shrink(self) except -1
    cdef int _refuse(self, int status) except -1
    cdef bint _is_read(self) except -1
    cdef int _close_idle(self) except -1
