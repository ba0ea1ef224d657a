"""What one connection writes: collected, then sent in as few calls as can be.

While it is corked, in a callback or in a step of the application, pieces are
collected; they go into the socket at the end of the loop's turn. What the socket does
not take goes to the transport, and so does all that is written behind it.

Never: a byte out of order, a byte of its own, an unbounded collection.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.time cimport monotonic

import os
import socket
import struct

from fastserve.protocols cimport _c


cdef enum:
    LIMIT = 65536               # bytes collected; more are sent at once
    GATHER = 16384              # up to this pieces are joined, above sent one by one
    TURNS = 4                   # for which a piece of a stream may be kept

cdef double SOON = 0.001        # seconds from one piece of a stream to the next


cdef int descriptor(object transport) except -2:
    """The socket's, if bytes may be sent on it as they are; else -1."""
    cdef object real = transport.get_extra_info("socket")
    if real is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    return real.fileno()


@cython.final
cdef class Output(Sender):
    """The way to one transport; Connection makes one and is alone in using it."""

    def __cinit__(self, Shared shared):
        self._shared = shared
        self._fd = -1

    cdef int open(self, object transport) except -1:
        self._transport = transport
        self._fd = descriptor(transport)
        return 0

    cdef bint is_direct(self) noexcept:
        """Whether bytes go into a socket as they are: a plain connection's."""
        return self._fd >= 0

    cdef bint is_buffered(self) except -1:
        """Whether the transport holds output that the peer has not taken."""
        if self._transport is None or (self._fd >= 0 and not self._buffered):
            return False
        return self._transport.get_write_buffer_size() > 0

    cdef int close(self) except -1:
        """Close the transport when the peer has taken what is written."""
        self.flush()
        if self._transport is not None:
            if self.is_buffered():
                self.wait_for_peer()
            self._transport.close()
        return self.discard()

    cdef int wait_for_peer(self) except -1:
        """From now on the peer has to read, in time."""
        if self._deadline is None:
            self._deadline = WriteDeadline(self._shared)
        return self._deadline.start(self._transport)

    cdef int wait_no_more(self) except -1:
        """It has read, and more may be written."""
        if self._deadline is None or self._transport is None:
            return 0
        return self._deadline.stop()

    cdef int leave(self) except -1:
        """The transport is lost."""
        self.discard()
        return 0 if self._deadline is None else self._deadline.stop()

    cdef int discard(self) except -1:
        """Forget what is collected; the descriptor may be another's from now on."""
        self._transport = None
        self._fd = -1
        self._collected = None
        self._size = 0
        return 0

    cdef int fail(self, object error) except -1:
        """A fault of the server's own ends this connection and nothing else."""
        self._shared.logger.error("A connection failed.", exc_info=error)
        self.corked = False
        if self._transport is not None:
            self._transport.abort()
        return self.discard()

    cdef int write(self, object piece) except -1:
        """Write bytes or a list of bytes, at once or with the rest of this turn."""
        if self._transport is None:
            return 0
        self._collect(piece)
        if self._size > LIMIT:
            return self.flush()
        # Not corked: a task of the app's own, or another connection's, writes.
        return 0 if self.corked else self.end_turn()

    cdef int _collect(self, object piece) except -1:
        cdef list pieces

        if self._collected is None and type(piece) is bytes:
            self._collected = piece
            self._size = PyBytes_GET_SIZE(piece)
            return 0
        pieces = self._collected if type(self._collected) is list else (
            [] if self._collected is None else [self._collected])
        if type(piece) is bytes:
            pieces.append(piece)
            self._size += PyBytes_GET_SIZE(piece)
        else:
            pieces.extend(piece)
            for piece in <list>piece:
                self._size += PyBytes_GET_SIZE(piece)
        self._collected = pieces
        return 0

    cdef int end_turn(self) except -1:
        """What a callback or a step has written goes out with the others' of this turn.

        Sent one by one between the applications' steps, each answer of a busy turn
        would wake a client that had gone to sleep again: 9 us a request under
        FastAPI. A transport queues by itself.
        """
        if self._collected is None:
            return 0
        if self._fd < 0 or self._buffered or self._size > GATHER:
            return self.flush()
        if not self._queued:
            self._queued = True
            self._shared.send_later(self)
        return 0

    cdef int send_queued(self) except -1:
        self._queued = False
        try:
            if self.streaming and self._collected is not None and self._keeps():
                self._queued = True
                self._shared.send_later(self)
            else:
                self.flush()
        except Exception as error:
            self.fail(error)
        return 0

    cdef bint _keeps(self) except -1:
        """Whether a piece of a stream waits for the next ones; asked once a turn.

        An application that makes its pieces turn by turn would pay for a system call
        a piece: four fifths of what a stream costs. A piece that follows another
        within a millisecond waits for that long in all, and for no more than four
        turns, which a loop with nothing else to do takes in microseconds.
        """
        cdef double now = monotonic()

        if self._turns < TURNS and now - self._sent_at < SOON:
            self._turns += 1
            return True
        self._turns = 0
        self._sent_at = now
        return False

    cdef int flush(self) except -1:
        """Send what is collected, now."""
        cdef object collected = self._collected
        cdef Py_ssize_t size = self._size

        if collected is None:
            return 0
        self._collected = None
        self._size = 0
        if type(collected) is list:
            if size > GATHER:
                return self._send_pieces(<list>collected)
            collected = b"".join(<list>collected)
        return self._send(<bytes>collected, False)

    cdef int _send_pieces(self, list pieces) except -1:
        cdef Py_ssize_t last = len(pieces) - 1
        cdef Py_ssize_t i

        if self._fd < 0:
            self._transport.writelines(pieces)      # TLS: as few records as can be
            return 0
        for i in range(last + 1):
            self._send(<bytes>pieces[i], i < last)
        return 0

    cdef int _send(self, bytes data, bint more) except -1:
        """Into the socket, if nothing waits before it; the rest to the transport.

        A write through uvloop's transport costs a Python call, a queue and a handle
        more than the system call does. The descriptor is the transport's, and open
        until connection_lost() has returned.
        """
        cdef Py_ssize_t taken = 0

        if self._fd >= 0:
            if self._buffered and self._transport.get_write_buffer_size() == 0:
                self._buffered = False
            if not self._buffered:
                taken = _c.fs_socket_send(
                    self._fd, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), more)
            if taken == PyBytes_GET_SIZE(data):
                return 0
        self._buffered = True
        self._transport.write(memoryview(data)[taken:] if taken else data)
        return 0


