"""Awaits that end without an exception, and the future that waits for the peer.

An ASGI server answers most awaits at once. A class here has what asyncio asks of a
coroutine (send, throw, close, __await__), so that an application may wrap what
receive() and send() return in a task, gather or wait_for; its end goes through the
am_send slot, which needs no StopIteration. Each class spells these methods out: one
that inherited them would share its base's table of slots, and with it am_send.

Never: an exchange, a channel, an event loop of its own choice.
"""

cimport cython
from cpython.contextvars cimport (
    PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit,
)
from cpython.object cimport PyObject
from cpython.version cimport PY_VERSION_HEX

from asyncio import CancelledError, InvalidStateError, current_task

if PY_VERSION_HEX < 0x030C0000:
    # Its current_task() is Python and slow.
    from asyncio.tasks import _current_tasks
else:
    _current_tasks = None

cdef dict current_tasks = _current_tasks


cdef inline bint runs_a_task(object loop) except -1:
    if PY_VERSION_HEX < 0x030C0000:
        return loop in current_tasks
    return current_task(loop) is not None


cdef object call_send(object awaitable, sendfunc send, object value):
    """send() of a coroutine, for those who call it by its name."""
    cdef PyObject *result = NULL
    if send(awaitable, value, &result) == PYGEN_NEXT:
        return fs_own(result)
    raise StopIteration(fs_own(result))


@cython.final
cdef class Done:
    """An await that is over at once, with None: one object serves all.

    It has what asyncio asks of a coroutine, so that an application may wrap it in a
    task, gather or wait_for as it may the coroutine it would get elsewhere.
    """

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration             # replaced by fs_next

    def send(self, value):
        return call_send(self, send_to_done, value)

    def throw(self, kind, value=None, traceback=None):
        raise_given(kind, value, traceback)

    def close(self):
        pass


cdef PySendResult send_to_done(
        object self, object value, PyObject **result) except PYGEN_ERROR:
    return give(None, result)


fs_set_send(Done, send_to_done)


@cython.final
cdef class Failed:
    """An await that raises: errors of order are raised there, not at the call."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise self._error

    def send(self, value):
        raise self._error

    def throw(self, kind, value=None, traceback=None):
        raise_given(kind, value, traceback)

    def close(self):
        pass


cdef object failed(object error):
    cdef Failed result = Failed.__new__(Failed)
    result._error = error
    return result


cdef int raise_given(object kind, object value, object traceback) except -1:
    """What throw() of a coroutine does that is not inside anything."""
    if isinstance(kind, BaseException):
        raise kind
    if value is None:
        value = kind()
    elif not isinstance(value, BaseException):
        value = kind(value)
    raise value.with_traceback(traceback)


@cython.final
@cython.freelist(64)
cdef class Waiter:
    """The future that a receive() waits for: all that a task asks of one, and step().

    Its result is None. Only what has made it ends it, by wake() or step().
    """

    def get_loop(self):
        return self._loop

    def done(self):
        return self._done

    def cancelled(self):
        return self._cancelled

    def result(self):
        if not self._done:
            raise InvalidStateError("Result is not set.")
        if self._cancelled:
            raise CancelledError if self._message is None else CancelledError(
                self._message)

    def exception(self):
        self.result()

    def cancel(self, msg=None):
        self._message = msg
        return self._end(True)

    def add_done_callback(self, callback, *, context=None):
        if context is None:
            context = PyContext_CopyCurrent()
        if self._done:
            self._schedule(callback, context)
        elif self._callback is None:
            self._callback = callback
            self._context = context
        elif self._others is None:
            self._others = [(callback, context)]
        else:
            self._others.append((callback, context))

    def remove_done_callback(self, callback):
        cdef list others = self._others or []
        cdef Py_ssize_t count = len(others) + (self._callback is not None)
        if self._callback is not None:
            others = [(self._callback, self._context), *others]
        others = [each for each in others if each[0] != callback]
        self._callback = self._context = self._others = None
        for each, context in others:
            self.add_done_callback(each, context=context)
        return count - len(others)

    def __await__(self):
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    __iter__ = __await__

    cdef bint _end(self, bint cancelled) except -1:
        """Its callbacks are scheduled, as those of any future. False: it has ended."""
        cdef object callback = self._callback
        cdef list others = self._others

        if self._done:
            return False
        self._done = True
        self._cancelled = cancelled
        if callback is not None:
            self._callback = None
            self._schedule(callback, self._context)
            self._context = None
        if others is not None:
            self._others = None
            for callback, context in others:
                self._schedule(callback, context)
        return True

    cdef int _schedule(self, object callback, object context) except -1:
        self._loop.call_soon(callback, self, context=context)
        return 0

    cdef int wake(self) except -1:
        """Whoever waits goes on when the loop comes to it."""
        self._end(False)
        return 0

    cdef int step(self) except -1:
        """wake(), for a callback of the loop's own: the task that waits goes on now.

        That is what the loop would do next, without a handle and a turn of its own.
        An echo of 1 KB costs 7.0 us instead of 7.7 so.
        """
        cdef object callback = self._callback
        cdef object context = self._context

        if (self._done or callback is None or self._others is not None
                or runs_a_task(self._loop)):
            return self.wake()
        self._done = True
        self._callback = self._context = None
        PyContext_Enter(context)
        try:
            callback(self)
        except Exception as error:      # as a handle of the loop's treats it
            self._loop.call_exception_handler({
                "message": "Exception in a callback of receive()",
                "exception": error,
                "future": self,
            })
        finally:
            PyContext_Exit(context)
        return 0


cdef Waiter new_waiter(object loop):
    cdef Waiter waiter = Waiter.__new__(Waiter)
    waiter._loop = loop
    return waiter


cdef object held_with(object held, Waiter waiter):
    """held, which is None, a Waiter or a list of them, with one more.

    Those that were cancelled leave: an app may time a receive() out for ever.
    """
    if held is None:
        return waiter
    if type(held) is not list:
        held = [held]
    held = [other for other in <list>held if not (<Waiter>other)._done]
    (<list>held).append(waiter)
    return held if len(<list>held) > 1 else waiter


cdef int wake(object held) except -1:
    if type(held) is Waiter:
        return (<Waiter>held).wake()
    for waiter in <list>held:
        (<Waiter>waiter).wake()
    return 0
