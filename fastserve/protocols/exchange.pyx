"""The ASGI side of one request: scope, receive, send, and the task that runs the app.

What HTTP and WebSocket have in common. An Exchange stands between an application and
a Channel, which it calls for every byte that goes out.

Never: a protocol module, a socket, a transport. The next request is never started
from here: that is the connection's, outside of this task's step and context.
"""

cimport cython
from cpython.contextvars cimport PyContext_Copy
from cpython.object cimport PyObject

import inspect
from asyncio import CancelledError

from fastserve.protocols.awaitables cimport (
    PYGEN_ERROR, PYGEN_NEXT, PYGEN_RETURN, Done, PyIter_Send, PySendResult,
    call_send, failed, fs_own, fs_raise_current, fs_set_send, give, held_with,
    new_waiter, raise_given, wake,
)
from fastserve.protocols.shared cimport PyThread_get_thread_ident
from fastserve.protocols.tasks cimport start_eagerly


cdef extern from "Python.h":
    bint PyCoro_CheckExact(object)
    ctypedef struct PyMethodDef:
        pass
    ctypedef struct PyMethodDescrObject:
        PyMethodDef *d_method
    object PyCFunction_New(PyMethodDef *, object)


cdef Done DONE = Done()


@cython.final
@cython.freelist(64)
cdef class Receive:
    """One receive(): takes its message when it is awaited, not when it is called.

    So a receive() that is cancelled before or while it waits loses nothing.
    """

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration             # replaced by fs_next

    def send(self, value):
        return call_send(self, send_to_receive, value)

    def throw(self, kind, value=None, traceback=None):
        self.close()
        raise_given(kind, value, traceback)

    def close(self):
        if self._waiter is not None:
            self._waiter.cancel()
            self._waiter = None

    cdef object _wait(self):
        """A future to yield: it is done when there may be a message."""
        self._waiter = new_waiter(self._exchange._shared.loop)
        self._exchange._receivers = held_with(
            self._exchange._receivers, self._waiter)
        self._waiter._asyncio_future_blocking = True
        return self._waiter


cdef PySendResult send_to_receive(
        object self, object value, PyObject **result) except PYGEN_ERROR:
    cdef Receive call = <Receive>self
    cdef object message = call._exchange._next_message()
    if message is None:
        give(call._wait(), result)
        return PYGEN_NEXT
    call._waiter = None
    return give(message, result)


fs_set_send(Receive, send_to_receive)


# --- the application's call -----------------------------------------------------

