"""Undoes what a command has made: the newest first, and only what this command made."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ..clients.process import UNDOING, await_uncancelled
from ..errors import JobError
from .operation import within

LIMIT = 120.0
"""Seconds that undoing may take: Helm removes some twenty objects in one second."""
LATE = 9.0
"""Seconds that undoing may take after the command's time is out: 15 s together with ending Helm."""


def undoing(deadline: float, late: bool) -> float:
    """Return the seconds for undoing a command, which has to end `LATE` seconds after its `--timeout` at the latest.

    Args:
        deadline: The end of its time, on the clock of `time.monotonic`.
        late: Whether its time is over, or it was interrupted.
    """
    return LATE if late else max(LATE, min(LIMIT, deadline + LATE - time.monotonic()))


Step = Callable[[float], Coroutine[Any, Any, str]]
"""Undoes one thing within the given seconds and returns a name for it; an empty text if there was nothing to undo."""


class Undo:
    """The steps that undo what one run has made."""

    def __init__(self) -> None:
        """Begin without steps."""
        self._steps: list[Step] = []

    def add(self, step: Step) -> None:
        """Add the step that undoes what is about to be made; it has to check whether that was made, and by this run."""
        self._steps.append(step)

    async def run(self, limit: float) -> tuple[list[str], list[str]]:
        """Run all steps, even if the caller is cancelled meanwhile.

        Args:
            limit: Seconds for all steps.

        Returns:
            What was undone, and a sentence for each step that failed.
        """
        work = asyncio.ensure_future(self._run(limit))
        with contextlib.suppress(asyncio.CancelledError):  # The caller is ending already.
            await await_uncancelled(work)
        return work.result()

    async def _run(self, limit: float) -> tuple[list[str], list[str]]:
        UNDOING.set(True)  # Only in this task.
        until, done, failed = time.monotonic() + limit, list[str](), list[str]()
        while self._steps:
            step, left = self._steps.pop(), max(1.0, until - time.monotonic())
            try:
                if what := await within(time.monotonic() + left, step(left), f"It took longer than {left:.0f} s."):
                    done.append(what)
            except Exception as error:  # The other steps are run all the same.
                failed.append(str(error) if isinstance(error, JobError) else f"{type(error).__name__}: {error}.")
        return done, failed
