"""Ctrl-C while the Python API works: the work is cancelled and ends in order, then KeyboardInterrupt is raised."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after the first Ctrl-C in which further ones change nothing: what was begun is being undone."""
_WAITING_LOOPS = ("asyncio.runners", "ipykernel", __name__)
"""Modules whose handlers of Ctrl-C cancel what a loop runs; that loop can't do it while its thread waits for us."""
_NO_CAUSE = (asyncio.CancelledError, concurrent.futures.CancelledError, KeyboardInterrupt)


class Interruption:
    """Cancels the work of an event loop, once, at Ctrl-C.

    Attributes:
        first: When Ctrl-C came, on the clock of `time.monotonic`; None if it has not.
    """

    def __init__(self) -> None:
        """Begin without work."""
        self.first: float | None = None
        self._wanted = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Future[Any] | None = None

    def press(self, number: int, frame: Any) -> None:
        """Handle the signal; raises KeyboardInterrupt only when the work has had its time to end.

        The first one does not raise: that could happen anywhere, also where a process was started and nobody knows yet.
        """
        if self.first is None:
            self.first = time.monotonic()
            self.cancel()
        elif time.monotonic() - self.first > PATIENCE:
            signal.default_int_handler(number, frame)

    def cancel(self) -> None:
        """Cancel the work, from any thread, also before it begins."""
        self._wanted = True
        if self._loop:
            with contextlib.suppress(RuntimeError):  # The loop is closed: the work has ended.
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        task, self._task = self._task, None  # Once: a second time would cut the undoing.
        if task:
            task.cancel()

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns."""
        task = asyncio.ensure_future(work)
        self._task, self._loop = task, asyncio.get_running_loop()
        if self._wanted:
            self._cancel()
        return await task


def _stands_for_interrupt(handler: Any) -> bool:
    """Tell whether a handler of Ctrl-C raises KeyboardInterrupt, or would have a loop do so that waits for us."""
    module = getattr(getattr(handler, "func", handler), "__module__", None) or ""
    return handler is signal.default_int_handler or module.startswith(_WAITING_LOOPS)


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Yield what Ctrl-C cancels during the block; where the user has given Ctrl-C another meaning, it keeps it.

    Raises:
        KeyboardInterrupt: Ctrl-C came. It is raised also when the work was done by then, or failed, which is its cause.
    """
    interruption, before, cause = Interruption(), None, None
    if threading.current_thread() is threading.main_thread():  # The only one that gets signals.
        before = signal.getsignal(signal.SIGINT)
    if not _stands_for_interrupt(before):
        yield interruption
        return
    signal.signal(signal.SIGINT, interruption.press)
    try:
        yield interruption
    except BaseException as error:
        if interruption.first is None:
            raise
        cause = None if isinstance(error, _NO_CAUSE) else error
    finally:
        signal.signal(signal.SIGINT, before)
    if interruption.first is not None:
        raise KeyboardInterrupt from cause


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, also where a loop runs already (a notebook): then in a thread of its own.

    Raises:
        KeyboardInterrupt: Ctrl-C came; the work was cancelled, and has ended its processes and undone what it undoes.
    """
    with interruptible() as interruption:
        guarded = interruption.guard(work)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            result = asyncio.run(guarded)
        else:
            result = _in_thread(guarded, interruption)
    return result


def _in_thread(work: Coroutine[Any, Any, T], interruption: Interruption) -> T:
    """Run `work` in a thread, with the context variables of this one."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    context, done = contextvars.copy_context(), threading.Event()

    def run() -> None:
        try:
            future.set_result(context.run(asyncio.run, work))
        except BaseException as error:
            future.set_exception(error)
        finally:
            done.set()

    threading.Thread(target=run, name="twister2-job").start()
    # Not `join`: a signal's exception in it makes Python 3.11 believe that the thread has ended, and not wait for it.
    try:
        while not done.wait(1):  # Windows handles Ctrl-C only between two waits.
            pass
    except BaseException:
        if interruption.first is None:  # A handler of the user's own has raised.
            interruption.cancel()
            done.wait(PATIENCE)
        raise
    return future.result()