@cython.final
@cython.freelist(64)
cdef class AppCall:
    """The coroutine of a request's task: calls the application, and ends the answer.

    It raises nothing but what closes it: an application's SystemExit must not end
    the loop. Tools see the application's own frame through cr_frame and cr_await.
    """

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration             # replaced by fs_next

    def send(self, value):
        return call_send(self, send_to_app, value)

    def throw(self, kind, value=None, traceback=None):
        cdef Exchange exchange = self._exchange
        cdef bint corked = exchange._step_begins()
        cdef object result = None

        self.running = True
        try:
            if self._inner is None:     # cancelled before its first step
                raise_given(kind, value, traceback)
            if isinstance(kind, BaseException):
                result = self._inner.throw(kind)
            else:
                result = self._inner.throw(kind, value, traceback)
        except StopIteration as stop:
            self._finish(stop.value)
        except BaseException as error:
            self._fail(error)
        self.running = False
        exchange._step_ends(corked)
        if self.finished:
            raise StopIteration
        return result

    def close(self):
        self.finished = True
        if self._inner is not None and hasattr(self._inner, "close"):
            self._inner.close()

    cdef object _begin(self):
        """The application's coroutine, or the iterator of what else it returned."""
        cdef Exchange exchange = self._exchange
        cdef object called = self._app(
            exchange.scope, PyCFunction_New(RECEIVE, exchange),
            PyCFunction_New(SEND, exchange))
        if PyCoro_CheckExact(called):
            return called
        if not inspect.isawaitable(called):
            raise TypeError(
                f"The ASGI application returned {called!r}, which cannot be awaited.")
        return called.__await__() if hasattr(called, "__await__") else called

    cdef PySendResult _step(self, object value, PyObject **result) except PYGEN_ERROR:
        cdef Exchange exchange = self._exchange
        cdef PySendResult outcome
        cdef bint corked

        if self.finished:
            raise RuntimeError("cannot reuse already awaited coroutine")
        corked = exchange._step_begins()
        self.running = True
        try:
            if self._inner is None:
                self._inner = self._begin()
            outcome = PyIter_Send(self._inner, value, result)
            if outcome == PYGEN_ERROR:
                fs_raise_current()
            if outcome == PYGEN_RETURN:
                self._finish(fs_own(result[0]))
                give(None, result)
        except BaseException as error:
            self._fail(error)
            outcome = give(None, result)
        self.running = False
        exchange._step_ends(corked)
        return outcome

    cdef int _finish(self, object result) except -1:
        cdef Exchange exchange = self._exchange
        self.finished = True
        self._exchange = None
        return exchange._app_returned(result)

    cdef int _fail(self, object error) except -1:
        cdef Exchange exchange = self._exchange
        self.finished = True
        self._exchange = None
        return exchange._app_failed(error)

    @property
    def cr_frame(self):
        return getattr(self._inner, "cr_frame", None)

    @property
    def cr_await(self):
        return getattr(self._inner, "cr_await", None)

    @property
    def cr_code(self):
        return getattr(self._inner, "cr_code", None)

    @property
    def cr_running(self):
        return self.running

    @property
    def cr_suspended(self):
        return self._inner is not None and not self.running and not self.finished

    @property
    def __name__(self):
        return getattr(self._inner, "__name__", "fastserve_request")

    @property
    def __qualname__(self):
        return getattr(self._inner, "__qualname__", "fastserve_request")


cdef PySendResult send_to_app(
        object self, object value, PyObject **result) except PYGEN_ERROR:
    return (<AppCall>self)._step(value, result)


fs_set_send(AppCall, send_to_app)


# --- the exchange ---------------------------------------------------------------

cdef class Channel(Timed):
    """The wire as an exchange sees it; a connection or a stream subclasses it."""

    cdef int start(self, object status, object headers) except -1:
        """Check and keep the head; nothing of it is on the wire if this raises."""
        raise NotImplementedError

    cdef int body(self, object data, bint more) except -1:
        """Write a part of the body, the head first if that still waits."""
        raise NotImplementedError

    cdef int trailers(self, object headers, bint more) except -1:
        """Write trailer fields, behind a body whose last part had more to come."""
        raise NotImplementedError

    cdef int informational(self, int status, object headers) except -1:
        """Write an interim answer."""
        raise NotImplementedError

    cdef int flush(self) except -1:
        """Write a head that waits for its body: the application lets it wait."""
        raise NotImplementedError

    cdef bint cork(self) noexcept:
        """Collect what is written until uncork(); False if it is collected already."""
        return False

    cdef int uncork(self) except -1:
        """Write what was collected."""
        raise NotImplementedError

    cdef int abort(self, Exchange exchange) except -1:
        """The exchange cannot be ended well: its answer is cut."""
        raise NotImplementedError

    cdef int resume_reading(self) except -1:
        """The application has taken what there was of the body."""
        raise NotImplementedError

    cdef bint is_writable(self) noexcept:
        """False while the peer takes less than is written."""
        return False


