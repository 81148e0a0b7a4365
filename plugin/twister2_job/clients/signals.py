"""Handles SIGTERM, SIGHUP and Ctrl-C while our child processes run."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `--help` need not import `typing`.
if TYPE_CHECKING:
    import asyncio
    from typing import Any, NoReturn, TypeVar

    T = TypeVar("T")

ENDING = 15.0
"""Seconds after a signal for ending all processes and undoing all changes."""
_REST = 1.0
"""Seconds for what is cancelled again after that; and seconds in which further Ctrl-C count as the same one."""


class RaiseOnce:
    """A signal handler that raises `ends` at the first signal; later signals are handled by `ignore_then_exit`."""

    def __init__(self, ends: BaseException, code: int) -> None:
        """Store the exception to raise, and its exit code."""
        self._ends, self._code = ends, code

    def __call__(self, _number: int, _frame: object) -> NoReturn:
        """Handle a signal."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if isinstance(signal.getsignal(number), RaiseOnce):
                signal.signal(number, ignore_then_exit(self._code))
        raise self._ends


def ignore_then_exit(code: int) -> Callable[[int, object], None]:
    """Return a signal handler for a program that is about to end: it ignores signals for a second, then exits at once.

    Nothing is left to be undone then, but Python may still be waiting for a name server that does not answer.
    """
    since = time.monotonic()

    def handler(_number: int, _frame: object) -> None:
        if time.monotonic() > since + _REST:
            os._exit(code)

    return handler


async def until_signalled(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; SIGTERM, SIGHUP or Ctrl-C cancels it and takes effect when it has ended.

    A handler that raised could do so just after a process was started and before asyncio knows of it; that process
    would not be ended. Only the first signal cancels: a second one would interrupt the undoing that the first one
    began. Work that has not ended `ENDING` seconds later is left as it is, and its processes are killed.

    Args:
        work: What to run; the caller's loop must be that of the main thread.

    Raises:
        SystemExit: SIGTERM or SIGHUP came.
        KeyboardInterrupt: Ctrl-C came.
    """
    import asyncio

    if sys.platform == "win32":
        return await work  # asyncio has no signal handlers there.
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    received: list[int] = []
    signalled = asyncio.Event()

    def cancel(number: int) -> None:
        if not received:
            task.cancel()
            signalled.set()
        received.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # Ignored signals stay ignored, as nohup and a shell's `&` ask for.
    before = {n: handler for n in numbers if (handler := signal.getsignal(n)) not in (signal.SIG_IGN, None)}
    for number in before:
        loop.add_signal_handler(number, cancel, number)
    waiter = asyncio.ensure_future(signalled.wait())
    try:
        # Not `await task`: a task that is cancelled just when it is done may end without CancelledError.
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        if received:
            await _ended(task, received[0])
        if not received:
            return task.result()
        # A reader of our output that sends a signal often closes the pipe too: then the signal counts.
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, BrokenPipeError):
            raise error
        if received[0] == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + received[0])
    finally:
        waiter.cancel()
        signal.pthread_sigmask(signal.SIG_BLOCK, before)  # Between two handlers a signal would end us at once.
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            ours = received and isinstance(handler, RaiseOnce)
            signal.signal(number, ignore_then_exit(128 + received[0]) if ours else handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, before)


async def _ended(task: asyncio.Future[Any], number: int) -> None:
    """Wait for the end of the cancelled task; exit the program if it doesn't end."""
    import asyncio

    await asyncio.wait({task}, timeout=ENDING)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_REST)
    if task.done():
        return
    # Not by an exception: asyncio would wait for the task again. Our child processes are killed when we end.
    print(
        f"twister2-job: what was going on did not end within {ENDING:.0f} s and was left as it is; "
        "`twister2-job status NAME` shows what is there.",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    os._exit(128 + number)
