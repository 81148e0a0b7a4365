"""A job as it is: its release, its workers, its exposures, and how far a Twister2 job is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from . import joblogs
from .addresses import report
from .guards import check_chart_of
from .helm import Helm
from .jobstate import TWISTER2
from .kube import Kubectl
from .model import JobStatus, Release

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
    addresses = replace(report(job.name, cluster), revision=newest.number, namespace=namespace)
    release = Release(
        job.name, namespace, newest.number, newest.status, newest.chart, newest.app_version, newest.updated
    )
    workers = tuple(w for w in addresses.workers if not w.reserved)
    progress = await joblogs.state(kubectl, job.name, cluster) if addresses.mode == TWISTER2 else None
    return JobStatus(release, addresses.mode, workers, addresses, progress)
