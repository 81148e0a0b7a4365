"""A release as it is live, for changes that keep all of its values but some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .guards import check_same_chart
from .helm import Helm, current
from .kube import Kubectl
from .settings import Connection
from .workers import Object


@dataclass(frozen=True)
class LiveRelease:
    """The live objects of a job, and the values that the user gave for its release."""

    objects: Sequence[Object]
    values: dict[str, Any]


async def live_release(connection: Connection, name: str, chart: str = "") -> LiveRelease:
    """Return a release that an upgrade with the packaged chart, or with `chart`, leaves as it is but for its values.

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
