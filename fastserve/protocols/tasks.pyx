"""Tasks whose first step runs at once, inside the call that makes them.

Python 3.12 and later have such tasks; `start_eagerly` then returns the
interpreter's own. Python 3.11 has not, and gets the backport below: all that
asyncio.Task does, with one difference: until it suspends for the first time a
task is not in asyncio.all_tasks().

The life of a task on Python 3.11:

    start      its step runs inside the caller's, under its own context, as
               the loop's current task; the previous one is put back after it
    suspended  it stands in all_tasks(), its wakeup is a done-callback of the
               future it waits for (or is scheduled, after a bare yield)
    done       it has a result, an exception, or is cancelled; its callbacks
               are scheduled, never called at once

Nothing here ever looks at the loop's task factory (the caller chooses), sets
a timer, or keeps a reference to a task.
"""

cimport cython
from cpython.contextvars cimport (
    PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit
)
from cpython.object cimport PyObject
from cpython.version cimport PY_VERSION_HEX

import asyncio
import inspect
from asyncio import CancelledError, InvalidStateError

from fastserve.protocols.awaitables cimport Waiter

if PY_VERSION_HEX < 0x030C0000:
    # asyncio's inside as Python 3.11 has it; no later version is asked for it.
    from asyncio import base_futures, base_tasks, coroutines, format_helpers
    from asyncio.futures import _get_loop
    from asyncio.tasks import _current_tasks, _register_task
else:
    _current_tasks = None


cdef extern from "Python.h":
    int PYGEN_RETURN, PYGEN_ERROR, PYGEN_NEXT
    bint PyCoro_CheckExact(object coro)
    # The steps below take errors as values: these three are declared without
    # an error value, so that no traceback gets an entry of ours.
    int PyIter_Send(object coro, object value, PyObject **result)
    PyObject *PyObject_CallMethodNoArgs(object obj, object name)
    PyObject *PyObject_CallMethodOneArg(object obj, object name, object arg)
    object PyObject_Call(object func, object args, object kwargs)
    object PyObject_VectorcallMethod(
        object name, PyObject **args, size_t nargs, PyObject *kwnames)


cdef extern from *:
    """
    /* A new reference becomes one that Cython owns. */
    #define fs_own(pointer) (pointer)

    /* Takes the exception being raised, complete with its traceback. */
    #if PY_VERSION_HEX >= 0x030C0000
    #define fs_take_exception PyErr_GetRaisedException
    #else
    static PyObject *fs_take_exception(void)
    {
        PyObject *type, *value, *traceback;

        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        if (traceback != NULL) {
            PyException_SetTraceback(value, traceback);
            Py_DECREF(traceback);
        }
        Py_XDECREF(type);
        return value;
    }
    #endif
    """
    object fs_own(PyObject *pointer)
    object fs_take_exception()


cdef enum State:
    PENDING
    CANCELLED
    FINISHED


cdef object Task = asyncio.Task
cdef object Future = asyncio.Future
cdef dict current_tasks = _current_tasks
cdef tuple context_keyword = ("context",)
# The keyword arguments of the next native task, None while one is being made.
cdef dict spare_arguments = None
# The coroutine type of the last task that was no plain coroutine.
cdef type known_coroutine_type = None


cpdef object start_eagerly(object loop, object coro, object context):
    """Make a task of `coro` and run its first step before returning.

    `context` is a contextvars.Context that is not entered at the moment, or
    None for a copy of the current one. The task that is returned may be done.

    Raises TypeError if `coro` is no coroutine, RuntimeError if `context` is
    entered already, and the SystemExit or KeyboardInterrupt of the first step.
    """
    cdef EagerTask task

    if PY_VERSION_HEX >= 0x030C0000:
        return start_native(loop, coro, context)

    check_coroutine(coro)
    task = EagerTask.__new__(EagerTask)
    task._loop = loop
    task._coro = coro
    task.context = PyContext_CopyCurrent() if context is None else context
    task.start()
    return task


cdef object start_native(object loop, object coro, object context):
    # Task's constructor takes a dict in any case; to keep one saves 0.06 us a
    # task. A task that is made within the first step of another makes its own.
    global spare_arguments
    cdef dict arguments = spare_arguments

    spare_arguments = None
    if arguments is None:
        arguments = {"eager_start": True}
    arguments["loop"] = loop
    arguments["context"] = context
    try:
        return PyObject_Call(Task, (coro,), arguments)
    finally:
        arguments["loop"] = None
        arguments["context"] = None
        spare_arguments = arguments


cdef int check_coroutine(object coro) except -1:
    global known_coroutine_type
    if PyCoro_CheckExact(coro) or type(coro) is known_coroutine_type:
        return 0
    if not coroutines.iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    known_coroutine_type = type(coro)
    return 0


