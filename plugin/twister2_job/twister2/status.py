"""The status of a job: its release, its workers, its exposures, and the state of a Twister2 job."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..clients.connection import Connection
from ..clients.helm import Helm, Revision
from ..clients.kubectl import Kubectl
from ..clients.release import Release
from ..exposure.addresses import report
from ..exposure.live import with_events
from ..exposure.mode import TWISTER2
from ..exposure.model import SCHEMA_VERSION, JobAddresses, Worker
from ..release import orphans
from ..release.job_objects import objects_of
from ..release.live import current
from ..release.operation import PENDING
from ..release.validation import check_chart_of
from . import logs as job_logs
from .state import JobState


class JobStatus(NamedTuple):
    """The status of a job: release, workers, exposures; `job` is the state of a Twister2 job, None for other jobs."""

    release: Release
    mode: str
    workers: tuple[Worker, ...]
    addresses: JobAddresses
    job: JobState | None = None

    @property
    def ready(self) -> bool:
        """Tell whether every worker is ready."""
        return all(worker.ready for worker in self.workers)

    def to_dict(self) -> dict[str, Any]:
        """Return the versioned report."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "release": self.release.to_dict(),
            "mode": self.mode,
            "ready": self.ready,
            **({"job": self.job.to_dict()} if self.job else {}),
            "workers": [worker.to_status() for worker in self.workers],
            "exposures": [address.to_dict() for address in self.addresses.all()],
            "warnings": list(self.addresses.warnings),
        }


async def status(connection: Connection, name: str) -> JobStatus:
    """Return the status of a job; see `AsyncJob.status`."""
    helm, kubectl = Helm(connection), Kubectl(connection)
    history, cluster, namespace = await asyncio.gather(
        helm.history(name), kubectl.cluster(name), kubectl.namespace()
    )
    check_chart_of(name, history)
    if not history:
        raise await kubectl.missing(name)
    newest = history[-1]
    addresses = report(name, await with_events(kubectl, cluster))._replace(revision=newest.number, namespace=namespace)
    release = Release(
        name, namespace, newest.number, newest.status, newest.chart, newest.app_version, newest.updated
    )
    addresses = addresses._replace(warnings=(*addresses.warnings, *await _orphans(helm, kubectl, name, history)))
    workers = tuple(w for w in addresses.workers if not w.reserved)
    progress = await job_logs.state(kubectl, name, cluster) if addresses.mode == TWISTER2 else None
    return JobStatus(release, addresses.mode, workers, addresses, progress)


async def _orphans(helm: Helm, kubectl: Kubectl, name: str, history: Sequence[Revision]) -> list[str]:
    """Return warnings about objects of the job that are not in its release; none while another run changes it."""
    if history[-1].status in PENDING:
        return []
    live_revision = current(history).number
    manifest, live = await asyncio.gather(helm.manifest(name, live_revision), objects_of(kubectl, name))
    found = orphans.find_orphans(live, manifest, name, await kubectl.namespace())
    warnings = []
    if found.made_by_helm:
        warnings.append(
            f"{orphans.names(found.made_by_helm)}: left by a failed upgrade, not in revision {live_revision}; "
            f"`twister2-job upgrade {name}` or `twister2-job uninstall {name}` removes it."
        )
    if found.others:
        warnings.append(f"{orphans.names(found.others)}: labelled as {name}'s, but not made by Helm for it.")
    return warnings