cdef int reset(object transport) except -1:
    """End a connection with a RST; what is unsent is forgotten, in the kernel too."""
    cdef object real = transport.get_extra_info("socket")
    cdef object copy

    try:
        if real is not None:
            copy = socket.socket(fileno=os.dup(real.fileno()))
            copy.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            copy.close()
    except OSError:
        pass                            # no descriptor is left: a FIN, then
    transport.abort()
    return 0


@cython.final
cdef class WriteDeadline(Timed):
    """Ends a connection whose peer takes nothing for Shared.timeout_write seconds.

    It runs while the transport holds more than it wants to, and from close() on. Made
    when it is first needed: most connections never need one.
    """

    def __cinit__(self, Shared shared):
        self._shared = shared

    cdef int start(self, object transport) except -1:
        if transport is None or self._transport is not None:
            return 0
        if self._shared.timeout_write > 0:
            self._transport = transport
            self._left = transport.get_write_buffer_size()
            self._shared.wheel.set_deadline(self, self._shared.timeout_write)
        return 0

    cdef int stop(self) except -1:
        """The peer has taken enough, or is gone."""
        self._transport = None
        return self._shared.wheel.discard(self)

    cdef int64_t on_tick(self, int64_t now) except -1:
        cdef object transport = self._transport
        cdef Py_ssize_t left

        if transport is None:
            return 0
        if self.due > now:
            return self.due
        left = transport.get_write_buffer_size()
        if 0 < left < self._left:       # it takes its time, but it takes
            self._left = left
            self._shared.wheel.set_deadline(self, self._shared.timeout_write)
            return 0
        self._transport = None
        if left:
            self._shared.report_limit(
                "timeout_write", "took nothing of its answer for %g s",
                self._shared.timeout_write, transport.get_extra_info("peername"))
            reset(transport)
        return 0
