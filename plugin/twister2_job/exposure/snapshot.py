"""Reads the addresses of a job without asyncio, whose import takes half as long as everything else here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..clients import further, resources
from ..clients.connection import Connection, find_kubectl
from ..clients.process_sync import running
from ..clients.resources import LIMIT, Cluster, Read
from ..errors import JobError, JobNotFoundError

if TYPE_CHECKING:
    from ..clients.children import Result
    from .model import JobAddresses


def read_cluster(
    connection: Connection,
    job: str,
    meanwhile: Callable[[], object],
    *,
    only_workers: bool = False,
    limit: float = LIMIT,
) -> Cluster:
    """Return a job's live objects; none if there is no such job.

    Args:
        connection: Cluster and namespace.
        job: Name of the job.
        meanwhile: Is called while kubectl runs, to import what is needed next.
        only_workers: Read neither Services nor nodes.
        limit: Seconds that kubectl may take.

    Raises:
        JobError: The cluster can't be read.
    """
    wanted = resources.reads(connection.namespace, job, nodes=not only_workers, services=not only_workers)
    found = resources.cluster(wanted, _run(connection, wanted, meanwhile, limit), connection.kubeconfig)
    more = further.further(found.objects, job)
    if not more:
        return found
    results = [*_run(connection, [one.read for one in more], lambda: None, limit)]
    if again := further.passing(more, results, connection.kubeconfig):
        time.sleep(further.PAUSE)
        newer = _run(connection, [more[index].read for index in again], lambda: None, limit)
        for index, result in zip(again, newer, strict=True):
            results[index] = result
    return further.extended(found, more, results, connection.kubeconfig)


def _run(
    connection: Connection, wanted: Sequence[Read], meanwhile: Callable[[], object], limit: float = LIMIT
) -> Sequence[Result]:
    """Return kubectl's result for each read; the arguments are as for `read_cluster`."""
    connection.check()
    path = find_kubectl()
    commands = [[path, *read.words, *connection.kubectl_arguments(namespaced=read.namespaced)] for read in wanted]
    with resources.failures(path, limit), connection.kubectl_environment() as inherited:
        env = resources.short_lived(inherited.env)
        with running(commands, env=env, timeout=limit, pass_fds=inherited.descriptors) as finish:
            meanwhile()
            return finish()


def _with_events(connection: Connection, cluster: Cluster) -> Cluster:
    """Return the objects with the events of Services, which say why a load balancer has no address."""
    wanted = [resources.SERVICE_EVENTS]
    try:
        events = resources.cluster(wanted, _run(connection, wanted, lambda: None)).objects
    except JobError:
        return cluster  # Without the right to read events the reason stays unknown.
    return cluster._replace(objects=[*cluster.objects, *events])


def addresses(
    connection: Connection, job: str, *, address_type: str = "", meanwhile: Callable[[], object] | None = None
) -> JobAddresses:
    """Return the live addresses of a job's workers, as `AsyncJob.addresses` does.

    Args:
        connection: Cluster and namespace.
        job: Name of the job.
        address_type: Type of node address to prefer, such as InternalIP.
        meanwhile: Is called while kubectl runs, to import what the caller needs next.

    Raises:
        JobNotFoundError: There is no such job.
        JobError: The cluster can't be read.
    """

    def import_report() -> None:
        """Import what is needed next, which takes as long as kubectl takes to answer."""
        from . import addresses  # noqa: F401

        if meanwhile:
            meanwhile()

    cluster = read_cluster(connection, job, import_report)
    from .addresses import report
    from .balancers import waiting
    from .workers import removed

    if removed(cluster.objects):
        raise _missing(connection, job)
    if waiting(cluster.objects):
        cluster = _with_events(connection, cluster)
    return report(job, cluster, address_type=address_type)


def _missing(connection: Connection, job: str) -> JobNotFoundError:
    import asyncio

    from ..clients.kubectl import Kubectl

    return asyncio.run(Kubectl(connection).missing(job))
