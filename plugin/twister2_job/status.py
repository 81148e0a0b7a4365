"""A job as it is: its release, its workers, its exposures, and how far a Twister2 job is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import joblogs, strays
from .addresses import report
from .guards import check_chart_of
from .helm import Helm, Revision
from .jobstate import TWISTER2
from .kube import Kubectl
from .model import JobStatus, Release
from .operation import PENDING
from .release import current

if TYPE_CHECKING:
    from .job import AsyncJob


async def status(job: AsyncJob) -> JobStatus:
    """Return the status of a job; see `AsyncJob.status`."""
    helm, kubectl = Helm(job.connection), Kubectl(job.connection)
    history, cluster, namespace = await asyncio.gather(
        helm.history(job.name), kubectl.cluster(job.name), kubectl.namespace()
    )
    check_chart_of(job.name, history)
    if not history:
        raise await kubectl.missing(job.name)
    newest = history[-1]
    addresses = report(job.name, cluster)._replace(revision=newest.number, namespace=namespace)
    release = Release(
        job.name, namespace, newest.number, newest.status, newest.chart, newest.app_version, newest.updated
    )
    addresses = addresses._replace(warnings=(*addresses.warnings, *await _strays(helm, kubectl, job.name, history)))
    workers = tuple(w for w in addresses.workers if not w.reserved)
    progress = await joblogs.state(kubectl, job.name, cluster) if addresses.mode == TWISTER2 else None
    return JobStatus(release, addresses.mode, workers, addresses, progress)


async def _strays(helm: Helm, kubectl: Kubectl, name: str, history: Sequence[Revision]) -> list[str]:
    """Return a warning for objects of the job that its release does not have; none while somebody changes it."""
    if history[-1].status in PENDING:
        return []
    live_revision = current(history).number
    manifest, live = await asyncio.gather(helm.manifest(name, live_revision), strays.objects_of(kubectl, name))
    found = strays.strays(live, manifest, name, await kubectl.namespace())
    told = []
    if found.helms:
        told.append(
            f"{strays.names(found.helms)}: left by a failed upgrade, not in revision {live_revision}; "
            f"`twister2-job upgrade {name}` or `twister2-job uninstall {name}` removes it."
        )
    if found.others:
        told.append(f"{strays.names(found.others)}: labelled as {name}'s, but not made by Helm for it.")
    return told
