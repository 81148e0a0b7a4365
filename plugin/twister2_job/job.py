"""The Python API: `AsyncJob` and `list_jobs_async`; `sync.py` has the same without `await`."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from .release import parameters
from .twister2.api import Twister2Job

if TYPE_CHECKING:
    import ssl

    from .clients.release import Release
    from .exposure.model import JobAddresses
    from .reach.connect import Endpoint
    from .release.lifecycle import Lifecycle
    from .release.operation import Outcome, Request
    from .release.parameters import StrPath
    from .twister2.status import JobStatus


class AsyncJob(Twister2Job):
    """A Twister2 job on Kubernetes.

    Attributes:
        name: Name of the job: the Helm release.
        connection: Cluster and namespace.
        say: Is called with a sentence for each step of a call that takes long.
    """

    def __init__(
        self,
        name: str,
        *,
        namespace: str = "",
        kube_context: str = "",
        kubeconfig: StrPath = "",
        say: Callable[[str], None] = parameters.silent,
    ) -> None:
        """Name a job; nothing is contacted yet.

        Args:
            name: DNS-1035, at most 49 characters.
            namespace: Kubernetes namespace; empty means HELM_NAMESPACE, else the kubeconfig's.
            kube_context: Context of the kubeconfig; empty means HELM_KUBECONTEXT, else its current one.
            kubeconfig: Path of a kubeconfig; empty means KUBECONFIG, else ~/.kube/config.
            say: Is called with a sentence for each step of a call that takes long.
        """
        parameters.function("say", say)
        self.name = parameters.text("name", name)
        self.connection = parameters.connection(namespace, kube_context, kubeconfig)
        self.say = say

    async def install(
        self,
        *,
        values: StrPath | Sequence[StrPath] = (),
        set: str | Sequence[str] = (),
        arguments: str | Sequence[str] = (),
        chart: StrPath = "",
        timeout: float = 300,
        create_namespace: bool = False,
        rollback_on_failure: bool = False,
        force_conflicts: bool = False,
        publish: bool = True,
    ) -> JobAddresses:
        """Install the job, wait for its workers and return its addresses.

        Args:
            values: Path of a values file, or several paths; later files override earlier ones.
            set: KEY=VALUE as for Helm's --set, or several; they override `values`.
            arguments: Helm's own value options, word by word: ["--set-string", "echo.image.tag=3"]; they override both.
            chart: Folder or .tgz of another chart; empty means the packaged one.
            timeout: Seconds within which the workers must be ready.
            create_namespace: Make the namespace if it is missing.
            rollback_on_failure: Undo the install also if the workers are not ready in time.
            force_conflicts: Take over the fields that others have set (Helm 4).
            publish: Write the addresses into the job's ConfigMap.

        Raises:
            JobExistsError: There is a release of this name.
            OutOfTimeError: The workers were not ready in time.
            UsageError: An argument has the wrong type.
            JobError: The install was refused; it leaves nothing behind.
        """
        parameters.flag("publish", publish)
        wanted = parameters.request(
            self.name, values=values, set=set, arguments=arguments, chart=chart, timeout=timeout,
            create_namespace=create_namespace, rollback_on_failure=rollback_on_failure, force_conflicts=force_conflicts,
        )  # fmt: skip
        return await self._addresses_after(await self._lifecycle().install(wanted), publish)

    async def upgrade(
        self,
        *,
        values: StrPath | Sequence[StrPath] = (),
        set: str | Sequence[str] = (),
        arguments: str | Sequence[str] = (),
        chart: StrPath = "",
        timeout: float = 300,
        rollback_on_failure: bool = False,
        force_conflicts: bool = False,
        publish: bool = True,
    ) -> JobAddresses:
        """Upgrade the job, wait for its workers and return its addresses; arguments as for `install`.

        The release keeps its values if `values`, `set` and `arguments` are all empty; otherwise it gets the chart's
        defaults and these. Helm's "--reset-then-reuse-values" among `arguments` keeps the values that are not given.

        Raises:
            JobNotFoundError: There is no such job.
            OutOfTimeError: The workers were not ready in time.
            JobError: The upgrade was refused; the message says what is live.
        """
        parameters.flag("publish", publish)
        wanted = parameters.request(
            self.name, values=values, set=set, arguments=arguments, chart=chart, timeout=timeout,
            rollback_on_failure=rollback_on_failure, force_conflicts=force_conflicts,
        )  # fmt: skip
        return await self._upgraded(wanted, publish=publish)

    async def _upgraded(self, wanted: Request, *, publish: bool) -> JobAddresses:
        """Upgrade as `wanted` says; its arguments are checked already."""
        return await self._addresses_after(await self._lifecycle().upgrade(wanted), publish)

    def _lifecycle(self) -> Lifecycle:
        """Return the object that installs, upgrades and uninstalls the release."""
        from .release.lifecycle import Lifecycle
        from .twister2.workload import Twister2Workload

        return Lifecycle(self.connection, self.say, Twister2Workload())

    async def _addresses_after(self, outcome: Outcome, publish: bool) -> JobAddresses:
        """Return the addresses after a change of the release; they are read only if the wait has not seen them all."""
        from .clients.kubectl import Kubectl
        from .exposure.live import settled_addresses

        found = await settled_addresses(Kubectl(self.connection), self.name, outcome.cluster)
        report = found._replace(revision=outcome.revision)
        if publish:
            await self.try_publish(report)
        return report

    async def pin(
        self,
        *,
        file: StrPath = "",
        chart: StrPath = "",
        timeout: float = 300,
        rollback_on_failure: bool = False,
        publish: bool = True,
    ) -> JobAddresses:
        """Store the node ports that the job has now in the values of its release, so that they outlive scaling.

        The job keeps the numbers as long as its Services exist. With `file`, the path of a values file to write, a
        later install gets them again unless another Service has taken them. The other arguments are as for `install`.

        Raises:
            NotExposedError: The job has no node port.
            UsageError: The file is not one of this job's, or the release is of another version of the chart.
        """
        from .release.pin import pin

        parameters.flag("publish", publish)
        wanted = parameters.request(self.name, chart=chart, timeout=timeout, rollback_on_failure=rollback_on_failure)
        upgrade = functools.partial(self._upgraded, publish=publish)
        return await pin(self.connection, wanted, upgrade, self.say, file=parameters.path("file", file))

    async def unpin(
        self, *, chart: StrPath = "", timeout: float = 300, rollback_on_failure: bool = False, publish: bool = True
    ) -> JobAddresses:
        """Remove all fixed node ports from the release's values; live Services keep theirs. Arguments as for `pin`."""
        from .release.pin import unpin

        parameters.flag("publish", publish)
        wanted = parameters.request(self.name, chart=chart, timeout=timeout, rollback_on_failure=rollback_on_failure)
        return await unpin(self.connection, wanted, functools.partial(self._upgraded, publish=publish))

    async def publish(self, report: JobAddresses | None = None) -> JobAddresses:
        """Write the addresses into the ConfigMap that the workers have mounted; they see it within about a minute.

        Args:
            report: The addresses; None means to read them.

        Raises:
            JobNotFoundError: There is no such job, or it has no such ConfigMap, since an older chart made it.
        """
        from .clients.kubectl import Kubectl
        from .exposure.publish import publish

        report = report or await self.addresses()
        await publish(Kubectl(self.connection), report)
        return report

    async def try_publish(self, report: JobAddresses) -> None:
        """Publish the addresses after a change; a failure goes to `say` and does not fail the change."""
        from .exposure.publish import try_publish

        await try_publish(self.connection, report, self.say)

    async def follow(self, *, address_type: str = "") -> AsyncIterator[JobAddresses]:
        """Yield the current addresses, then the new ones after each change, until the caller stops.

        Args:
            address_type: As for `addresses`.

        Raises:
            JobNotFoundError: There is no such job, or it was removed.
        """
        parameters.text("address_type", address_type)
        from .clients.kubectl import Kubectl
        from .exposure.follow import follow

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
        parameters.text("address_type", address_type)
        from .clients.kubectl import Kubectl
        from .exposure.live import read_addresses

        return await read_addresses(Kubectl(self.connection), self.name, address_type=address_type)

    def connect(
        self, worker: int | None = None, port: str = "worker", *, tls: ssl.SSLContext | bool = False
    ) -> AbstractAsyncContextManager[Endpoint]:
        """Return a context manager that yields (host, port) of a worker: an address that answers, else a forward's.

        Args:
            worker: Worker ID; None means any ready worker.
            port: Name of the worker's port.
            tls: Yield only an address that speaks TLS with a certificate of its host, as this context checks it (True:
                by this machine's authorities). Then connect with `ssl=endpoint.tls, server_hostname=endpoint.host`.

        Raises:
            UnansweredError: No address speaks TLS as asked for.
            JobError: There is no such job, worker or port, or the worker is not ready.
        """
        parameters.worker("worker", worker)
        parameters.text("port", port)
        from .reach.connect import connect

        return connect(self.connection, self.name, worker, port, self.say, parameters.tls("tls", tls))

    async def status(self) -> JobStatus:
        """Return the current state of the release, its workers and its exposures.

        Raises:
            JobNotFoundError: There is no such job.
        """
        from .twister2.status import status

        return await status(self.connection, self.name)

    async def uninstall(self, *, wait: bool = False, timeout: float = 300) -> None:
        """Remove the job.

        Args:
            wait: Wait until its pods and Services are gone.
            timeout: Seconds for the removal and the wait together.

        Raises:
            JobNotFoundError: There is no such job.
        """
        parameters.flag("wait", wait)
        limit = parameters.seconds("timeout", timeout)
        await self._lifecycle().uninstall(self.name, wait=wait, timeout=limit)


async def list_jobs_async(
    *, namespace: str = "", all_namespaces: bool = False, kube_context: str = "", kubeconfig: StrPath = ""
) -> list[Release]:
    """Return the releases of this chart in every state, including those that were installed with Helm alone.

    Args:
        namespace: As for `AsyncJob`.
        all_namespaces: List the releases of all namespaces.
        kube_context: As for `AsyncJob`.
        kubeconfig: As for `AsyncJob`.
    """
    parameters.flag("all_namespaces", all_namespaces)
    connection = parameters.connection(namespace, kube_context, kubeconfig)
    from .clients.helm import Helm

    releases = await Helm(connection).releases(all_namespaces=all_namespaces)
    return [r for r in releases if r.chart.removeprefix("twister2-job-")[:1].isdigit()]
