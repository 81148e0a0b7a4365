"""Reads the live objects of a job, and its addresses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..clients.kubectl import Kubectl
from ..clients.resources import SERVICE_EVENTS, Cluster
from ..errors import JobError
from . import balancers
from .addresses import WAYS as PROXIED
from .addresses import report
from .gateway import UNKNOWN
from .model import JobAddresses
from .workers import removed

PATIENCE = 5.0
"""Seconds that a change waits for the addresses of load balancers and proxies, once the workers are ready."""
MANY = 64
"""Addresses at proxies, from which on no change waits: controllers take longer (Envoy Gateway 21 s for 128)."""
PAUSE = 0.5
"""Seconds between two looks."""
_FAILURES = (JobError, asyncio.TimeoutError)
Result = TypeVar("Result")


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


async def with_events(kubectl: Kubectl, cluster: Cluster) -> Cluster:
    """Return the objects, and if a load balancer waits for its address, the events of Services as well.

    Without the right to read events the reason stays unknown.
    """
    if not balancers.waiting(cluster.objects):
        return cluster
    try:
        result = await kubectl.run(*SERVICE_EVENTS.words)
        events = SERVICE_EVENTS.objects(result) or []
    except JobError:
        return cluster
    return cluster._replace(objects=[*(o for o in cluster.objects if o.get("kind") != "Event"), *events])


async def settled_addresses(kubectl: Kubectl, job: str, cluster: Cluster | None) -> JobAddresses:
    """Return the addresses after a change, when each is there or refused, or after `PATIENCE`.

    The change is done by then, so a read that fails or takes too long ends the wait: what was seen last is returned.

    Args:
        kubectl: The client.
        job: Name of the job.
        cluster: The job's objects; None means to read them.

    Raises:
        JobNotFoundError: There is no such job.
        JobError: The objects can't be read the first time.
    """
    cluster = cluster or await read_cluster(kubectl, job)
    until = time.monotonic() + PATIENCE
    while late := balancers.waiting(cluster.objects):
        try:
            cluster = await _before(until, with_events(kubectl, cluster))
            if time.monotonic() >= until or all(balancers.refusal(service, cluster.objects) for service in late):
                break
            await asyncio.sleep(PAUSE)
            services = await _before(until, kubectl.listed("Service", job))
        except _FAILURES:
            break
        others = [o for o in cluster.objects if o.get("kind") != "Service"]
        cluster = cluster._replace(objects=[*(services or []), *others])
    found = report(job, cluster)
    # A refusal may be of an older state of the job, until the proxy's controller has seen the change.
    while time.monotonic() < until and _worth_waiting(found):
        await asyncio.sleep(PAUSE)
        try:
            found = await _before(until, read_addresses(kubectl, job))
        except _FAILURES:
            break
    return found


def _worth_waiting(found: JobAddresses) -> bool:
    """Tell whether a later look will soon tell more of addresses at proxies, of which some wait or are refused."""
    at_proxies = [a for a in found.all() if a.via in PROXIED]
    late = any(a.state in ("pending", "failed") and UNKNOWN not in a.reason for a in at_proxies)
    return late and len(at_proxies) < MANY


async def _before(until: float, read: Coroutine[Any, Any, Result]) -> Result:
    """Return what a read finds, which has to end at a time of the monotonic clock; otherwise it is cancelled."""
    return await asyncio.wait_for(read, until - time.monotonic())


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
    cluster = await with_events(kubectl, await read_cluster(kubectl, job))
    return report(job, cluster, address_type=address_type)
