"""The Python API: `AsyncJob` and `list_jobs_async`; `sync.py` has the same without `await`."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .errors import JobError
from .model import JobAddresses, JobStatus, Release
from .runs import Runs
from .settings import Connection

if TYPE_CHECKING:
    from .client import Endpoint
    from .operation import Outcome


def _silent(text: str) -> None:
    """Say nothing."""


class AsyncJob(Runs):
    """A Twister2 job on Kubernetes.

    Attributes:
        name: Name of the job: the Helm release.
        connection: Cluster and namespace.
        say: Is told in sentences what happens meanwhile.
    """

    def __init__(
        self,
        name: str,
        *,
        namespace: str = "",
        kube_context: str = "",
        kubeconfig: str = "",
        say: Callable[[str], None] = _silent,
    ) -> None:
        """Name a job; nothing is contacted yet.

        Args:
            name: DNS-1035, at most 49 characters.
            namespace: Kubernetes namespace; empty means HELM_NAMESPACE, else the kubeconfig's.
            kube_context: Context of the kubeconfig; empty means HELM_KUBECONTEXT, else its current one.
            kubeconfig: Path of a kubeconfig; empty means KUBECONFIG, else ~/.kube/config.
            say: Is told in sentences what happens meanwhile.
        """
        default = Connection()
        self.name = name
        self.connection = Connection(namespace or default.namespace, kube_context or default.context, kubeconfig)
        self.say = say

    async def install(self, **options: Any) -> JobAddresses:
        """Install the job, wait for its workers and return its addresses.

        Args:
            **options: `values` (paths of values files), `set` (KEY=VALUE as of Helm's --set), `arguments` (any of
                Helm's value options, verbatim), `chart` (path), `timeout` (seconds, 300), `create_namespace` (False),
                `rollback_on_failure` (False), `publish` (write the addresses into the job's ConfigMap, True).

        Raises:
            JobExistsError: There is a release of this name.
            OutOfTimeError: The workers were not ready in time.
            JobError: Refused; nothing is left behind.
        """
        from .lifecycle import Lifecycle
        from .operation import request

        publish = options.pop("publish", True)
        outcome = await Lifecycle(self.connection, self.say).install(request(self.name, options))
        return await self._changed(outcome, publish)

    async def upgrade(self, **options: Any) -> JobAddresses:
        """Upgrade the job, wait for its workers and return its addresses; arguments as for `install`.

        Raises:
            JobNotFoundError: There is no such job.
            OutOfTimeError: The workers were not ready in time.
            JobError: Refused; the message says what is live.
        """
        from .lifecycle import Lifecycle
        from .operation import request

        publish = options.pop("publish", True)
        outcome = await Lifecycle(self.connection, self.say).upgrade(request(self.name, options))
        return await self._changed(outcome, publish)

    async def _changed(self, outcome: Outcome, publish: bool) -> JobAddresses:
        """Return the addresses after a change of the release: from what was seen while it was waited for, if enough."""
        from .addresses import report as of

        found = of(self.name, outcome.cluster) if outcome.cluster else await self.addresses()
        report = replace(found, revision=outcome.revision)
        if publish:
            await self.try_publish(report)
        return report

    async def pin(self, *, file: str = "", **options: Any) -> JobAddresses:
        """Make the node ports that the job has now values of its release, so that they outlive scaling.

        The numbers are the job's as long as its Services exist; with `file` a later install gets them again, if nobody
        else took them meanwhile.

        Args:
            file: Path of a values file to write them to; empty means none.
            **options: `chart`, `timeout`, `rollback_on_failure` and `publish` as for `upgrade`.

        Raises:
            NotExposedError: The job has no node port.
            UsageError: The file is somebody else's, or the release is of another version of the chart.
        """
        from .pin import pin

        return await pin(self, file, options)

    async def unpin(self, **options: Any) -> JobAddresses:
        """Take every fixed node port out of the release's values; Kubernetes keeps the numbers of living Services.

        Args:
            **options: As for `pin`.
        """
        from .pin import unpin

        return await unpin(self, options)

    async def publish(self, report: JobAddresses | None = None) -> JobAddresses:
        """Write the addresses into the ConfigMap that the workers have mounted; they see it within about a minute.

        Args:
            report: The addresses; None means to read them.

        Raises:
            JobNotFoundError: There is no such job, or an older chart made it.
        """
        from .kube import Kubectl
        from .publish import publish

        report = report or await self.addresses()
        await publish(Kubectl(self.connection), report)
        return report

    async def try_publish(self, report: JobAddresses) -> None:
        """Publish after a change; a failure is told, and is none of the change's."""
        try:
            await self.publish(report)
        except JobError as error:
            self.say(f"The workers are not told their addresses: {error}")

    async def follow(self, *, address_type: str = "") -> AsyncIterator[JobAddresses]:
        """Yield the addresses as they are, then each time they have changed, until the caller stops.

        Args:
            address_type: As for `addresses`.

        Raises:
            JobNotFoundError: There is no such job, or none any more.
        """
        from .follow import follow
        from .kube import Kubectl

        read = functools.partial(self.addresses, address_type=address_type)
        async for report in follow(Kubectl(self.connection), self.name, read, self.say):
            yield report

    async def addresses(self, *, address_type: str = "") -> JobAddresses:
        """Return the addresses of the workers, read live.

        Args:
            address_type: Type of node address to prefer, such as InternalIP.

        Raises:
            JobNotFoundError: There is no such job.
        """
        from .addresses import report
        from .kube import Kubectl

        kubectl = Kubectl(self.connection)
        cluster = await kubectl.cluster(self.name)
        if not cluster.objects:
            raise await kubectl.missing(self.name)
        return report(self.name, cluster, address_type=address_type)

    def connect(self, worker: int | None = None, port: str = "worker") -> AbstractAsyncContextManager[Endpoint]:
        """Return a context manager that yields (host, port) of a worker: an exposure that answers, else a forward.

        Args:
            worker: Worker ID; None means any ready worker.
            port: Name of the worker's port.

        Raises:
            JobError: There is no such job, worker or port, or the worker is not ready.
        """
        from .client import connect

        return connect(self, worker, port, self.say)

    async def status(self) -> JobStatus:
        """Return release, workers and exposures as they are.

        Raises:
            JobNotFoundError: There is no such job.
        """
        from .status import status

        return await status(self)

    async def uninstall(self, *, wait: bool = False, timeout: float = 300) -> None:
        """Remove the job.

        Args:
            wait: Wait until its pods and Services are gone.
            timeout: Seconds for all of it.

        Raises:
            JobNotFoundError: There is no such job.
        """
        from .lifecycle import Lifecycle

        await Lifecycle(self.connection, self.say).uninstall(self.name, wait=wait, timeout=timeout)


async def list_jobs_async(
    *, namespace: str = "", all_namespaces: bool = False, kube_context: str = "", kubeconfig: str = ""
) -> list[Release]:
    """Return the releases of this chart in every state, also those made by Helm alone.

    Args:
        namespace: As for `AsyncJob`.
        all_namespaces: Those of all namespaces.
        kube_context: As for `AsyncJob`.
        kubeconfig: As for `AsyncJob`.
    """
    from .helm import Helm

    default = Connection()
    connection = Connection(namespace or default.namespace, kube_context or default.context, kubeconfig)
    releases = await Helm(connection).releases(all_namespaces=all_namespaces)
    return [r for r in releases if r.chart.removeprefix("twister2-job-")[:1].isdigit()]
