"""Install, upgrade and uninstall a job: one face for what does it."""

from __future__ import annotations

from ..clients.connection import Connection
from ..clients.helm import Helm
from ..clients.kubectl import Kubectl
from .operation import Outcome, Request, Say, Tools
from .workload import Workload


class Lifecycle:
    """Changes one job; `say` is told in sentences what happens meanwhile."""

    def __init__(self, connection: Connection, say: Say, workload: Workload) -> None:
        """Find both programs before anything is changed.

        Args:
            connection: Cluster and namespace.
            say: Is told in sentences what happens meanwhile.
            workload: What the job adds to Helm's work; what it sends goes again with an install that is undone.
        """
        self._tools, self._workload = Tools(Helm(connection), Kubectl(connection), say), workload

    async def install(self, request: Request) -> Outcome:
        """Install a job and wait for its workers.

        Whatever ends it before its release is made, an error, the time or Ctrl-C, takes back what this very run made,
        and nothing else.

        Args:
            request: What to install.

        Raises:
            JobExistsError: There is a release of this name.
            BusyError: Another run works on it.
            OutOfTimeError: The workers were not ready in time; the release stays unless asked otherwise.
            JobError: Refused; nothing is left behind.
        """
        from .install import install

        return await install(self._tools, request, self._workload)

    async def upgrade(self, request: Request) -> Outcome:
        """Upgrade a job and wait for its workers.

        Args:
            request: What to upgrade to.

        Raises:
            JobNotFoundError: There is no such job.
            BusyError: Another run works on it, or its revision was overwritten by this one.
            OutOfTimeError: The workers were not ready in time.
            JobError: Refused; the message says what is live.
        """
        from .upgrade import upgrade

        return await upgrade(self._tools, request, self._workload)

    async def uninstall(self, name: str, *, wait: bool, timeout: float) -> None:
        """Remove a job.

        Args:
            name: Name of the job.
            wait: Wait until its pods and Services are gone.
            timeout: Seconds for all of it.

        Raises:
            JobNotFoundError: There is no such job, nor anything of it.
            BusyError: Another run works on it.
            OutOfTimeError: It took longer.
        """
        from .uninstall import uninstall

        await uninstall(self._tools, name, self._workload, wait=wait, timeout=timeout)
