"""Upgrades a job: checks, runs Helm's upgrade, detects other runs, and cleans up after a failed upgrade."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..clients.helm import Applied, Revision
from ..clients.manifests import documents
from ..errors import (
    BusyError,
    JobError,
    JobLostError,
    JobNotFoundError,
    OutOfTimeError,
    PortTakenError,
    UsageError,
    ValuesError,
)
from ..exposure.workers import Object, own_sets, resizes
from . import chart as charts
from . import dropped_values, dry_run, orphans, preflight
from .live import current
from .lost_ways import lost_ways
from .operation import PENDING, Outcome, Request, Tools, within
from .plan import RESET, Prepared, prepare, resets_values
from .rollout import Watcher
from .storage import revisions
from .undo import LATE, Undo, undoing
from .validation import check_chart_of, check_name, reuse_hint
from .workload import Workload


class Upgrade:
    """One upgrade of a job, up to the revision that Helm makes."""

    def __init__(self, tools: Tools, request: Request, chart: Path, workload: Workload) -> None:
        """Store the arguments; nothing is contacted yet."""
        assert request.mark
        self.helm, self.kubectl, self.say, self.tools = tools.helm, tools.kubectl, tools.say, tools
        self.request, self.mark, self.chart, self.workload = request, request.mark, chart, workload
        self.name, self.deadline = request.name, request.ends()
        self.prepared: Prepared | None = None
        self.live = 0
        self.built_on = 0
        self._begun = self._repaired = self._reinstall = False

    async def run(self) -> Applied:
        """Check everything and have Helm upgrade.

        Raises:
            JobNotFoundError: There is no such job.
            JobError: The upgrade was refused.
        """
        prepared = self.prepared = await prepare(self.tools, self.request, self.chart)
        history, rendered = prepared.history, prepared.rendered
        check_chart_of(self.name, history)
        newest = history[-1] if history else None
        # A pending install after `uninstall --keep-history`: the kept revisions are not live.
        kept = newest is not None and newest.status == "pending-install" and len(history) > 1
        if newest is None or kept or newest.status in ("uninstalled", "uninstalling"):
            raise JobNotFoundError(
                f"There is no job {self.name} in this namespace.", f"`twister2-job install {self.name}` makes it."
            )
        self.live = next((r.number for r in reversed(history) if r.status in ("deployed", "superseded")), 0)
        values, objects, self.built_on = prepared.given, prepared.live, newest.number
        if newest.status in PENDING:
            objects = await self._repair(newest)
            if self._reinstall:
                values = prepared.values or {}  # Helm has removed them with the release.
        try:
            if self.live:  # Otherwise nothing runs: the install was interrupted or has failed.
                self.workload.check_upgrade(self.name, prepared.live, rendered)
            await preflight.check(self.kubectl, objects, rendered, self.name, prepared.manifest)
        except (UsageError, ValuesError) as error:
            why = dropped_values.HINT if resets_values(self.request) else ""
            raise type(error)(error.message, " ".join(filter(None, [error.hint, why]))) from None
        if self.live:
            await dry_run.check(self.kubectl, self.helm, prepared.by_server, prepared.manifest, rendered)
        lost = lost_ways(prepared.manifest, rendered) if self.live else []
        for sentence in [*preflight.lost_ports(objects, rendered), *lost]:
            self.say(sentence)
        force = []
        if self.request.force_conflicts or resizes(objects, rendered):  # The job's driver may have set the number.
            force = await (self.helm.force_at_install() if self._reinstall else self.helm.force(self.name))
        # Helm's install, after a leftover was removed, has no options about the values of an earlier release.
        arguments = [a for a in prepared.arguments if not self._reinstall or a.partition("=")[0] not in RESET]
        self._begun = True
        return await self.helm.change(
            "install" if self._reinstall else "upgrade",
            self.name,
            self.chart,
            [*force, *arguments],
            values=values,
            labels=self.mark.labels(self.built_on + 1),
            timeout=max(1.0, self.deadline - time.monotonic()),
        )

    async def _repair(self, newest: Revision) -> Sequence[Object]:
        """Undo what an interrupted run has left, and return the job's live objects after that.

        Raises:
            BusyError: Another run repairs it already.
        """
        if not await self.tools.take_over(self.name, self.mark):
            raise BusyError(f"Another run repairs the release {self.name}.", "Try again when it is done.")
        self._repaired = True
        if self.live:
            await self.helm.rollback(self.name, self.live)
            self.built_on += 1
        else:
            await self.helm.uninstall(self.name)
            self.built_on, self._reinstall = 0, True
        self.say(
            f"Release {self.name} was {newest.status}, left by an interrupted run; "
            + (f"went back to revision {self.live}." if self.live else "removed the remnant.")
        )
        return (await self.kubectl.cluster(self.name, nodes=False)).objects if self.live else []

    async def dropped(self, revision: int) -> str:
        """Return a sentence about the values that the new revision reset to the chart's defaults; empty if none."""
        history = self.prepared.history if self.prepared and not self._reinstall else []
        if not history or not resets_values(self.request):
            return ""
        return await dropped_values.described(self.helm, self.name, current(history).number, revision)

    async def require_next(self, revision: int) -> None:
        """Check that this run's revision came right after the one that it was built on.

        Raises:
            JobNotFoundError: Another run uninstalled the job meanwhile; what Helm then made anew was removed.
            BusyError: Another run made a revision in between.
        """
        found = await revisions(self.helm, self.kubectl, self.name)
        alone = len(found) == 1 and self.mark.made(found[0].labels, revision)
        if alone and self.live and self.live != revision:
            with contextlib.suppress(JobNotFoundError):  # The other run may have seen it too.
                await self.helm.uninstall(self.name, timeout=LATE)
            raise JobNotFoundError(
                f"The job {self.name} was uninstalled by another run while it was upgraded; what this upgrade had made "
                "of it was removed again.",
                f"`twister2-job install {self.name}` makes it anew.",
            )
        if revision <= self.built_on + 1:
            return
        lost = revision - 1
        raise BusyError(
            f"Another upgrade of {self.name} made revision {lost} meanwhile, and this one's revision {revision}, built "
            f"on revision {self.built_on}, has overwritten it.",
            f"`helm rollback {self.name} {lost}` brings revision {lost} back; "
            f"`helm get values {self.name} --revision {lost}` shows its values.",
        )

    async def sweep(self, manifest: Sequence[Object], revision: int, kept: int, limit: float = LATE) -> str:
        """Remove objects that are not in the release; return sentences about what was removed and what was not.

        Args:
            manifest: The objects that stay.
            revision: The release's newest revision.
            kept: The revision whose objects these are, for the message; 0 if there is none.
            limit: Seconds for the removal.
        """
        try:
            removed, problems = await orphans.sweep(self.tools, self.name, manifest, revision, limit=limit)
        except JobError as error:
            return f"What the release does not have could not be looked for: {error}"
        which = f"revision {kept} does not have" if kept else "the release had not removed"
        sentence = f"Removed what {which}: {orphans.names(removed)}." if removed else ""
        return " ".join(filter(None, [sentence, *problems]))

    async def undo_after(self, error: BaseException, *, applied: bool = False) -> BaseException:
        """Clean up after a refused or interrupted upgrade, and return the error with a sentence on what is live now.

        After a refusal the objects that it added are removed; after an interruption the job is rolled back.

        Args:
            error: What went wrong.
            applied: Whether the revision was made, and only its workers are late.
        """
        cut = not applied and (not isinstance(error, JobError) or isinstance(error, OutOfTimeError))
        late = not applied or isinstance(error, OutOfTimeError | JobLostError)
        back = cut or (late and self.request.rollback_on_failure)
        sentences: list[str] = []

        async def take_back(_: float) -> str:
            sentences.append(await self._take_back(back=back, keep=applied))
            return ""

        undo = Undo()
        if self._begun:
            undo.add(take_back)
        _, failed = await undo.run(undoing(self.deadline, cut or applied))
        sentences += [f"Finding out what is live, or going back, failed: {text}" for text in failed]
        if isinstance(error, PortTakenError):
            error = await preflight.with_holders(self.kubectl, error)
        if not self._begun and not self._repaired:
            runs = f": revision {self.live} runs on" if self.live and not cut else ""
            sentences = [f"Nothing was changed{runs}."] if self.live or cut else []
        text = " ".join(filter(None, sentences))
        if isinstance(error, JobError):
            error = reuse_hint(error, self.request)
            return type(error)(error.message, "\n".join(filter(None, [error.hint, text])))
        self.say(text)
        return error

    async def _take_back(self, *, back: bool, keep: bool) -> str:
        """Undo this run's revision; return sentences that say what is live now.

        Args:
            back: Roll back to the live revision before.
            keep: If it is not rolled back, keep all objects of the revision.
        """
        newest = await self.tools.newest(self.name)
        if newest is None:
            swept = await self.sweep([], 0, 0)
            return " ".join(filter(None, [f"The job {self.name} was uninstalled by another run meanwhile.", swept]))
        manifest = self.prepared.manifest if self.prepared else []
        state = f"The release is at revision {newest.number} ({newest.status})"
        status = f"; `twister2-job status {self.name}` shows what is live."
        if not self.mark.made(newest.labels, newest.number):
            return state + status
        if self._reinstall and not keep:
            with contextlib.suppress(JobNotFoundError):
                await self.helm.uninstall(self.name)
            return "The release was removed again."
        if self.live and (back or newest.status in PENDING):
            await self.helm.rollback(self.name, self.live)
            swept = await self.sweep(manifest, newest.number + 1, self.live)
            return " ".join(filter(None, [f"Went back to revision {self.live}.", swept]))
        if newest.status == "failed" and self.live:
            state += f"; what the refused revision did not change runs as revision {self.live} left it"
        swept = await self.sweep(manifest, newest.number, self.live) if self.live and not keep else ""
        return "\n".join(filter(None, [swept, state + status]))


