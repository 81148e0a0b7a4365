"""What all changes of a release share: the request, the programs, the time limit and the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..clients import value_files
from ..clients.helm import Helm, Revision
from ..clients.helm_version import helm_version
from ..clients.kubectl import Kubectl
from ..clients.process import await_uncancelled
from ..clients.resources import Cluster
from ..errors import BusyError, JobError, JobNotFoundError, OutOfTimeError
from . import run_mark
from .run_mark import Mark, remaining
from .storage import Stored, claim, labelled, newest, revisions

Say = Callable[[str], None]
T = TypeVar("T")

PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
PATIENCE = 10.0
"""Seconds that a command waits for another one that works on the same release before it fails."""


@dataclass(frozen=True)
class Request:
    """What to install or upgrade to.

    Attributes:
        name: Name of the job (the Helm release).
        arguments: Helm's own options (`-f FILE`, `--set KEY=VALUE`, ...), in order.
        values: All values of an upgrade, which replace those of the release; `arguments` override them.
        chart: Folder or .tgz of another chart; empty means the packaged one.
        timeout: Seconds within which the workers must be ready.
        create_namespace: Make the namespace if it is missing.
        rollback_on_failure: Undo the change also if the workers are not ready in time.
        force_conflicts: Take over fields that others have set.
        mark: The mark of this run; None means a new one.
        deadline: The end of its time, on the clock of `time.monotonic`; 0 means `timeout` from now.
    """

    name: str
    arguments: Sequence[str] = ()
    values: dict[str, Any] | None = None
    chart: str = ""
    timeout: float = 300
    create_namespace: bool = False
    rollback_on_failure: bool = False
    force_conflicts: bool = False
    mark: Mark | None = None
    deadline: float = 0.0

    def ends(self) -> float:
        """Return the end of its time, on the clock of `time.monotonic`."""
        return self.deadline or time.monotonic() + self.timeout


@dataclass(frozen=True)
class Outcome:
    """A revision whose workers are ready; `cluster` has the objects read during the wait, None if some are missing."""

    revision: int
    cluster: Cluster | None = None


class Tools:
    """Helm and kubectl for one connection, and `say`, which gets messages for the user."""

    def __init__(self, helm: Helm, kubectl: Kubectl, say: Say) -> None:
        """Store them."""
        self.helm, self.kubectl, self.say = helm, kubectl, say

    @contextlib.asynccontextmanager
    async def with_inputs(self, request: Request) -> AsyncIterator[Request]:
        """Yield the request with a mark, and with inputs such as pipes made readable for several runs of Helm."""
        slow = f"Helm did not say its version within {request.timeout:.0f} s."
        await within(request.ends(), helm_version(self.helm.path), slow)
        taken = await value_files.take(request.arguments, deadline=request.ends())
        with taken:
            self.helm.descriptors = taken.descriptors
            try:
                mark = request.mark or run_mark.new(request.timeout)
                yield replace(request, arguments=taken.arguments, mark=mark)
            except JobError as error:
                raise type(error)(taken.shown(error.message), taken.shown(error.hint)) from None
            finally:
                self.helm.descriptors = ()

    async def wait_for_others(self, name: str, history: list[Revision]) -> list[Revision]:
        """Wait until no other run works on the release, and return its history.

        Its last revision may still be pending if the run that made it has ended: then it is a leftover.

        Raises:
            BusyError: Another run still works on the release after `PATIENCE` seconds.
        """
        until, announced = time.monotonic() + PATIENCE, False
        while history and history[-1].status in PENDING:
            last = history[-1]
            stored = await self.newest(name)
            if not stored:
                return []
            if not (left := remaining(stored.labels, stored.since, stored.number)):
                return history
            if not announced:
                announced = True
                self.say(f"Release {name} is {last.status}; waiting {PATIENCE:.0f} s for whoever works on it.")
            if time.monotonic() >= until:
                finish = f"`twister2-job uninstall {name}` finishes it." if last.status == "uninstalling" else ""
                raise BusyError(
                    f"Another run works on the release {name}: revision {last.number} is {last.status}, "
                    f"begun {max(0, time.time() - stored.since):.0f} s ago.",
                    finish
                    or f"Wait for it; if nobody does, it counts as left behind in {left:.0f} s, and this "
                    "command repairs it then.",
                )
            await asyncio.sleep(0.5)
            history = await self.helm.history(name)
        return history

    async def newest(self, name: str) -> Stored | None:
        """Return the newest stored revision of a release; None if there is none."""
        return await newest(self.helm, self.kubectl, name)

    async def take_over(self, name: str, mark: Mark) -> bool:
        """Claim what another run has left of a release, to repair it; tell whether that succeeded.

        It fails if a third run has claimed it, or has repaired the release already.
        """
        stored = await self.newest(name)
        if stored is None or stored.status not in PENDING or remaining(stored.labels, stored.since, stored.number):
            return False
        return await claim(self.kubectl, stored, mark)

    async def require_present(self, name: str, mark: Mark, revision: int) -> None:
        """Raise JobNotFoundError if this run's revision is gone; if the cluster does not answer, do nothing."""
        try:
            found = await within(time.monotonic() + PATIENCE, revisions(self.helm, self.kubectl, name), "No answer.")
        except JobError:
            return
        mine = [r for r in found if mark.made(r.labels, revision) and not r.status.startswith("uninstall")]
        if not mine and labelled():
            raise JobNotFoundError(
                f"The job {name} was uninstalled by another run while its workers were waited for.",
                "`twister2-job list` shows what there is.",
            )


async def within(deadline: float, work: Coroutine[Any, Any, T], what: str) -> T:
    """Return what `work` returns; cancel it at the deadline, or when the caller is cancelled, and wait for its end.

    Args:
        deadline: The end of its time, on the clock of `time.monotonic`.
        work: What to run.
        what: The message of the error.

    Raises:
        OutOfTimeError: The deadline has passed.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=max(0.0, deadline - time.monotonic()))
        if task.done():
            return task.result()
    finally:
        if not task.done():
            task.cancel()
            await await_uncancelled(asyncio.wait({task}))  # The task keeps its result or error.
    if not task.cancelled() and not task.exception():
        return task.result()  # It was done just when the time was over.
    raise OutOfTimeError(what)