cdef int call_soon(object loop, object callback, object arg,
                   object context) except -1:
    """loop.call_soon(callback, arg, context=context); no arg for None."""
    cdef PyObject *args[4]
    cdef size_t nargs = 2

    args[0] = <PyObject *>loop
    args[1] = <PyObject *>callback
    if arg is not None:
        args[2] = <PyObject *>arg
        nargs = 3
    args[nargs] = <PyObject *>context
    PyObject_VectorcallMethod(
        "call_soon", args, nargs, <PyObject *>context_keyword)
    return 0


cdef int add_wakeup(object future, object wakeup, object context) except -1:
    """future.add_done_callback(wakeup, context=context)"""
    cdef PyObject *args[3]

    args[0] = <PyObject *>future
    args[1] = <PyObject *>wakeup
    args[2] = <PyObject *>context
    PyObject_VectorcallMethod(
        "add_done_callback", args, 2, <PyObject *>context_keyword)
    return 0


@cython.auto_pickle(False)
cdef class NamingLoop:
    """A loop that runs nothing: a task on it only draws the next name."""

    def get_debug(self):
        return False

    def call_soon(self, callback, *args, context=None):
        return None


async def _unrun():
    pass


cdef object draw_name():
    # The counter behind "Task-N" is out of reach in asyncio's C code; only a
    # new task moves it. Names stay unique among all tasks in this way.
    coro = _unrun()
    task = Task(coro, loop=NamingLoop())
    task._log_destroy_pending = False
    coro.close()
    return task.get_name()


