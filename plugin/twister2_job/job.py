"""The Python API: `AsyncJob` and `list_jobs_async`; `sync.py` has the same without `await`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .errors import JobError, JobNotFoundError, OutOfTimeError
from .model import JobAddresses, JobStatus, Release
from .settings import Connection

if TYPE_CHECKING:
    from .client import Endpoint


def _silent(text: str) -> None:
    """Say nothing."""


class AsyncJob:
    """A Twister2 job on Kubernetes.

    Attributes:
        name: Name of the job: the Helm release.
        connection: Cluster and namespace.
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
        self._say = say

    def _missing(self, namespace: str) -> JobNotFoundError:
        told = f"There is no job {self.name} in namespace {namespace}."
        return JobNotFoundError(told, "`twister2-job list -A` shows all.")

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

        publish = options.pop("publish", True)
        revision = await Lifecycle(self.connection, self._say).install(_request(self.name, options))
        return await self._changed(revision, publish)

    async def upgrade(self, **options: Any) -> JobAddresses:
        """Upgrade the job, wait for its workers and return its addresses; arguments as for `install`.

        Raises:
            JobNotFoundError: There is no such job.
            OutOfTimeError: The workers were not ready in time.
            JobError: Refused; the message says what is live.
        """
        from .lifecycle import Lifecycle

        publish = options.pop("publish", True)
        revision = await Lifecycle(self.connection, self._say).upgrade(_request(self.name, options))
        return await self._changed(revision, publish)

    async def _changed(self, revision: int, publish: bool) -> JobAddresses:
        """Return the addresses after a change of the release."""
        report = replace(await self.addresses(), revision=revision)
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
        from pathlib import Path

        from . import pin

        live, values, _ = await self._pinnable(options)
        numbers = pin.live_numbers(live)
        pin.require_numbers(self.name, numbers)
        if file:
            pin.check_file(Path(file), self.name)
        try:
            report = await self.upgrade(arguments=["--reset-values"], all_values=pin.merged(values, numbers), **options)
        except OutOfTimeError:  # The workers are late, but the numbers are values of the release by now.
            if file and not options.get("rollback_on_failure"):
                pin.write_file(Path(file), self.name, numbers)
            raise
        if file:
            pin.write_file(Path(file), self.name, numbers)
            self._say(f"the node ports are in {file}")
        return report

    async def unpin(self, **options: Any) -> JobAddresses:
        """Take every fixed node port out of the release's values; Kubernetes keeps the numbers of living Services.

        Args:
            **options: As for `pin`.
        """
        from . import pin

        _, values, workers = await self._pinnable(options)
        return await self.upgrade(arguments=["--reset-values"], all_values=pin.unpinned(values, workers), **options)

    async def _pinnable(self, options: dict[str, Any]) -> tuple[Sequence[Any], dict[str, Any], int]:
        """Return the live objects, the values of the release, and the number of workers."""
        from .helm import Helm, current
        from .kube import Kubectl
        from .lifecycle import check_same_chart
        from .workers import table

        helm, kubectl = Helm(self.connection), Kubectl(self.connection)
        cluster, history = await asyncio.gather(kubectl.cluster(self.name, nodes=False), helm.history(self.name))
        if not history:
            raise self._missing(await kubectl.namespace())
        check_same_chart(self.name, history, options.get("chart", ""))
        values = await helm.values(self.name, current(history).number)
        return cluster.objects, values, len(table(cluster.objects))

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
            self._say(f"The workers are not told their addresses: {error}")

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
        async for report in follow(Kubectl(self.connection), self.name, read, self._say):
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
            raise self._missing(await kubectl.namespace())
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

        return connect(self, worker, port, self._say)

    async def status(self) -> JobStatus:
        """Return release, workers and exposures as they are.

        Raises:
            JobNotFoundError: There is no such job.
        """
        from .addresses import report
        from .helm import Helm
        from .kube import Kubectl
        from .lifecycle import check_chart_of

        helm, kubectl = Helm(self.connection), Kubectl(self.connection)
        history, cluster, namespace = await asyncio.gather(
            helm.history(self.name), kubectl.cluster(self.name), kubectl.namespace()
        )
        check_chart_of(self.name, history)
        if not history:
            raise self._missing(namespace)
        newest = history[-1]
        addresses = replace(report(self.name, cluster), revision=newest.number, namespace=namespace)
        release = Release(
            self.name, namespace, newest.number, newest.status, newest.chart, newest.app_version, newest.updated
        )
        workers = tuple(w for w in addresses.workers if not w.reserved)
        return JobStatus(release, addresses.mode, workers, addresses)

    async def uninstall(self, *, wait: bool = False, timeout: float = 300) -> None:
        """Remove the job.

        Args:
            wait: Wait until its pods and Services are gone.
            timeout: Seconds for all of it.

        Raises:
            JobNotFoundError: There is no such job.
        """
        from .lifecycle import Lifecycle

        await Lifecycle(self.connection, self._say).uninstall(self.name, wait=wait, timeout=timeout)


def _request(name: str, options: dict[str, Any]) -> Any:
    """Return the request for the keyword arguments of `install` and `upgrade`."""
    from .prepare import Request

    values: Sequence[str] = options.pop("values", ())
    sets: Sequence[str] = options.pop("set", ())
    arguments = [part for path in values for part in ("--values", str(path))]
    arguments += [part for pair in sets for part in ("--set", pair)]
    options["values"] = options.pop("all_values", None)
    return Request(name, arguments=[*arguments, *options.pop("arguments", ())], **options)


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
