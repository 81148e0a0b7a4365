"""What a Twister2 job adds to the install, upgrade and uninstall of its release: its jar, and what its pods can follow.

Every job of the chart gets it: an echo job may become a Twister2 job, and what an interrupted submit has left lies in
the way of any install of that name.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..exposure.mode import TWISTER2, mode
from ..exposure.workers import Object, group_path, number, sizes
from ..release.operation import Say, Tools, within
from ..release.storage import Row
from ..release.workload import Ready
from . import jar, job_package


class Twister2Workload:
    """The workload of a job that is there, or that is installed from values alone: nothing is sent."""

    sends = False

    def __init__(self, ready: Ready | None = None) -> None:
        """Keep what waits for the job, if it is not the rollout."""
        self.ready = ready

    def check_install(self, rendered: Sequence[Object]) -> None:
        """Accept what the chart makes."""

    def check_upgrade(self, name: str, live: Sequence[Object], rendered: Sequence[Object]) -> None:
        """Raise UsageError for an upgrade that pods which run would not follow, or be broken by."""
        check_running(name, live, rendered)

    async def send(self) -> None:
        """Send nothing."""

    async def attach(self, deadline: float) -> None:
        """Give nothing."""

    async def take_back(self) -> str:
        """Take nothing back."""
        return ""

    async def sent(self, tools: Tools, name: str) -> Sequence[Row]:
        """Return the pieces of the jar that a job of this name has in the cluster."""
        return await jar.present(tools.kubectl, name)

    async def remove_sent(self, tools: Tools, name: str, found: Sequence[Row], *, released: bool) -> None:
        """Remove pieces of a jar: those of a release, or those that a killed submit has left."""
        if released:
            await jar.remove(tools.kubectl, [piece.name.rpartition("/")[2] for piece in found])
        else:
            await jar.remove_leftovers(tools.kubectl, name, found, tools.say)


class Upload(Twister2Workload):
    """The workload of a job that is submitted: its jar or package, and the values that this must fit to."""

    def __init__(
        self,
        job: str,
        say: Say,
        pieces: jar.Pieces | None,
        package: job_package.JobPackage | None,
        ready: Ready | None = None,
    ) -> None:
        """Keep what to send, if anything, and what the values must fit to.

        Args:
            job: Name of the job.
            say: Is told what does the job no harm.
            pieces: What to send; None means that the pods get it elsewhere.
            package: The job package, if the job is made of one.
            ready: As for `Twister2Workload`.
        """
        super().__init__(ready)
        self._job, self._say, self._pieces, self._package = job, say, pieces, package
        self.sends = pieces is not None

    def check_install(self, rendered: Sequence[Object]) -> None:
        """Raise ValuesError unless the values make a Twister2 job, and the one of the package."""
        plan = job_package.plan(self._job, rendered)
        if self._package:
            job_package.check(self._package, plan)

    async def send(self) -> None:
        """Send the pieces."""
        if self._pieces:
            await self._pieces.make()

    async def attach(self, deadline: float) -> None:
        """Give the pieces to the job's Service."""
        if self._pieces:
            work = jar.try_own(self._pieces, self._say)
            await within(deadline, work, f"The jar of {self._job} could not be given to it.")

    async def take_back(self) -> str:
        """Remove the pieces."""
        return await self._pieces.remove() if self._pieces else ""


def check_running(name: str, live: Sequence[Object], rendered: Sequence[Object]) -> None:
    """Raise UsageError for an upgrade to a Twister2 job that pods which run would not follow, or be broken by.

    Args:
        name: Name of the job.
        live: Its objects in the cluster.
        rendered: Those of the upgrade.
    """
    before, after = sizes(live), sizes(rendered)
    if mode(name, rendered) != TWISTER2 or not any(before.values()) or not any(after.values()):
        return
    if (runs := mode(name, live)) not in ("", TWISTER2):
        raise UsageError(
            f"The job {name} runs {'the echo worker' if runs == 'echo' else 'a command'}, and Kubernetes replaces no "
            "pod of a Twister2 job: its workers would stay what they are.",
            "Submit it under another name, or uninstall this one first.",
        )
    for group in sorted(before.keys() | after.keys()):
        pods, wanted = before.get(group, 0), after.get(group, 0)
        if pods != wanted:
            path = group_path(number(group.rpartition("-")[2]), "instances")
            remedy = f"End it first: `twister2-job kill {name}`."
            # A package says by itself how many pods the job begins with.
            if pods and wanted and job_package.plan(name, rendered)["source"] == "jar":
                remedy = f"Set it to {pods} (`twister2-job upgrade {name}`), or end it: `twister2-job kill {name}`."
            raise UsageError(
                f"{path}: group {group} of the running job has {pods} pods, and would get {wanted}; only the job's "
                "driver may change that before the job is run again.",
                remedy,
            )
