"""Adds to the install, upgrade and uninstall of a release what a Twister2 job needs: its jar, and checks of upgrades.

It is used for every job of the chart: an upgrade can make an echo job a Twister2 job, and any install of a name has to
remove what an interrupted submit has left.
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
    """The workload of an existing job, or of one that is installed from values alone: no files are sent."""

    sends = False

    def __init__(self, ready: Ready | None = None) -> None:
        """Store `ready`, which waits for the job instead of the rollout."""
        self.ready = ready

    def check_install(self, rendered: Sequence[Object]) -> None:
        """Accept all objects."""

    def check_upgrade(self, name: str, live: Sequence[Object], rendered: Sequence[Object]) -> None:
        """Raise UsageError for an upgrade that running pods would ignore, or that would break them."""
        check_running(name, live, rendered)

    async def send(self) -> None:
        """Send nothing."""

    async def attach(self, deadline: float) -> None:
        """Attach nothing."""

    async def take_back(self) -> str:
        """Remove nothing."""
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
    """The workload of a submitted job: its jar or package, and the check that the values fit it."""

    def __init__(
        self,
        job: str,
        say: Say,
        pieces: jar.Pieces | None,
        package: job_package.JobPackage | None,
        ready: Ready | None = None,
    ) -> None:
        """Store what to send, and what the values must fit.

        Args:
            job: Name of the job.
            say: Is called with a sentence about a failure that does the job no harm.
            pieces: The pieces to send; None means that the pods get the jar elsewhere.
            package: The job package, if the job has one.
            ready: As for `Twister2Workload`.
        """
        super().__init__(ready)
        self._job, self._say, self._pieces, self._package = job, say, pieces, package
        self.sends = pieces is not None

    def check_install(self, rendered: Sequence[Object]) -> None:
        """Raise ValuesError unless the values make a Twister2 job and agree with the package."""
        plan = job_package.plan(self._job, rendered)
        if self._package:
            job_package.check(self._package, plan)

    async def send(self) -> None:
        """Send the pieces."""
        if self._pieces:
            await self._pieces.make()

    async def attach(self, deadline: float) -> None:
        """Make the job's Service the owner of the pieces."""
        if self._pieces:
            work = jar.try_own(self._pieces, self._say)
            await within(deadline, work, f"The jar of {self._job} could not be given to it.")

    async def take_back(self) -> str:
        """Remove the pieces."""
        return await self._pieces.remove() if self._pieces else ""


def check_running(name: str, live: Sequence[Object], rendered: Sequence[Object]) -> None:
    """Raise UsageError for an upgrade to a Twister2 job that running pods would ignore, or that would break them.

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
            # In a package, the number of pods is fixed.
            if pods and wanted and job_package.plan(name, rendered)["source"] == "jar":
                remedy = f"Set it to {pods} (`twister2-job upgrade {name}`), or end it: `twister2-job kill {name}`."
            raise UsageError(
                f"{path}: group {group} of the running job has {pods} pods, and would get {wanted}; only the job's "
                "driver may change that before the job is run again.",
                remedy,
            )