cdef class Exchange:
    """What HTTP and WebSocket have in common: the scope, the task, the peer's end."""

    cdef int run(self, object app) except -1:
        """Run the app's first step now, as its task under its own context."""
        cdef AppCall call = AppCall.__new__(AppCall)
        cdef Shared shared = self._shared
        cdef object context = PyContext_Copy(shared.context)
        cdef object task

        call._exchange = self
        call._app = app
        self._call = call
        if shared.has_task_factory:
            task = shared.loop.create_task(call, context=context)
        else:
            task = start_eagerly(shared.loop, call, context)
        if not call.finished:
            self.task = task
            shared.tasks.add(task)
            task.add_done_callback(shared.tasks.discard)
        return 0

    cdef int peer_finished(self) except -1:
        """The peer sends no more, but may still read: receive() says so."""
        self._peer_finished = True
        return self._wake_receivers()

    cdef int peer_left(self) except -1:
        """receive() gives the disconnect from now on, and send() is silent."""
        self.disconnected = True
        self._peer_finished = True
        self._wake_receivers()
        return self.resume_writing()

    cdef int resume_writing(self) except -1:
        """The sends that wait for the peer go on."""
        return self._wake_first() if self._line else 0

    cdef int _wake_first(self) except -1:
        cdef object turn = self._line[0]
        if not turn.done():
            turn.set_result(None)
        return 0

    cdef int _wake_receivers(self) except -1:
        cdef object held = self._receivers
        if held is not None:
            self._receivers = None
            wake(held)
        return 0

    def receive(self):
        """ASGI receive(): an awaitable of the next message."""
        cdef Receive call = Receive.__new__(Receive)
        call._exchange = self
        return call

    def send(self, message):
        """ASGI send(): done when it returns, unless it has to wait for the peer.

        RuntimeError, at the await, for a message out of order or one that no peer
        could be sent.
        """
        if PyThread_get_thread_ident() != self._shared.thread:
            return self._send_at_await(message)
        if self._line or self._must_wait():
            return self._send_later(message)
        try:
            self._send(message)
        except Exception as error:
            return failed(error)
        return DONE

    async def _send_at_await(self, message):
        """Called in a thread that is not the loop's, where it is awaited: asgiref's
        async_to_sync and asyncio.run_coroutine_threadsafe() are used so."""
        if self._line or self._must_wait():
            await self._send_later(message)
        else:
            self._send(message)

    async def _send_later(self, message):
        """Wait in line: several tasks' messages go out in the order of their calls.

        Only the first in line is woken; when it is done it wakes the next.
        """
        if self._line is None:
            self._line = []
        line = self._line
        create_future = self._shared.loop.create_future
        turn = create_future()
        line.append(turn)
        try:
            while line[0] is not turn or self._must_wait():
                if turn.done():         # woken, but the peer is slow again
                    turn = line[0] = create_future()
                await turn
            self._send(message)
        finally:
            line.remove(turn)
            if line and not self._must_wait():
                self._wake_first()

    cdef bint _must_wait(self) noexcept:
        return self._channel is not None and not self._channel.is_writable()

    cdef object _next_message(self):
        """The message that receive() gives now, or None: it has to wait."""
        raise NotImplementedError

    cdef int _send(self, object message) except -1:
        raise NotImplementedError

    cdef int _app_returned(self, object result) except -1:
        raise NotImplementedError

    cdef int _app_failed(self, object error) except -1:
        raise NotImplementedError

    cdef bint _step_begins(self) noexcept:
        """Before the application runs; _step_ends() gets what this returns."""
        return False

    cdef int _step_ends(self, bint corked) except -1:
        return 0

    cdef int _log_failure(self, object error) except -1:
        # A client that went away is no fault of the application's, and Starlette's
        # ClientDisconnect is how an application says that it noticed. An OSError is
        # about something else: send() raises none here.
        if self._peer_finished and (
                isinstance(error, CancelledError)
                or type(error).__name__ == "ClientDisconnect"):
            self._shared.logger.debug("The client left: %r", error)
            return 0
        self._shared.logger.error("Exception in ASGI application\n", exc_info=error)
        return 0


# What `exchange.receive` and `exchange.send` look up, for a third of the cost.
cdef PyMethodDef *RECEIVE = (
    <PyMethodDescrObject *>Exchange.__dict__["receive"]).d_method
cdef PyMethodDef *SEND = (<PyMethodDescrObject *>Exchange.__dict__["send"]).d_method