# No free list: Cython's keeps the collector's mark that __del__ has run, and a
# task made from it would be destroyed without a word.
@cython.final
@cython.auto_pickle(False)
cdef class EagerTask:
    # Names with an underscore are asyncio's; others read them: anyio, uvloop,
    # and asyncio itself in tools like gather() and repr().

    # What it was made of; all of it stays when the task is done.
    cdef readonly object _loop              #: asyncio.AbstractEventLoop
    cdef readonly object _coro              #: Coroutine
    cdef object context                     #: contextvars.Context
    cdef object name                        #: str, None until somebody asks
    cdef readonly object _source_traceback  #: traceback.StackSummary | None
    # While it runs.
    cdef readonly object _fut_waiter        #: the future it waits for, or None
    cdef readonly list _callbacks           #: list[tuple[Callable, Context]] | None
    cdef public object _cancel_message      #: Any
    cdef readonly int _num_cancels_requested
    cdef readonly bint _must_cancel         # CancelledError is due at the next step
    cdef public bint _asyncio_future_blocking  # yielded by await, not by yield
    cdef public bint _log_destroy_pending
    # How it ended.
    cdef State state
    cdef bint log_traceback                 # nobody has asked for the exception yet
    cdef readonly object _result            #: Any
    cdef readonly object _exception         #: BaseException | None
    cdef object exception_traceback         #: TracebackType | None
    cdef object cancelled_error             #: CancelledError | None

    cdef object __weakref__
    cdef dict __dict__

    def __init__(self):
        raise TypeError("tasks of this type are made by start_eagerly()")

    # -- running ---------------------------------------------------------

    cdef int start(self) except -1:
        PyContext_Enter(self.context)
        self._log_destroy_pending = True
        # Empty, as it is outside of any task, it need not be searched.
        previous = current_tasks.get(self._loop) if current_tasks else None
        current_tasks[self._loop] = self
        try:
            self.step(None)
        finally:
            if previous is None:
                del current_tasks[self._loop]
            else:
                current_tasks[self._loop] = previous
            PyContext_Exit(self.context)
            if self.state != FINISHED or self._exception is not None:
                self.note_source()
        if self.state == PENDING:
            _register_task(self)
        return 0

    cdef int note_source(self) except -1:
        # asyncio takes the stack when a task is made. While start() runs the
        # stack is still that one, so only tasks that somebody can still meet
        # in a message pay for it.
        if self._loop.get_debug():
            self._source_traceback = format_helpers.extract_stack()
        return 0

    cdef int resume(self, object exc) except -1:
        """Run a step that the loop has called for."""
        current = current_tasks.get(self._loop)
        if current is not None:
            raise RuntimeError(
                f"Cannot enter into task {self!r} while another task "
                f"{current!r} is being executed.")
        if self.state != PENDING:
            raise InvalidStateError(f"_step(): already done: {self!r} {exc!r}")
        current_tasks[self._loop] = self
        try:
            self.step(exc)
        finally:
            current = current_tasks.get(self._loop)
            if current is not self:
                raise RuntimeError(
                    f"Leaving task {self!r} does not match the current task "
                    f"{current!r}.")
            del current_tasks[self._loop]
        return 0

    cdef int step(self, object exc) except -1:
        """Run the coroutine to where it suspends or ends."""
        cdef PyObject *result = NULL
        cdef int status

        if self._must_cancel:
            if not isinstance(exc, CancelledError):
                exc = self.take_cancelled_error()
            self._must_cancel = False
        self._fut_waiter = None

        if exc is None:
            status = PyIter_Send(self._coro, None, &result)
        else:
            result = PyObject_CallMethodOneArg(self._coro, "throw", exc)
            status = PYGEN_NEXT if result != NULL else PYGEN_ERROR

        if status == PYGEN_NEXT:
            return self.suspend(fs_own(result))
        if status == PYGEN_RETURN:
            return self.end_with_result(fs_own(result))
        error = fs_take_exception()
        if isinstance(error, StopIteration):  # how throw() tells a return
            return self.end_with_result(error.value)
        return self.end_with_error(error)

    cdef int suspend(self, object awaited) except -1:
        """Arrange to be woken by what the coroutine has yielded."""
        if awaited is None:  # a bare yield lets the loop turn once
            return call_soon(self._loop, self._step, None, self.context)

        if type(awaited) is Future or type(awaited) is Task:
            blocking = awaited._asyncio_future_blocking
            loop = awaited._loop
        elif type(awaited) is Waiter:
            blocking = (<Waiter>awaited)._asyncio_future_blocking
            loop = (<Waiter>awaited)._loop
        else:
            blocking = getattr(awaited, "_asyncio_future_blocking", None)
            if blocking is None:
                return self.refuse(awaited)
            loop = _get_loop(awaited)

        if loop is not self._loop:
            return self.throw_soon(
                f"Task {self!r} got Future {awaited!r} attached to a "
                f"different loop")
        if not blocking:
            return self.throw_soon(
                f"yield was used instead of yield from in task {self!r} with "
                f"{awaited!r}")
        if awaited is self:
            return self.throw_soon(f"Task cannot await on itself: {self!r}")

        awaited._asyncio_future_blocking = False
        add_wakeup(awaited, self._wakeup, self.context)
        self._fut_waiter = awaited
        if self._must_cancel and awaited.cancel(self._cancel_message):
            self._must_cancel = False
        return 0

    cdef int refuse(self, object yielded) except -1:
        if inspect.isgenerator(yielded):
            return self.throw_soon(
                f"yield was used instead of yield from for generator in task "
                f"{self!r} with {yielded!r}")
        return self.throw_soon(f"Task got bad yield: {yielded!r}")

    cdef int throw_soon(self, str message) except -1:
        return call_soon(
            self._loop, self._step, RuntimeError(message), self.context)

    # The two callbacks are plain C methods: binding one is one small object,
    # and the loop's call goes straight to C.

    @cython.binding(False)
    def _step(self, exc=None):
        self.resume(exc)

    @cython.binding(False)
    def _wakeup(self, future):
        cdef PyObject *result = PyObject_CallMethodNoArgs(future, "result")
        if result == NULL:
            self.resume(fs_take_exception())
        else:
            # The value is not sent: __await__ takes it from the future.
            fs_own(result)
            self.resume(None)

    # -- ending ----------------------------------------------------------

    cdef int end_with_result(self, object result) except -1:
        if self._must_cancel:  # cancelled right before it returned
            self._must_cancel = False
            return self.end_cancelled(self._cancel_message)
        self._result = result
        self.state = FINISHED
        return self.schedule_callbacks()

    cdef int end_with_error(self, object error) except -1:
        if isinstance(error, CancelledError):
            self.cancelled_error = error
            return self.end_cancelled(None)
        self._exception = error
        self.exception_traceback = error.__traceback__
        self.state = FINISHED
        self.schedule_callbacks()
        self.log_traceback = True
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error
        return 0

    cdef int end_cancelled(self, object message) except -1:
        self.log_traceback = False
        self._cancel_message = message
        self.state = CANCELLED
        return self.schedule_callbacks()

    cdef int schedule_callbacks(self) except -1:
        cdef list callbacks = self._callbacks
        if callbacks is None:
            return 0
        self._callbacks = None
        for callback, context in callbacks:
            call_soon(self._loop, callback, self, context)
        return 0

    cdef object take_cancelled_error(self):
        """The error to raise: the coroutine's own the first time."""
        error = self.cancelled_error
        if error is not None:
            self.cancelled_error = None
            return error
        if self._cancel_message is None:
            return CancelledError()
        return CancelledError(self._cancel_message)

    # -- asyncio.Future's methods ----------------------------------------

    def done(self):
        """Whether the task has ended, cancelled or not."""
        return self.state != PENDING

    def cancelled(self):
        """Whether the task has ended with CancelledError."""
        return self.state == CANCELLED

    def result(self):
        """What the coroutine returned.

        Raises what the coroutine raised, CancelledError, or InvalidStateError
        if the task is not done.
        """
        if self.state == CANCELLED:
            raise self.take_cancelled_error()
        if self.state == PENDING:
            raise InvalidStateError("Result is not set.")
        self.log_traceback = False
        if self._exception is not None:
            raise self._exception.with_traceback(self.exception_traceback)
        return self._result

    def exception(self):
        """What the coroutine raised, or None.

        Raises CancelledError, or InvalidStateError if the task is not done.
        """
        if self.state == CANCELLED:
            raise self.take_cancelled_error()
        if self.state == PENDING:
            raise InvalidStateError("Exception is not set.")
        self.log_traceback = False
        return self._exception

    def add_done_callback(self, fn, /, *, context=None):
        """Have the loop call fn(task) in `context` once the task is done."""
        if context is None:
            context = PyContext_CopyCurrent()
        if self.state != PENDING:
            call_soon(self._loop, fn, self, context)
        elif self._callbacks is None:
            self._callbacks = [(fn, context)]
        else:
            self._callbacks.append((fn, context))

    def remove_done_callback(self, fn, /):
        """Take `fn` out of the callbacks; return how often it was there."""
        if self._callbacks is None:
            return 0
        before = len(self._callbacks)
        kept = [pair for pair in self._callbacks if pair[0] != fn]
        self._callbacks = kept
        return before - len(kept)

    def get_loop(self):
        """The event loop of the task."""
        return self._loop

    def set_result(self, result, /):
        raise RuntimeError("Task does not support set_result operation")

    def set_exception(self, exception, /):
        raise RuntimeError("Task does not support set_exception operation")

    def _make_cancelled_error(self):
        return self.take_cancelled_error()

    def __await__(self):
        if self.state == PENDING and not self._asyncio_future_blocking:
            self._asyncio_future_blocking = True
            yield self
        if self.state == PENDING:
            raise RuntimeError("await wasn't used with future")
        return self.result()

    def __iter__(self):
        return self.__await__()

    # -- asyncio.Task's methods ------------------------------------------

    def cancel(self, msg=None):
        """Have CancelledError thrown into the coroutine.

        It comes at the loop's next turn; the coroutine may catch it. Returns
        False if the task is done.
        """
        self.log_traceback = False
        if self.state != PENDING:
            return False
        self._num_cancels_requested += 1
        if self._fut_waiter is not None and self._fut_waiter.cancel(msg):
            # The waiter stays: it may be a task that swallows the
            # cancellation, and then has to be cancelled again.
            return True
        self._must_cancel = True
        self._cancel_message = msg
        return True

    def cancelling(self):
        """How many cancel() calls no uncancel() has taken back."""
        return self._num_cancels_requested

    def uncancel(self):
        """Take back one cancel(); return how many are left."""
        if self._num_cancels_requested > 0:
            self._num_cancels_requested -= 1
        return self._num_cancels_requested

    def get_coro(self):
        """The coroutine that the task runs."""
        return self._coro

    def get_context(self):
        """The contextvars.Context that the task runs in."""
        return self.context

    def get_name(self):
        """The name, "Task-N" unless set_name() was called."""
        if self.name is None:
            self.name = draw_name()
        return self.name

    def set_name(self, value, /):
        self.name = str(value)

    def get_stack(self, *, limit=None):
        """The frames of the suspended coroutine, or of its traceback."""
        return base_tasks._task_get_stack(self, limit)

    def print_stack(self, *, limit=None, file=None):
        """Print what get_stack() gives, to standard error by default."""
        base_tasks._task_print_stack(self, limit, file)

    def __repr__(self):
        return base_tasks._task_repr(self)

    def __del__(self):
        if self.state == PENDING and self._log_destroy_pending:
            self.report("task", "Task was destroyed but it is pending!")
        if self.log_traceback:
            self.report("future", "Task exception was never retrieved")

    cdef int report(self, str key, str message) except -1:
        details = {"message": message, key: self}
        if self._exception is not None:
            details["exception"] = self._exception
        if self._source_traceback is not None:
            details["source_traceback"] = self._source_traceback
        self._loop.call_exception_handler(details)
        return 0

    @property
    def __class__(self):
        # isinstance(task, asyncio.Task) and asyncio.isfuture(task) ask here.
        return Task

    @property
    def _state(self):
        if self.state == PENDING:
            return base_futures._PENDING
        if self.state == CANCELLED:
            return base_futures._CANCELLED
        return base_futures._FINISHED

    @property
    def _log_traceback(self):
        return self.log_traceback

    @_log_traceback.setter
    def _log_traceback(self, value):
        if value:
            raise ValueError("_log_traceback can only be set to False")
        self.log_traceback = False


# Only start_eagerly() makes one, and only on Python 3.11.
globals().pop("EagerTask")
globals().pop("NamingLoop")
