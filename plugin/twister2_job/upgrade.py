"""Upgrades a job: what would go wrong, Helm's upgrade, who was there meanwhile, and what a refused one has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from . import chart as charts
from . import preflight, strays, trial
from .errors import BusyError, JobError, JobExistsError, JobLostError, JobNotFoundError, OutOfTimeError, PortTakenError
from .guards import check_chart_of, check_name, check_running, reuse_hint
from .helm import Applied, Revision, documents
from .install import Ready
from .operation import PENDING, Outcome, Request, Tools, within
from .prepare import RESET, Prepared, prepare
from .stored import revisions
from .undo import LATE, LIMIT, Undo
from .wait import Watcher
from .workers import Object, of_kind, resizes


class Upgrade:
    """One upgrade of one job, until Helm has made its revision."""

    def __init__(self, tools: Tools, request: Request, chart: Path) -> None:
        """Keep what it is made of; nothing is contacted yet."""
        assert request.mark
        self.helm, self.kubectl, self.say, self.tools = tools.helm, tools.kubectl, tools.say, tools
        self.request, self.mark, self.chart = request, request.mark, chart
        self.name = request.name
        self.prepared: Prepared | None = None
        self.live = 0
        self.built_on = 0
        self._begun = False

    async def run(self, deadline: float) -> Applied:
        """Check everything and have Helm upgrade.

        Raises:
            JobNotFoundError: There is no such job.
            JobError: Refused.
        """
        prepared = self.prepared = await prepare(self.tools, self.request, self.chart)
        history, rendered = prepared.history, prepared.rendered
        check_chart_of(self.name, history)
        if not history or history[-1].status in ("uninstalled", "uninstalling"):
            raise JobNotFoundError(
                f"There is no job {self.name} in this namespace.", f"`twister2-job install {self.name}` makes it."
            )
        self.live = next((r.number for r in reversed(history) if r.status in ("deployed", "superseded")), 0)
        if self.live:  # Else there is a remnant of an install, which goes.
            check_running(self.name, prepared.live, rendered)
        values, objects, self.built_on = prepared.given, prepared.live, history[-1].number
        if history[-1].status in PENDING:
            objects = await self._repair(history[-1])
            if not self.live:
                values = prepared.values or {}  # Helm has forgotten them with the release.
        await preflight.check(self.kubectl, objects, rendered)
        if self.live:
            await trial.check(self.kubectl, self.helm, prepared.by_server, prepared.manifest, rendered)
        for sentence in preflight.given_up(objects, rendered):
            self.say(sentence)
        force = []
        if self.request.force_conflicts or resizes(objects, rendered):  # The number may be the driver's.
            force = await (self.helm.force(self.name) if self.live else self.helm.force_at_install())
        # Helm's install, of a remnant that went, knows no options for the values of the release before.
        arguments = [a for a in prepared.arguments if self.live or a.partition("=")[0] not in RESET]
        self._begun = True
        return await self.helm.change(
            "upgrade" if self.live else "install",
            self.name,
            self.chart,
            [*force, *arguments],
            values=values,
            labels=self.mark.labels(self.built_on + 1),
            timeout=max(1.0, deadline - time.monotonic()),
        )

    async def _repair(self, newest: Revision) -> Sequence[Object]:
        """Undo what an interrupted run has left, and return the live objects then."""
        if self.live:
            await self.helm.rollback(self.name, self.live)
            self.built_on += 1
        else:
            await self.helm.uninstall(self.name)
            self.built_on = 0
        self.say(
            f"Release {self.name} was {newest.status}, left by an interrupted run; "
            + (f"went back to revision {self.live}." if self.live else "removed the remnant.")
        )
        return (await self.kubectl.cluster(self.name, nodes=False)).objects if self.live else []

    async def require_next(self, revision: int) -> None:
        """Check that this run's revision came right after the one that it was built on.

        Raises:
            JobNotFoundError: Another run uninstalled the job meanwhile, and Helm has made it anew; it is gone again.
            BusyError: Another run made a revision in between.
        """
        kept = [r.number for r in await revisions(self.helm, self.kubectl, self.name)]
        if self.built_on and revision in kept and self.built_on not in kept:
            await self.helm.uninstall(self.name)
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

    async def swept(self, manifest: Sequence[Object], revision: int) -> str:
        """Remove what the release does not have, and return in a sentence what was removed and what could not be."""
        gone, stay = await strays.sweep(self.kubectl, self.helm, self.name, manifest, revision)
        removed = f"Removed what revision {self.live} does not have: {strays.names(gone)}." if gone else ""
        return " ".join(filter(None, [removed, *stay]))

    async def failed(self, error: BaseException, *, applied: bool = False) -> BaseException:
        """Take back what a refused or interrupted upgrade has made, and return the error with what is live now.

        What was refused loses what it added; one that was cut off goes back to the revision before.

        Args:
            error: What went wrong.
            applied: The revision was made, and only its workers are late.
        """
        cut = not applied and (not isinstance(error, JobError) or isinstance(error, OutOfTimeError))
        back = cut or self.request.rollback_on_failure
        told: list[str] = []

        async def take_back(_: float) -> str:
            told.append(await self._taken_back(back=back, keep=applied))
            return ""

        undo = Undo()
        if self._begun:
            undo.add(take_back)
        _, failed = await undo.run(LATE if cut or applied else LIMIT)
        told += [f"Finding out what is live, or going back, failed: {text}" for text in failed]
        if isinstance(error, JobExistsError):
            error = BusyError(f"Another run works on the release {self.name}.", "Try again when it is done.")
        if isinstance(error, PortTakenError):
            error = await preflight.with_holders(self.kubectl, error)
        text = " ".join(filter(None, told))
        if isinstance(error, JobError):
            error = reuse_hint(error, self.request)
            if not self._begun and self.live and self.prepared and not cut:
                text = f"Nothing was changed: revision {self.live} runs on."
            elif not self._begun and cut:
                text = "Nothing was changed."
            return type(error)(error.message, "\n".join(filter(None, [error.hint, text])))
        self.say(text or "Nothing was changed.")
        return error

    async def _taken_back(self, *, back: bool, keep: bool) -> str:
        """Take back what this run's revision has made; return in sentences what is live now.

        Args:
            back: Go back to the revision before, by a rollback.
            keep: Without going back, keep all that the revision has.
        """
        newest = await self.tools.newest(self.name)
        if newest is None:
            swept = await self.swept([], 0)
            return " ".join(filter(None, [f"The job {self.name} was uninstalled by another run meanwhile.", swept]))
        mine = self.mark.made(newest.labels, newest.number)
        manifest = self.prepared.manifest if self.prepared else []
        status = f"`twister2-job status {self.name}` shows what is live."
        if not mine:
            return f"The release is at revision {newest.number} ({newest.status}); {status}"
        if not self.live and not keep:
            await self.helm.uninstall(self.name)
            return "The release was removed again."
        if self.live and (back or newest.status in PENDING):
            await self.helm.rollback(self.name, self.live)
            return " ".join(
                filter(None, [f"Went back to revision {self.live}.", await self.swept(manifest, newest.number + 1)])
            )
        state = f"The release is at revision {newest.number} ({newest.status})"
        if newest.status == "failed":
            state += f"; what the refused revision did not change runs as revision {self.live} left it"
        swept = "" if keep else await self.swept(manifest, newest.number)
        return "\n".join(filter(None, [swept, f"{state}; {status}"]))


async def upgrade(tools: Tools, request: Request, ready: Ready | None = None) -> Outcome:
    """Upgrade a job and wait for its workers; see `Lifecycle.upgrade`."""
    check_name(request.name)
    deadline = time.monotonic() + request.timeout
    chart = charts.find(request.chart)
    async with tools.readable(request, deadline) as wanted:
        work = Upgrade(tools, wanted, chart)
        try:
            what = f"The upgrade of {request.name} was not done within {request.timeout:.0f} s."
            applied = await within(deadline, work.run(deadline), what)
        except (JobError, asyncio.CancelledError) as error:
            raise await work.failed(error) from None
        await work.require_next(applied.revision)
        objects = await asyncio.to_thread(documents, applied.manifest)
        if swept := await work.swept(objects, applied.revision):
            tools.say(swept)
        return await _ready(tools, wanted, work, applied.revision, objects, deadline, ready)


async def _ready(
    tools: Tools,
    request: Request,
    work: Upgrade,
    revision: int,
    objects: Sequence[Object],
    deadline: float,
    ready: Ready | None,
) -> Outcome:
    """Wait for the workers of a revision that was made; it stays, unless asked otherwise."""
    sets = [s["metadata"]["name"] for s in of_kind(objects, "StatefulSet")]
    watcher = Watcher(tools.kubectl, request.name)

    async def still() -> None:
        await tools.still(request.name, work.mark, revision)

    try:
        if ready:
            await ready(sets, deadline)
            return Outcome(revision)
        watcher.start()
        watcher.read_rest()
        await watcher.ready(sets, deadline=deadline, say=tools.say, still=still)
        return Outcome(revision, await watcher.cluster(sets))
    except (OutOfTimeError, JobLostError) as error:
        raise await work.failed(error, applied=True) from None
    except asyncio.CancelledError:
        tools.say(f"Revision {revision} stays: `twister2-job status {request.name}` shows what is live.")
        raise
    finally:
        await watcher.close()
