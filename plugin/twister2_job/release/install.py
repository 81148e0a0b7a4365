"""Installs a job: removes leftovers, checks, runs Helm's install, waits for the workers, undoes a failed install."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..clients import pyhelm
from ..clients.helm import Applied, Revision
from ..clients.manifests import documents
from ..clients.messages import Step, translate
from ..clients.resources import presence_words
from ..errors import (
    BusyError,
    JobError,
    JobExistsError,
    JobLostError,
    JobNotFoundError,
    NoRightsError,
    OutOfTimeError,
    PortTakenError,
    RefusedError,
)
from ..exposure.workers import Object, own_sets
from . import chart as charts
from . import namespaces, orphans, preflight, volume_claims
from .head_start import rendered_by_install
from .operation import Outcome, Request, Tools, within
from .rollout import Watcher
from .storage import labelled
from .undo import LATE, Undo, undoing
from .validation import check_chart_of, check_name
from .workload import Workload

TRIES = 5
"""How often an install starts again after it has removed leftovers of its name."""


class Install:
    """One install of a job, up to the release that Helm makes."""

    def __init__(self, tools: Tools, request: Request, chart: Path, workload: Workload) -> None:
        """Store the arguments; nothing is contacted yet."""
        assert request.mark
        self.helm, self.kubectl, self.say, self.tools = tools.helm, tools.kubectl, tools.say, tools
        self.request, self.mark, self.chart, self.workload = request, request.mark, chart, workload
        self.name, self.deadline = request.name, request.ends()
        self.undo = Undo()
        self.watcher = Watcher(self.kubectl, self.name)
        self.rendered: list[Object] | None = None
        self._revision, self._made, self._replace = 1, False, list[str]()

    async def run(self) -> Applied:
        """Remove leftovers of the name and run Helm's install.

        Raises:
            JobExistsError: There is a release of this name.
            JobError: The install was refused; `undo` has the steps to undo it.
        """
        for _ in range(TRIES):
            if await self._clear_name():
                continue
            await self._prepare()
            try:
                return await self._apply()
            except JobExistsError:
                await self._existing(await self.helm.history(self.name))
        raise BusyError(f"Others make and remove releases named {self.name} all the time.", "Wait for them.")

    async def _clear_name(self) -> bool:
        """Render the chart and remove leftovers of this name; tell whether to look again, since a release went."""
        plain = not self.request.values and rendered_by_install(self.request.arguments, str(self.request.chart))
        known = self.rendered is not None or plain
        presence = asyncio.ensure_future(self._present())
        template = None if known else asyncio.ensure_future(self._template())
        try:
            await asyncio.sleep(0)
            pyhelm.load()  # It takes a moment, while both programs run.
            if template:
                self.rendered = [*await template]  # Wrong values are reported first, even without a cluster.
            present = await presence
        finally:
            begun = [task for task in (presence, template) if task]
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
        self.workload.check_install(self.rendered or [])
        if not present:
            return False
        if history := await self.helm.history(self.name):
            return await self._existing(history)
        sent = await self.workload.sent(self.tools, self.name)
        await self.workload.remove_sent(self.tools, self.name, sent, released=False)
        rendered = self.rendered if self.rendered is not None else await self._template()
        try:
            await orphans.clear(self.tools, self.name, rendered)
        except BusyError:
            if not (history := await self.helm.history(self.name)):
                raise
            return await self._existing(history)  # Another run has just made it.
        return False

    async def _template(self) -> Sequence[Object]:
        values = json.dumps(self.request.values) if self.request.values is not None else None
        return await self.helm.template(self.name, self.chart, self.request.arguments, upgrade=False, values=values)

    async def _present(self) -> bool:
        """Tell whether the cluster has objects of a job of this name."""
        result = await self.kubectl.run(*presence_words(self.name))
        if result.code and not result.out.strip():
            error = translate(result.err, "kubectl", Step.READ)
            if not isinstance(error, NoRightsError):  # Helm's install will name the missing right.
                raise error
        return bool(result.out.strip())

    async def _existing(self, history: list[Revision]) -> bool:
        """Handle a release of this name: remove what an interrupted run left, or raise; tell whether to look again.

        Raises:
            JobExistsError: A job of this name is installed.
            BusyError: Another run works on it.
        """
        check_chart_of(self.name, history)
        history = await self.tools.wait_for_others(self.name, history)
        if not history:
            return True
        newest = history[-1]
        if newest.status == "uninstalled":  # Kept by `uninstall --keep-history`.
            self._replace, self._revision = ["--replace"], newest.number + 1
            return False
        if newest.status in ("pending-install", "uninstalling"):
            if await self.tools.take_over(self.name, self.mark):
                # Before a pending install there may be revisions that `uninstall --keep-history` has kept.
                keep = newest.status == "pending-install" and len(history) > 1
                with contextlib.suppress(JobNotFoundError):
                    await self.helm.uninstall(self.name, keep_history=keep)
                self.say(f"Release {self.name} was {newest.status}, left by an interrupted run; removed it.")
            return True
        raise JobExistsError(
            f"The job {self.name} exists already: revision {newest.number}, {newest.status}, made at {newest.updated}.",
            f"Use `twister2-job upgrade {self.name}`, or uninstall it first.",
        )

    async def _prepare(self) -> None:
        """Check the cluster, and make the namespace and the files that Helm's install needs."""
        if self._made:
            return
        made = False
        if self.request.create_namespace:
            self.undo.add(self._remove_namespace)
            made = await namespaces.make(self.kubectl, self.mark)
        if not made and self.rendered:  # A namespace that was just made holds nothing that could conflict.
            try:
                await preflight.check(self.kubectl, [], self.rendered, self.name)
                await volume_claims.require_fitting(self.kubectl, self.rendered, self.name)
            except JobError:
                if history := await self.helm.history(self.name):
                    await self._existing(history)
                raise
        if self.workload.sends:
            self.undo.add(self._remove_files)
            await self.workload.send()
        self.undo.add(self._remove_release)
        self._made = True

    async def _apply(self) -> Applied:
        force = await self.helm.force_at_install() if self.request.force_conflicts else []
        return await self.helm.change(
            "install",
            self.name,
            self.chart,
            [*self._replace, *force, *self.request.arguments],
            values=self.request.values or {},
            labels=self.mark.labels(self._revision),
            timeout=max(1.0, self.deadline - time.monotonic()),
        )

    async def _remove_namespace(self, _: float) -> str:
        return await namespaces.remove(self.kubectl, self.helm, self.mark, self.name)

    async def _remove_files(self, _: float) -> str:
        """Remove the sent files, unless a release may need them: another run's, or one that could not be removed."""
        return "" if await self.tools.newest(self.name) else await self.workload.take_back()

    async def _remove_release(self, seconds: float) -> str:
        """Remove the release only if this run made it: another run may have made one before or after."""
        stored = await self.tools.newest(self.name)
        if stored and not labelled():
            raise RefusedError(f"Whose the release {self.name} is, is not known with this HELM_DRIVER, so it stays.")
        if not stored or not self.mark.made(stored.labels, stored.number):
            return ""
        with contextlib.suppress(JobNotFoundError):
            await self.helm.uninstall(self.name, timeout=seconds, keep_history=bool(self._replace))
        has_claims = volume_claims.wanted(self.rendered or [], self.name)
        if has_claims and (kept := await volume_claims.kept(self.kubectl, self.name)):
            self.say(kept)
        return f"the release {self.name}"

    def require_own(self, revision: int) -> None:
        """Raise BusyError if another install made a revision before this one's, which has overwritten it."""
        if revision > self._revision:
            raise BusyError(
                f"Another install of {self.name} made revision {revision - 1} meanwhile, and this one's revision "
                f"{revision} has overwritten it.",
                f"`helm rollback {self.name} {revision - 1}` brings it back.",
            )

    async def take_back(self, limit: float) -> tuple[str, str]:
        """Undo the install; return a sentence about what was removed, and one with a remedy about what was not."""
        done, failed = await self.undo.run(limit)
        rest = [f"Undoing it failed: {text}" for text in failed]
        if failed:
            rest.append(f"`twister2-job uninstall {self.name}` removes what is left.")
        return f"Undone: removed {', '.join(done)}." if done else "", " ".join(rest)

    async def undo_after(self, error: BaseException) -> BaseException:
        """Undo the install after an error, and return the error with what was and was not undone."""
        late = isinstance(error, OutOfTimeError) or not isinstance(error, JobError)
        done, rest = await self.take_back(undoing(self.deadline, late))
        if isinstance(error, PortTakenError):
            error = await preflight.with_holders(self.kubectl, error)
        if isinstance(error, JobError):
            note = done or ("" if rest else "Nothing was made.") if late else ""
            return type(error)(error.message, " ".join(filter(None, [error.hint, note, rest])))
        self.say(" ".join(filter(None, [done or ("" if rest else "Nothing was made."), rest])))
        return error


