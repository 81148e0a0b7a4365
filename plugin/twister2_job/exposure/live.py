"""Reads the live objects of a job, and its addresses."""

from __future__ import annotations

from ..clients.kubectl import Kubectl
from ..clients.resources import Cluster
from .addresses import report
from .model import JobAddresses
from .workers import removed


async def read_cluster(kubectl: Kubectl, job: str, *, nodes: bool = True) -> Cluster:
    """Return the live objects of `job` and, if asked for, the nodes.

    Raises:
        JobNotFoundError: There is no such job.
        JobError: The objects can't be read.
    """
    cluster = await kubectl.cluster(job, nodes=nodes)
    if removed(cluster.objects):
        raise await kubectl.missing(job)
    return cluster


async def read_addresses(kubectl: Kubectl, job: str, *, address_type: str = "") -> JobAddresses:
    """Return the addresses of a job's workers.

    Args:
        kubectl: The client.
        job: Name of the job.
        address_type: Type of node address to prefer, such as InternalIP.

    Raises:
        JobNotFoundError: There is no such job.
        JobError: The objects can't be read.
    """
    return report(job, await read_cluster(kubectl, job), address_type=address_type)