async def upgrade(tools: Tools, request: Request, workload: Workload) -> Outcome:
    """Upgrade a job and wait for its workers; see `Lifecycle.upgrade`."""
    check_name(request.name)
    request = replace(request, deadline=request.ends())
    chart = charts.find(request.chart)
    async with tools.with_inputs(request) as wanted:
        work = Upgrade(tools, wanted, chart, workload)
        try:
            what = f"The upgrade of {request.name} was not done within {request.timeout:.0f} s."
            applied = await within(work.deadline, work.run(), what)
        except (Exception, asyncio.CancelledError) as error:
            raise await work.undo_after(error) from None
        return await _ready(tools, wanted, work, applied)


async def _ready(tools: Tools, request: Request, work: Upgrade, applied: Applied) -> Outcome:
    """Wait for the workers of the new revision; on failure it stays, unless the request asks for a rollback."""
    revision, name, deadline = applied.revision, request.name, work.deadline
    watcher, check = Watcher(tools.kubectl, name), f"What else happened to {name} could not be looked for."

    async def require_present() -> None:
        await tools.require_present(name, work.mark, revision)

    try:
        await within(max(deadline, time.monotonic() + LATE), work.require_next(revision), check)
        objects = await asyncio.to_thread(documents, applied.manifest)
        swept = work.sweep(objects, revision, revision, orphans.SWEEP)
        for sentence in filter(None, await asyncio.gather(swept, work.dropped(revision))):
            tools.say(sentence)
        sets = [s["metadata"]["name"] for s in own_sets(objects, name)]
        if workload_ready := work.workload.ready:
            await workload_ready(sets, deadline)
            return Outcome(revision)
        watcher.start()
        watcher.read_rest()
        await watcher.ready(sets, deadline=deadline, say=tools.say, require_present=require_present)
        return Outcome(revision, await watcher.cluster(sets))
    except (BusyError, JobNotFoundError):
        raise  # Another run interfered, and the error says what became of this one's revision.
    except JobError as error:
        raise await work.undo_after(error, applied=True) from None
    except asyncio.CancelledError:
        tools.say(f"Revision {revision} stays: `twister2-job status {name}` shows what is live.")
        raise
    finally:
        await watcher.close()
