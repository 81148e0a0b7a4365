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
"""Seconds after the first Ctrl-C in which further ones are ignored: the work is being undone."""
_WAITING_LOOPS = ("asyncio.runners", "ipykernel", __name__)
"""Modules whose handlers of Ctrl-C cancel a task of an event loop, which is blocked while its thread waits for us."""
_NO_CAUSE = (asyncio.CancelledError, concurrent.futures.CancelledError, KeyboardInterrupt)


class Interruption:
    """Cancels the work of an event loop, once, at Ctrl-C.

    Attributes:
        first: When the first Ctrl-C came, on the clock of `time.monotonic`; None if there was none.
    """

    def __init__(self) -> None:
        """Begin without work."""
        self.first: float | None = None
        self._wanted = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Future[Any] | None = None

    def press(self, number: int, frame: Any) -> None:
        """Handle the signal; raise KeyboardInterrupt only after the work had `PATIENCE` seconds to end.

        The first signal does not raise: it may come anywhere, even just after a process was started and before that is
        recorded.
        """
        if self.first is None:
            self.first = time.monotonic()
            self.cancel()
        elif time.monotonic() - self.first > PATIENCE:
            signal.default_int_handler(number, frame)

    def cancel(self) -> None:
        """Cancel the work, from any thread, even before it begins."""
        self._wanted = True
        if self._loop:
            with contextlib.suppress(RuntimeError):  # The loop is closed: the work has ended.
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        task, self._task = self._task, None  # Only once: a second cancellation would interrupt the undoing.
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
    """Tell whether a handler of Ctrl-C raises KeyboardInterrupt, or makes an event loop that waits for us do so."""
    module = getattr(getattr(handler, "func", handler), "__module__", None) or ""
    return handler is signal.default_int_handler or module.startswith(_WAITING_LOOPS)


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Yield an Interruption whose work Ctrl-C cancels during the block; a user's own handler of Ctrl-C is kept.

    Raises:
        KeyboardInterrupt: Ctrl-C came, even if the work was done by then; if the work failed, its error is the cause.
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
    """Run `work` to its end; if this thread has a running loop (a notebook), in a thread of its own.

    Raises:
        KeyboardInterrupt: Ctrl-C came; the work was cancelled, and has ended its processes and undone its changes.
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
    # Not `join`: after a signal's exception in it, Python 3.11 takes the thread for ended and does not wait for it.
    try:
        while not done.wait(1):  # Windows handles Ctrl-C only between two waits.
            pass
    except BaseException:
        if interruption.first is None:  # The user's own handler has raised.
            interruption.cancel()
            done.wait(PATIENCE)
        raise
    return future.result()
