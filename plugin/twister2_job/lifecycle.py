"""Install, upgrade and uninstall a job."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence

from . import chart as charts
from . import preflight
from .errors import (
    BusyError,
    JobError,
    JobExistsError,
    JobNotFoundError,
    NameRefusedError,
    OutOfTimeError,
    PortTakenError,
    UsageError,
    ValuesError,
)
from .helm import Helm, Revision, apply
from .kube import Kubectl, selector
from .prepare import PENDING, Preparation, Request
from .settings import Connection
from .wait import Say


def check_name(name: str) -> None:
    """Raise NameRefusedError unless `name` can be the name of the job's Services.

    DNS-1035 and at most 49 characters: names of the job's objects are made of it.
    """
    if len(name) > 49:
        raise NameRefusedError(f"The job name {name} has {len(name)} characters.", "Take one of at most 49.")
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise NameRefusedError(
            f"The job name {name!r} can't be the name of a Service.",
            "Start with a letter, use only a-z, 0-9 and -, and don't end with -.",
        )


def check_chart_of(name: str, history: Sequence[Revision]) -> None:
    """Raise JobNotFoundError when the release belongs to another chart: it is not ours to touch."""
    if history and not re.fullmatch(rf"{charts.NAME}-\d.*", history[-1].chart):
        raise JobNotFoundError(
            f"The release {name} is of the chart {history[-1].chart}, not a Twister2 job.", "Take another name."
        )


def check_same_chart(name: str, history: Sequence[Revision], chart: str) -> None:
    """Raise UsageError when an upgrade with the packaged chart would bring another version of it.

    Args:
        name: Name of the job.
        history: The release's history.
        chart: The chart that the user chose; then it is the user's decision.
    """
    check_chart_of(name, history)
    own = f"{charts.NAME}-{charts.version(charts.packaged())}"
    if history and not chart and history[-1].chart != own:
        raise UsageError(
            f"The job {name} was made with the chart {history[-1].chart}, and this command brings {own}.",
            f"`twister2-job upgrade {name}` first, or give --chart.",
        )


def reuse_hint(error: JobError, request: Request) -> JobError:
    """Return the error of an upgrade, with the remedy if --reuse-values is what the schema refuses."""
    if isinstance(error, ValuesError) and "--reuse-values" in request.arguments:
        why = "--reuse-values keeps the defaults of the old chart too, which may lack new values"
        return ValuesError(error.message, f"{why}; use --reset-then-reuse-values.")
    return error


class Lifecycle:
    """Changes one job; `say` is told in sentences what happens meanwhile."""

    def __init__(self, connection: Connection, say: Say) -> None:
        """Find both programs before anything is changed."""
        self.helm, self.kubectl, self.say = Helm(connection), Kubectl(connection), say
        self.preparation = Preparation(self.helm, self.kubectl, say)

    async def install(self, request: Request) -> int:
        """Install a job and wait for its workers.

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
            made = request.create_namespace and not await self._namespace_exists()
            if not made:  # A namespace that is still to be made holds nothing that could be in the way.
                await preflight.check(self.kubectl, [], prepared.rendered)
            watcher.start()
            try:
                revision = await apply(
                    prepared.client, self.helm, request.name, path, request.arguments, values=request.values or {},
                    create_namespace=request.create_namespace, timeout=request.timeout,
                )  # fmt: skip
            except (BusyError, JobExistsError):
                raise  # Somebody else was quicker: what is there is theirs.
            except (JobError, asyncio.CancelledError) as error:
                undone = await asyncio.shield(self._undo(request.name, made))
                if isinstance(error, PortTakenError):
                    error = await preflight.with_holders(self.kubectl, error)
                if isinstance(error, JobError) and undone:
                    raise type(error)(error.message, f"{error.hint} {undone}".strip()) from None
                raise error from None
            try:
                await watcher.ready(prepared.stateful_sets, deadline=deadline, say=self.say)
            except OutOfTimeError as error:
                if request.rollback_on_failure:
                    undone = await self._undo(request.name, made)
                    raise OutOfTimeError(error.message, undone or "The release was removed again.") from None
                raise OutOfTimeError(
                    error.message,
                    f"\nThe release stays: `twister2-job status {request.name}` shows it, "
                    f"`twister2-job uninstall {request.name}` removes it.",
                ) from None
            return revision

    async def upgrade(self, request: Request) -> int:
        """Upgrade a job and wait for its workers.

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
            history, watcher = prepared.history, prepared.watcher
            check_chart_of(request.name, history)
            live = next((r.number for r in reversed(history) if r.status in ("deployed", "superseded")), 0)
            if not history or history[-1].status in ("uninstalled", "uninstalling"):
                raise JobNotFoundError(
                    f"There is no job {request.name} in this namespace.",
                    f"`twister2-job install {request.name}` makes it.",
                )
            objects, values, before = prepared.live, request.values or {}, history[-1].number
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
                revision = await apply(
                    prepared.client, self.helm, request.name, path, request.arguments, values=values,
                    create_namespace=False, timeout=request.timeout,
                )  # fmt: skip
                watcher.start()
                await watcher.ready(prepared.stateful_sets, deadline=deadline, say=self.say)
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
        history = await self.helm.history(name)
        if not history:
            where = await self.kubectl.namespace()
            raise JobNotFoundError(f"There is no job {name} in namespace {where}.", "`twister2-job list -A` shows all.")
        check_chart_of(name, history)
        await self.helm.uninstall(name, timeout=timeout)
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

    async def _namespace_exists(self) -> bool:
        name = await self.kubectl.namespace()
        result = await self.kubectl.run("get", "namespace", name, "-o", "name", "--ignore-not-found", namespaced=False)
        return bool(result.code or result.out.strip())  # Without the right to look: not ours to delete.

    async def _undo(self, name: str, made_namespace: bool) -> str:
        """Remove what a failed install made; return a sentence if that fails too."""
        try:
            await self.helm.uninstall(name, timeout=30)
        except JobNotFoundError:
            pass  # Helm had not begun.
        except JobError as error:
            return f"Undoing it failed too ({error.message}); `twister2-job uninstall {name}` removes what is left."
        # Another job may have come into the namespace meanwhile.
        if made_namespace and not await self.helm.releases(all_namespaces=False):
            where = await self.kubectl.namespace()
            await self.kubectl.run("delete", "namespace", where, "--wait=false", "--ignore-not-found", namespaced=False)
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
