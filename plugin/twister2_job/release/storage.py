"""Reads how Helm stores releases: their revisions with state, labels and age."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..clients.helm import Helm
from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from .run_mark import RUN, Mark, time_of

KINDS = {
    "": "secrets",
    "secret": "secrets",
    "secrets": "secrets",
    "configmap": "configmaps",
    "configmaps": "configmaps",
}
"""The kind of object in which Helm stores releases, by the value of HELM_DRIVER."""
AGE = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
"""Seconds of the units in which kubectl prints an age."""


@dataclass(frozen=True)
class Row:
    """A row of kubectl's table: `kind/name`, labels, and when the object was made (seconds since 1970)."""

    name: str
    labels: Mapping[str, str]
    since: float


def rows(table: str, now: float) -> list[Row]:
    """Return the rows of `kubectl get --show-labels --no-headers`: name first, age next to last, labels last.

    A table has no contents of the objects, and their ages are by the API server's clock.
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
        status: Helm's name of its state.
        labels: Labels of the release, Helm's own among them.
        since: When the work on it began, in seconds since 1970.
        place: The object that stores it, `secrets NAME`; empty if it is no Secret or ConfigMap.
    """

    number: int
    status: str
    labels: Mapping[str, str]
    since: float
    place: str = ""


async def revisions(helm: Helm, kubectl: Kubectl, name: str) -> list[Stored]:
    """Return the revisions of a release, oldest first; none if there is none.

    No command of Helm 3 prints the labels of a release, so they are read from the objects that store it. If these are
    no Secrets or ConfigMaps (HELM_DRIVER), the labels are empty, and it is not known who made a release.

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
    found = [_stored(row, kind) for row in rows(result.out, time.time()) if row.labels.get("version", "").isdigit()]
    return sorted(found, key=lambda one: one.number)


def _stored(row: Row, kind: str) -> Stored:
    """Return a revision from the Secret (or ConfigMap) that holds it.

    Helm's label `modifiedAt` has the time of the last change of a release: the beginning of an uninstall.
    """
    labels = row.labels
    status, modified = labels.get("status", ""), labels.get("modifiedAt", "")
    since = float(modified) if status == "uninstalling" and modified.isdigit() else row.since
    return Stored(int(labels["version"]), status, labels, since, f"{kind} {row.name}")


def labelled() -> bool:
    """Tell whether the labels of releases can be read: whether Helm stores them in Secrets or ConfigMaps."""
    return os.environ.get("HELM_DRIVER", "").lower() in KINDS


async def place_of(kubectl: Kubectl, name: str) -> tuple[str, bool]:
    """Return the object that stores a release of this name, and whether it is of the kind that HELM_DRIVER says.

    The name is empty if no such object is found.
    """
    chosen = ("-l", f"owner=helm,name={name}", "--no-headers", "--ignore-not-found", "-o", "name")
    result = await kubectl.run("get", "secrets,configmaps", *chosen)
    kind = KINDS.get(os.environ.get("HELM_DRIVER", "").lower(), "")
    found = {f"{place.partition('/')[0]}s" == kind: place for place in reversed(result.out.split())}
    return found.get(True) or found.get(False, ""), True in found


async def claim(kubectl: Kubectl, stored: Stored, mark: Mark) -> bool:
    """Claim a revision that another run has left, before it is repaired; tell whether the claim succeeded.

    The API server compares versions: of two runs that claim the same revision, only one succeeds.
    """
    if not stored.place:
        return True  # No run can claim it.
    kind, name = stored.place.split(" ")
    read = await kubectl.run("get", kind, name, "-o", "json", "--ignore-not-found")
    metadata = json.loads(read.out)["metadata"] if not read.code and read.out.strip() else {}
    if not metadata or (metadata.get("labels") or {}).get(RUN, "") != stored.labels.get(RUN, ""):
        return False
    labels = [f"{key}={value}" for key, value in mark.claim(stored.number).items()]
    same = f"--resource-version={metadata['resourceVersion']}"
    return (await kubectl.run("label", kind, name, *labels, "--overwrite", same, "-o", "name")).code == 0


async def newest(helm: Helm, kubectl: Kubectl, name: str) -> Stored | None:
    """Return the newest revision of a release; None if there is none."""
    found = await revisions(helm, kubectl, name)
    return found[-1] if found else None
