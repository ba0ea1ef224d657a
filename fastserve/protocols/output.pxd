# The bytes of one connection on their way to its socket.

from libc.stdint cimport int64_t

from fastserve.protocols.shared cimport Sender, Shared, Timed


cdef class WriteDeadline(Timed):
    # How long a peer may take nothing of what waits for it.
    cdef Shared _shared
    cdef object _transport          #: asyncio.Transport; None: it does not run
    cdef Py_ssize_t _left           # bytes that waited at the last look

    cdef int start(self, object transport) except -1
    cdef int stop(self) except -1


cdef class Output(Sender):
    cdef Shared _shared
    cdef object _transport          #: asyncio.Transport; None: nothing is written
    cdef object _collected          #: None, bytes, or a list of bytes
    cdef Py_ssize_t _size           # bytes collected
    cdef int _fd                    # where bytes are sent directly, or -1
    cdef WriteDeadline _deadline    #: None until the peer is slow to read
    cdef bint corked                # what is written is collected
    cdef bint streaming             # more of the answer under way is to come
    cdef bint _queued               # to be sent at the end of the loop's turn
    cdef bint _buffered             # the transport may still hold output
    cdef int _turns                 # for which a piece of a stream has been kept
    cdef double _sent_at            # a piece of a stream; time.monotonic()

    cdef bint is_buffered(self) except -1
    cdef int open(self, object transport) except -1
    cdef bint is_direct(self) noexcept
    cdef int close(self) except -1
    cdef int discard(self) except -1
    cdef int leave(self) except -1
    cdef int wait_for_peer(self) except -1
    cdef int wait_no_more(self) except -1
    cdef int fail(self, object error) except -1
    cdef int write(self, object piece) except -1
    cdef int end_turn(self) except -1
    cdef bint _keeps(self) except -1
    cdef int flush(self) except -1
    cdef int _collect(self, object piece) except -1
    cdef int _send_pieces(self, list pieces) except -1
    cdef int _send(self, bytes data, bint more) except -1


cdef int reset(object transport) except -1
