"""Install, upgrade and uninstall a job."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from . import chart as charts
from . import jar, namespaces, preflight
from .errors import (
    BusyError,
    JobError,
    JobExistsError,
    JobLostError,
    JobNotFoundError,
    OutOfTimeError,
    PortTakenError,
)
from .guards import check_chart_of, check_name, check_running, reuse_hint
from .helm import Helm, apply
from .kube import Kubectl, selector, test_selector
from .prepare import PENDING, Preparation, Prepared, Request
from .settings import Connection
from .wait import Say
from .workers import Object, resizes

Ready = Callable[[list[str], float], Awaitable[None]]
"""Waits until StatefulSets are rolled out: their names, and a deadline on the clock of `time.monotonic`."""


class Companion(Protocol):
    """What belongs to a release and is not made by Helm: a jar."""

    def check(self, rendered: Sequence[Object]) -> None:
        """Raise JobError if it doesn't fit to the objects that Helm would make."""

    async def make(self) -> None:
        """Make it, before Helm makes the release; nothing is left if that fails."""

    async def own(self) -> None:
        """Give it to the release that was made."""

    async def remove(self) -> None:
        """Remove what was made."""


class Lifecycle:
    """Changes one job; `say` is told in sentences what happens meanwhile."""

    def __init__(self, connection: Connection, say: Say) -> None:
        """Find both programs before anything is changed."""
        self.helm, self.kubectl, self.say = Helm(connection), Kubectl(connection), say
        self.preparation = Preparation(self.helm, self.kubectl, say)

    async def install(self, request: Request, companion: Companion | None = None, ready: Ready | None = None) -> int:
        """Install a job and wait for its workers.

        Args:
            request: What to install.
            companion: What belongs to it and is not made by Helm; it goes again with an install that is undone.
            ready: Waits in the place of our own waiting.

        Returns:
            The revision.

        Raises:
            JobExistsError: There is a release of this name.
            OutOfTimeError: The workers were not ready in time; the release stays unless asked otherwise.
            JobError: Refused; nothing is left behind.
        """
        check_name(request.name)
        deadline = time.monotonic() + request.timeout
        path = charts.find(request.chart)
        async with self.preparation.of(request, path, upgrade=False) as prepared:
            history, watcher = prepared.history, prepared.watcher
            check_chart_of(request.name, history)
            lives = any(r.status in ("deployed", "superseded") for r in history)
            if history and history[-1].status in PENDING and (not lives or history[-1].status == "uninstalling"):
                await self.helm.uninstall(request.name)
                self.say(f"Release {request.name} was {history[-1].status}, left by an interrupted run; removed it.")
            elif history and history[-1].status != "uninstalled":
                raise JobExistsError(
                    f"The job {request.name} exists already ({history[-1].status}, revision {history[-1].number}).",
                    f"Use `twister2-job upgrade {request.name}`, or uninstall it first.",
                )
            if companion:
                companion.check(prepared.rendered)
            made = request.create_namespace and not await namespaces.exists(self.kubectl)
            if not made:  # A namespace that is still to be made holds nothing that could be in the way.
                await preflight.check(self.kubectl, [], prepared.rendered)
            await jar.remove_leftovers(self.kubectl, request.name, prepared.pieces, self.say)
            if companion:
                await self._make(companion, made)
            if ready is None:
                watcher.start()
            try:
                revision = await apply(
                    prepared.client, self.helm, request.name, path, prepared.arguments, values=prepared.given,
                    create_namespace=request.create_namespace, timeout=request.timeout,
                )  # fmt: skip
            except (BusyError, JobExistsError):
                await self._remove(companion)
                raise  # Somebody else was quicker: what is there is theirs.
            except (JobError, asyncio.CancelledError) as error:
                undone = await asyncio.shield(self._undo(request.name, made, companion))
                if isinstance(error, PortTakenError):
                    error = await preflight.with_holders(self.kubectl, error)
                if isinstance(error, JobError) and undone:
                    raise type(error)(error.message, f"{error.hint} {undone}".strip()) from None
                raise error from None
            if companion:
                await companion.own()
            try:
                await self._ready(prepared, deadline, ready)
            except (OutOfTimeError, JobLostError) as error:
                if request.rollback_on_failure:
                    undone = await self._undo(request.name, made, companion)
                    raise type(error)(error.message, undone or "The release was removed again.") from None
                raise type(error)(
                    error.message,
                    f"\nThe release stays: `twister2-job status {request.name}` shows it, "
                    f"`twister2-job uninstall {request.name}` removes it.",
                ) from None
            return revision

    async def _ready(self, prepared: Prepared, deadline: float, ready: Ready | None) -> None:
        """Wait for the workers, with the caller's way of waiting or our own."""
        if ready:
            await ready(prepared.stateful_sets, deadline)
        else:
            prepared.watcher.start()
            await prepared.watcher.ready(prepared.stateful_sets, deadline=deadline, say=self.say)

    async def upgrade(self, request: Request, ready: Ready | None = None) -> int:
        """Upgrade a job and wait for its workers.

        Args:
            request: What to upgrade to.
            ready: Waits in the place of our own waiting.

        Returns:
            The new revision.

        Raises:
            JobNotFoundError: There is no such job.
            OutOfTimeError: The workers were not ready in time.
            JobError: Refused; the message says what is live.
        """
        check_name(request.name)
        deadline = time.monotonic() + request.timeout
        path = charts.find(request.chart)
        async with self.preparation.of(request, path, upgrade=True) as prepared:
            history = prepared.history
            check_chart_of(request.name, history)
            live = next((r.number for r in reversed(history) if r.status in ("deployed", "superseded")), 0)
            if not history or history[-1].status in ("uninstalled", "uninstalling"):
                raise JobNotFoundError(
                    f"There is no job {request.name} in this namespace.",
                    f"`twister2-job install {request.name}` makes it.",
                )
            objects, values, before = prepared.live, prepared.given, history[-1].number
            if live:  # Else there is a remnant of an install, which goes.
                check_running(request.name, objects, prepared.rendered)
            if history[-1].status in PENDING:
                if live:
                    await self.helm.rollback(request.name, live)
                    objects, before = await self.preparation.live(request.name), before + 1
                else:
                    await self.helm.uninstall(request.name)
                    objects, before, values = [], 0, prepared.values or {}  # Helm has forgotten them with the release.
                self.say(
                    f"Release {request.name} was {history[-1].status}, left by an interrupted run; "
                    + (f"went back to revision {live}." if live else "removed the remnant.")
                )
            try:
                await preflight.check(self.kubectl, objects, prepared.rendered)
                if lost := preflight.given_up(objects, prepared.rendered):
                    named = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
                    self.say(f"{named}: these Services and their node ports are given up; perWorker.count keeps them.")
                arguments = list(prepared.arguments)
                if resizes(objects, prepared.rendered):  # The number may be the driver's, and Helm 4 fails then.
                    arguments += await self.helm.force(request.name)
                revision = await apply(
                    prepared.client, self.helm, request.name, path, arguments, values=values,
                    create_namespace=False, timeout=request.timeout,
                )  # fmt: skip
                await self._ready(prepared, deadline, ready)
            except JobError as error:
                raise await self._failed_upgrade(reuse_hint(error, request), request, live, before) from None
            return revision

    async def uninstall(self, name: str, *, wait: bool, timeout: float) -> None:
        """Remove a job.

        Args:
            name: Name of the job.
            wait: Wait until its pods and Services are gone.
            timeout: Seconds for all of it.

        Raises:
            JobNotFoundError: There is no such job.
        """
        check_name(name)
        history, pieces = await asyncio.gather(self.helm.history(name), jar.present(self.kubectl, name))
        if not history:
            if pieces:
                await jar.remove_leftovers(self.kubectl, name, pieces, self.say)
                return
            raise await self.kubectl.missing(name)
        check_chart_of(name, history)
        await self.helm.uninstall(name, timeout=timeout)
        await jar.remove(self.kubectl, pieces)
        # What `helm test` leaves is no object of the release; without the right to, it stays, as with bare Helm.
        await self.kubectl.run("delete", "pods", "-l", test_selector(name), "--ignore-not-found", "--wait=false")
        if wait:
            result = await self.kubectl.run(
                "wait", "--for=delete", "pods,services", "-l", selector(name), f"--timeout={timeout:.0f}s",
                timeout=timeout + 10,
            )  # fmt: skip
            if result.code and "no matching resources" not in result.err:
                raise OutOfTimeError(
                    f"The objects of {name} are not gone after {timeout:.0f} s.",
                    f"Look at them: kubectl get pods,services -l {selector(name)}",
                )

    async def _make(self, companion: Companion, made_namespace: bool) -> None:
        """Make the companion, and before it the namespace, which Helm would make too late for it."""
        if not made_namespace:
            await companion.make()
            return
        await namespaces.make(self.kubectl)
        try:
            await companion.make()
        except (JobError, asyncio.CancelledError):
            await asyncio.shield(namespaces.remove(self.kubectl, self.helm))
            raise

    async def _remove(self, companion: Companion | None) -> None:
        """Remove the companion; what stays is found by the next command for this name."""
        if companion:
            with contextlib.suppress(JobError):
                await companion.remove()

    async def _undo(self, name: str, made_namespace: bool, companion: Companion | None) -> str:
        """Remove what a failed install made; return a sentence if that fails too."""
        await self._remove(companion)
        try:
            await self.helm.uninstall(name, timeout=30)
        except JobNotFoundError:
            pass  # Helm had not begun.
        except JobError as error:
            return f"Undoing it failed too ({error.message}); `twister2-job uninstall {name}` removes what is left."
        if made_namespace:
            await namespaces.remove(self.kubectl, self.helm)
        return ""

    async def _failed_upgrade(self, error: JobError, request: Request, live: int, before: int) -> JobError:
        """Add to an upgrade's error what is live now, after going back if that was asked for.

        Args:
            error: What went wrong.
            request: The upgrade.
            live: Newest revision that was deployed; 0 if none was.
            before: Newest revision before the upgrade.
        """
        if isinstance(error, PortTakenError):
            error = await preflight.with_holders(self.kubectl, error)
        kind, hint = type(error), error.hint
        try:
            history = await self.helm.history(request.name)
            if not history:
                return error
            changed = history[-1].number > before
            if changed and request.rollback_on_failure and live:
                await self.helm.rollback(request.name, live)
                return kind(error.message, f"{hint} Went back to revision {live}.".strip())
        except JobError as problem:
            return kind(error.message, f"{hint} Finding out what is live, or going back, failed: {problem}".strip())
        state = f"The release is at revision {history[-1].number} ({history[-1].status})"
        if changed and live and history[-1].status == "failed":
            state += f"; what the refused revision did not change runs as revision {live} left it"
        return kind(error.message, f"{hint}\n{state}; `twister2-job status {request.name}` shows what is live.")
