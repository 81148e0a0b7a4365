"""The Python API: `AsyncJob` and `list_jobs_async`, and the same without `await` as `Job` and `list_jobs`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .errors import JobNotFoundError
from .model import JobAddresses, JobStatus, Release
from .settings import Connection

T = TypeVar("T")


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

    async def install(self, **options: Any) -> JobAddresses:
        """Install the job, wait for its workers and return its addresses.

        Args:
            **options: `values` (paths of values files), `set` (KEY=VALUE as of Helm's --set), `arguments` (any of
                Helm's value options, verbatim), `chart` (path), `timeout` (seconds, 300), `create_namespace` (False),
                `rollback_on_failure` (False).

        Raises:
            JobExistsError: There is a release of this name.
            OutOfTimeError: The workers were not ready in time.
            JobError: Refused; nothing is left behind.
        """
        from .lifecycle import Lifecycle

        revision = await Lifecycle(self.connection, self._say).install(_request(self.name, options))
        return replace(await self.addresses(), revision=revision)

    async def upgrade(self, **options: Any) -> JobAddresses:
        """Upgrade the job, wait for its workers and return its addresses; arguments as for `install`.

        Raises:
            JobNotFoundError: There is no such job.
            OutOfTimeError: The workers were not ready in time.
            JobError: Refused; the message says what is live.
        """
        from .lifecycle import Lifecycle

        revision = await Lifecycle(self.connection, self._say).upgrade(_request(self.name, options))
        return replace(await self.addresses(), revision=revision)

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
            where = await kubectl.namespace()
            raise JobNotFoundError(
                f"There is no job {self.name} in namespace {where}.", "`twister2-job list -A` shows all."
            )
        return report(self.name, cluster, address_type=address_type)

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
            raise JobNotFoundError(
                f"There is no job {self.name} in namespace {namespace}.", "`twister2-job list -A` shows all."
            )
        newest = history[-1]
        addresses = replace(report(self.name, cluster), revision=newest.number, namespace=namespace)
        release = Release(
            self.name, namespace, newest.number, newest.status, newest.chart, newest.app_version, newest.updated
        )
        workers = tuple(w for w in addresses.workers if w.group >= 0)
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
    from .lifecycle import Request

    values: Sequence[str] = options.pop("values", ())
    sets: Sequence[str] = options.pop("set", ())
    arguments = [part for path in values for part in ("--values", str(path))]
    arguments += [part for pair in sets for part in ("--set", pair)]
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
    import re

    from .helm import Helm

    default = Connection()
    connection = Connection(namespace or default.namespace, kube_context or default.context, kubeconfig)
    releases = await Helm(connection).releases(all_namespaces=all_namespaces)
    return [r for r in releases if re.fullmatch(r"twister2-job-\d.*", r.chart)]


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, also where a loop runs already (a notebook): then in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class Job:
    """`AsyncJob` without `await`; same arguments, results and errors."""

    def __init__(self, name: str, **options: Any) -> None:
        """Name a job; arguments as for `AsyncJob`."""
        self._job = AsyncJob(name, **options)
        self.name = name

    def install(self, **options: Any) -> JobAddresses:
        """Install the job, wait for its workers and return its addresses; see `AsyncJob.install`."""
        return run_sync(self._job.install(**options))

    def upgrade(self, **options: Any) -> JobAddresses:
        """Upgrade the job, wait for its workers and return its addresses; see `AsyncJob.upgrade`."""
        return run_sync(self._job.upgrade(**options))

    def addresses(self, *, address_type: str = "") -> JobAddresses:
        """Return the addresses of the workers, read live; see `AsyncJob.addresses`."""
        return run_sync(self._job.addresses(address_type=address_type))

    def status(self) -> JobStatus:
        """Return release, workers and exposures as they are; see `AsyncJob.status`."""
        return run_sync(self._job.status())

    def uninstall(self, *, wait: bool = False, timeout: float = 300) -> None:
        """Remove the job; see `AsyncJob.uninstall`."""
        run_sync(self._job.uninstall(wait=wait, timeout=timeout))


def list_jobs(**options: Any) -> list[Release]:
    """Return the releases of this chart; see `list_jobs_async`."""
    return run_sync(list_jobs_async(**options))
