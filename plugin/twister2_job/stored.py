"""What Helm keeps of a release beside its objects and values: revisions, their states, and whose they are."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .helm import Helm
from .kube import Kubectl
from .marks import time_of
from .messages import Step, translate

KINDS = {
    "": "secrets",
    "secret": "secrets",
    "secrets": "secrets",
    "configmap": "configmaps",
    "configmaps": "configmaps",
}
"""Where Helm keeps releases, by the value of HELM_DRIVER."""
AGE = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
"""Seconds of the units in which Kubernetes tells an age."""


@dataclass(frozen=True)
class Row:
    """An object as a table shows it: `kind/name`, labels, and when it was made (seconds since 1970)."""

    name: str
    labels: Mapping[str, str]
    since: float


def rows(table: str, now: float) -> list[Row]:
    """Return the rows of `kubectl get --show-labels --no-headers`: name first, labels last, and before them the age.

    A table leaves out what is in the objects, and the API server tells their age by its own clock.
    """
    found = []
    for words in (line.split() for line in table.splitlines() if line.strip()):
        pairs = (pair.partition("=") for pair in words[-1].split(",") if "=" in pair)
        age = sum(int(n) * AGE[unit] for n, unit in re.findall(r"(\d+)([smhdy])", words[-2]))
        found.append(Row(words[0], {key: value for key, _, value in pairs}, now - age))
    return found


@dataclass(frozen=True)
class Stored:
    """One revision of a release.

    Attributes:
        number: The revision.
        status: As Helm names it.
        labels: Labels of the release, Helm's own among them.
        since: When whoever works on it has begun, in seconds since 1970.
    """

    number: int
    status: str
    labels: Mapping[str, str]
    since: float


async def revisions(helm: Helm, kubectl: Kubectl, name: str) -> list[Stored]:
    """Return the revisions of a release, oldest first; none if there is none.

    Helm 3 tells nobody the labels of a release, so they are read where Helm keeps them. Where that is no Secret or
    ConfigMap (HELM_DRIVER), the labels are empty: nothing is known to be anybody's then.

    Raises:
        JobError: They can't be read.
    """
    kind = KINDS.get(os.environ.get("HELM_DRIVER", "").lower())
    if kind is None:
        return [Stored(r.number, r.status, {}, time_of(r.updated)) for r in await helm.history(name)]
    words = ("-l", f"owner=helm,name={name}", "--no-headers", "--show-labels", "--ignore-not-found")
    result = await kubectl.run("get", kind, *words)
    if result.code:
        raise translate(result.err, "kubectl", Step.READ)
    found = [_stored(row) for row in rows(result.out, time.time()) if row.labels.get("version", "").isdigit()]
    return sorted(found, key=lambda one: one.number)


def _stored(row: Row) -> Stored:
    """Return a revision from the Secret (or ConfigMap) that holds it.

    Helm notes the time of the last change of a release in its label `modifiedAt`: that of an uninstall's beginning.
    """
    labels = row.labels
    status, modified = labels.get("status", ""), labels.get("modifiedAt", "")
    since = float(modified) if status == "uninstalling" and modified.isdigit() else row.since
    return Stored(int(labels["version"]), status, labels, since)


async def newest(helm: Helm, kubectl: Kubectl, name: str) -> Stored | None:
    """Return the newest revision of a release; None if there is none."""
    found = await revisions(helm, kubectl, name)
    return found[-1] if found else None
