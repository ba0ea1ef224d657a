"""When a connection's peer is late: one deadline at a time, in shared's wheel.

It knows for what the connection waits, since when, and what is logged of one that is
late. Whether that is still owed, and how a connection ends, connection says in the
methods at the end.

Never: a byte read or written, a deadline that passes while the loop was held up.
"""


cdef class DeadlineChannel(Channel):
    """A channel whose peer has to send something in time."""

    cdef int _heard(self) except -1:
        """The peer has sent something."""
        if self._waiting < FOR_HEAD:    # the others are not renewed by a head in pieces
            self.due = 0
        if self._timer is not None:
            self._forget_timer()
        self._busy = True
        self._confirming = False
        return 0

    cdef int _wait(self, Deadline waiting, double seconds) except -1:
        """Set the deadline; 0 seconds: there is none."""
        self.due = 0
        self._waiting = waiting
        if seconds > 0:
            return self._shared.wheel.set_deadline(self, seconds)
        return 0

    cdef int _wait_idle(self) except -1:
        """Close after the keep-alive time, unless something comes before."""
        cdef Shared shared = self._shared
        if self._stopping:
            # Given once: neither a head nor a method in pieces renews it.
            return 0 if self._waiting == TO_END else self._wait(TO_END, shared.grace)
        self._waiting = FOR_REQUEST
        if shared.timeout_keep_alive >= 1:
            return shared.wheel.set_deadline(self, shared.timeout_keep_alive)
        self._forget_timer()
        # The wheel is too coarse for less than a second.
        self._timer = shared.loop.call_later(
            shared.timeout_keep_alive, self._idle_over, context=shared.context)
        return 0

    def _idle_over(self):
        self._timer = None
        if self._is_owed() and not self._has_unserved() and not self._closing:
            self._shared.count_limit("timeout_keep_alive")
            self._close_idle()

    cdef int _forget_timer(self) except -1:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return 0

    cdef int64_t on_tick(self, int64_t now) except -1:
        """The wheel's visit: a deadline that has passed, or an idle connection."""
        if not self.due or self._waiting == NO_DEADLINE:
            return 0
        if self._closing:
            if self.due > now:
                return self.due
            self.transport.abort()
            return 0
        if not self._is_owed():
            self.due = 0
            return 0
        self._shared.refresh()
        if self._has_unserved():
            return now + 1
        if self.due > now:
            if not self._busy:          # for a whole second
                self._shrink()
                return self.due
            self._busy = False
            return min(self.due, now + 4)
        if not self._confirming and not self._lingering and (
                self._waiting < FOR_HEAD or self.due == now):
            # Bytes may have come while the loop was held up: it reads first.
            self._confirming = True
            return now + 1
        self._is_late()
        return 0                        # set_deadline() has found it another place

    cdef int _is_late(self) except -1:
        """The deadline has passed."""
        cdef Shared shared = self._shared
        cdef object peer = self.transport.get_extra_info("peername")

        if self._waiting == FOR_BODY:
            shared.report_limit(
                "timeout_request_body", "sent nothing of its request's body for %g s",
                shared.timeout_request_body, peer)
            return self._refuse(408)
        if self._waiting == FOR_HEAD:
            if self._is_silent():               # a browser's spare connection
                shared.count_limit("timeout_request_header")
                return self._close_idle()
            shared.report_limit(
                "timeout_request_header", "did not complete its request's head in %g s",
                shared.timeout_request_header, peer)
            return self._refuse(408)
        if not self._lingering and not self._is_read():
            # The peer still takes its answer: idle time begins after that.
            self._confirming = False
            self._waiting = NO_DEADLINE
            return self._wait_idle()
        if self._waiting == FOR_REQUEST and not self._lingering:
            shared.count_limit("timeout_keep_alive")
        return self._close_idle()

    # --- what connection adds -----------------------------------------------------

    cdef bint _is_owed(self) noexcept:
        """Whether it is the peer's turn to send what the deadline is for."""
        return False

    cdef bint _has_unserved(self) noexcept:
        """Whether something has been read that is served at the end of the turn."""
        return False

    cdef bint _is_silent(self) noexcept:
        """Whether not a byte of the head that is owed has come."""
        return False

    cdef int _shrink(self) except -1:
        """Nothing has come for a second: the memory is worth more than the speed."""
        return 0

    cdef int _refuse(self, int status) except -1:
        """Answer with an error, if no answer has begun, and close."""
        return 0

    cdef bint _is_read(self) except -1:
        """Whether the peer has taken all of its answer; if not, it has to, in time."""
        return True

    cdef int _close_idle(self) except -1:
        """Close, and do not wait for the peer to say goodbye."""
        return 0
