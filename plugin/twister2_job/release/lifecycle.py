"""Install, upgrade and uninstall a job: the common interface of the modules that do it."""

from __future__ import annotations

from ..clients.connection import Connection
from ..clients.helm import Helm
from ..clients.kubectl import Kubectl
from .operation import Outcome, Request, Say, Tools
from .workload import Workload


class Lifecycle:
    """Changes jobs of one connection."""

    def __init__(self, connection: Connection, say: Say, workload: Workload) -> None:
        """Find both programs before anything is changed.

        Args:
            connection: Cluster and namespace.
            say: Is called with a sentence for each step of a call that takes long.
            workload: What the job adds to Helm's work; the files that it sends are removed if an install is undone.
        """
        self._tools, self._workload = Tools(Helm(connection), Kubectl(connection), say), workload

    async def install(self, request: Request) -> Outcome:
        """Install a job and wait for its workers.

        An error, a timeout or Ctrl-C before the release is made undoes what this run made, and nothing else.

        Args:
            request: What to install.

        Raises:
            JobExistsError: There is a release of this name.
            BusyError: Another run works on it.
            OutOfTimeError: The workers were not ready in time; the release stays unless a rollback was asked for.
            JobError: The install was refused; it leaves nothing behind.
        """
        from .install import install

        return await install(self._tools, request, self._workload)

    async def upgrade(self, request: Request) -> Outcome:
        """Upgrade a job and wait for its workers.

        Args:
            request: What to upgrade to.

        Raises:
            JobNotFoundError: There is no such job.
            BusyError: Another run works on it, or this upgrade has overwritten another run's revision.
            OutOfTimeError: The workers were not ready in time.
            JobError: The upgrade was refused; the message says what is live.
        """
        from .upgrade import upgrade

        return await upgrade(self._tools, request, self._workload)

    async def uninstall(self, name: str, *, wait: bool, timeout: float) -> None:
        """Remove a job.

        Args:
            name: Name of the job.
            wait: Wait until its pods and Services are gone.
            timeout: Seconds for the removal and the wait together.

        Raises:
            JobNotFoundError: There is no such job, nor any object of one.
            BusyError: Another run works on it.
            OutOfTimeError: It took longer.
        """
        from .uninstall import uninstall

        await uninstall(self._tools, name, self._workload, wait=wait, timeout=timeout)
