"""Reads a live release, for changes of some of its values."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..clients.connection import Connection
from ..clients.helm import Helm, Revision
from ..clients.kubectl import Kubectl
from ..exposure.workers import Object
from .validation import check_same_chart


def current(history: Sequence[Revision]) -> Revision:
    """Return the revision whose values an upgrade keeps: the deployed one, as for Helm.

    If the newest revision is pending, it is undone first, and the newest superseded one counts; without any, the last.
    """
    pending = history[-1].status.startswith("pending")
    for status in ("deployed", *(["superseded"] if pending else [])):
        if found := [revision for revision in history if revision.status == status]:
            return found[-1]
    return history[-1]


@dataclass(frozen=True)
class LiveRelease:
    """The live objects of a job, and the values that the user gave for its release."""

    objects: Sequence[Object]
    values: dict[str, Any]


async def live_release(connection: Connection, name: str, chart: str = "") -> LiveRelease:
    """Return a release in which an upgrade with the packaged chart, or with `chart`, changes only the values.

    Raises:
        JobNotFoundError: There is no such job.
        UsageError: It is of another version of the chart.
    """
    helm, kubectl = Helm(connection), Kubectl(connection)
    cluster, history = await asyncio.gather(kubectl.cluster(name, nodes=False), helm.history(name))
    if not history:
        raise await kubectl.missing(name)
    check_same_chart(name, history, chart)
    return LiveRelease(cluster.objects, await helm.values(name, current(history).number))