async def install(tools: Tools, request: Request, workload: Workload) -> Outcome:
    """Install a job and wait for its workers; see `Lifecycle.install`."""
    check_name(request.name)
    request = replace(request, deadline=request.ends())
    chart = charts.find(request.chart)
    async with tools.with_inputs(request) as wanted:
        work = Install(tools, wanted, chart, workload)
        try:
            what = f"The install of {request.name} was not done within {request.timeout:.0f} s."
            try:
                applied = await within(work.deadline, work.run(), what)
            except (Exception, asyncio.CancelledError) as error:
                raise await work.undo_after(error) from None
            work.require_own(applied.revision)
            return await _ready(tools, wanted, work, applied)
        finally:
            await work.watcher.close()


async def _ready(tools: Tools, request: Request, work: Install, applied: Applied) -> Outcome:
    """Wait for the workers of the new release; on failure it stays, unless the request asks for a rollback."""
    name, mark, deadline = request.name, work.mark, work.deadline
    stays = f"The release stays: `twister2-job status {name}` shows it, `twister2-job uninstall {name}` removes it."
    try:
        if work.workload.ready is None:
            work.watcher.start()  # Not before: kubectl's start would slow Helm down, and pods take longer than that.
            work.watcher.read_rest()
        await work.workload.attach(max(deadline, time.monotonic() + LATE))
        objects = work.rendered or list[Object](await asyncio.to_thread(documents, applied.manifest))
        sets = [s["metadata"]["name"] for s in own_sets(objects, name)]
        if work.workload.ready:
            await work.workload.ready(sets, deadline)
            return Outcome(applied.revision)

        async def require_present() -> None:
            await tools.require_present(name, mark, applied.revision)

        await work.watcher.ready(sets, deadline=deadline, say=tools.say, require_present=require_present)
        return Outcome(applied.revision, await work.watcher.cluster(sets))
    except JobNotFoundError:
        raise  # Another run has removed the release.
    except JobError as error:
        if request.rollback_on_failure and isinstance(error, (OutOfTimeError, JobLostError)):
            raise type(error)(error.message, " ".join(filter(None, await work.take_back(LATE)))) from None
        raise type(error)(error.message, "\n".join(filter(None, [error.hint, stays]))) from None
    except asyncio.CancelledError:
        tools.say(stays)
        raise
