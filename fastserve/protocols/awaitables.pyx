"""Awaits that end without an exception, and futures that wait for the peer.

An ASGI server answers most awaits at once. A class here has what asyncio asks of a
coroutine (send, throw, close, __await__), so that an application may wrap what
receive() and send() return in a task, gather or wait_for; its end goes through the
am_send slot, which needs no StopIteration. Each class spells these methods out: one
that inherited them would share its base's table of slots, and with it am_send.

Never: an exchange, a channel, an event loop of its own choice.
"""

cimport cython
from cpython.object cimport PyObject


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


cdef object held_with(object held, object future):
    """held, which is None, a future or a list of them, with one more.

    Those that were cancelled leave: an app may time a receive() out for ever.
    """
    if held is None:
        return future
    if type(held) is not list:
        held = [held]
    held = [other for other in <list>held if not other.done()]
    (<list>held).append(future)
    return held if len(<list>held) > 1 else future


cdef int wake(object held) except -1:
    if type(held) is not list:
        held = [held]
    for future in held:
        if not future.done():
            future.set_result(None)
    return 0
