"""Checks an upgrade by a dry run on the API server of the objects that it adds or changes.

So a refused upgrade does not stop half-way. Only refusals that Helm would meet too count: an invalid object, a quota,
an admission webhook that denies. After every other failure, such as a missing right, Helm goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from ..clients.helm import Helm
from ..clients.kubectl import Kubectl
from ..clients.resources import LIMIT
from ..errors import JobError, RefusedError
from ..exposure.workers import Object
from .job_objects import ROUTES

MOST = 40
"""The most objects in a dry run: each is a request, and an upgrade may have thousands of Services."""
GROUPS = 2
"""Processes of kubectl that run at the same time: each sends one object after the other."""
FURTHER = ("Ingress", *ROUTES)
"""Kinds of ways in, whose objects differ in one number or name: of each kind some are as good as all."""
SOME = 4
"""The most objects of each of these kinds in a dry run."""
ORDER = ("StatefulSet", "ConfigMap", "NetworkPolicy", "PodDisruptionBudget", *FURTHER, "Service")
"""Workloads first: they hold most of what users write. RBAC objects are left out: a dry run needs their rights."""

Batch = tuple[tuple[str, ...], list[Object]]
"""Arguments of kubectl, and the objects that it sends."""

_REFUSED = re.compile(
    r"is invalid:|cannot be handled as a|failed to create typed patch object|denied the request|exceeded quota|"
    r"violates podsecurity|strict decoding error|unable to decode|validatingadmissionpolicy|no matches for kind",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r'no matches for kind "(\w+)" in version "(\S+)"')


def changed(before: Sequence[Object], after: Sequence[Object]) -> list[Object]:
    """Return the objects that an upgrade adds or changes and that a dry run can check, in the order of `ORDER`.

    Objects that name a namespace are the user's own (`extraObjects`); kubectl refuses those of a namespace not its own.

    Args:
        before: The rendered objects of the revision that the upgrade builds on.
        after: Those of the upgrade.
    """
    known = {(o["kind"], o["metadata"]["name"]): o for o in before}
    found = [
        o for o in after
        if o["kind"] in ORDER and "namespace" not in o["metadata"]
        and known.get((o["kind"], o["metadata"]["name"])) != o
    ]  # fmt: skip
    some = [o for kind in FURTHER for o in [one for one in found if one["kind"] == kind][:SOME]]
    chosen = [*some, *(o for o in found if o["kind"] not in FURTHER)]
    return sorted(chosen, key=lambda o: ORDER.index(o["kind"]))[:MOST]


async def check(
    kubectl: Kubectl, helm: Helm, by_server: bool, before: Sequence[Object], after: Sequence[Object]
) -> None:
    """Check an upgrade by a dry run.

    Args:
        kubectl: The client.
        helm: Helm, whose program's name is that of the fields' manager.
        by_server: Whether the API server applied the revision that the upgrade builds on, and so will apply this one.
        before: The rendered objects of that revision.
        after: Those of the upgrade.

    Raises:
        RefusedError: The API server would refuse objects; the message has all refusals.
    """
    objects = changed(before, after)
    if not objects:
        return
    known = {(o["kind"], o["metadata"]["name"]) for o in before}
    if by_server:
        manager = os.path.basename(helm.path)
        apply: tuple[str, ...] = ("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}")
        batches: list[Batch] = [(apply, objects[index::GROUPS]) for index in range(GROUPS)]
    else:
        # Helm 3 sends a patch; for a StatefulSet, replacing the whole object is checked in the same way. Not so for a
        # Service or ConfigMap: a patch keeps fields that others have set or that can't change.
        new = [o for o in objects if (o["kind"], o["metadata"]["name"]) not in known]
        whole = ("StatefulSet", *FURTHER)
        old = [o for o in objects if (o["kind"], o["metadata"]["name"]) in known and o["kind"] in whole]
        batches = [(("create",), new), (("replace",), old)]
    found = await asyncio.gather(*(_refusals(kubectl, words, batch) for words, batch in batches if batch))
    if refusals := list(dict.fromkeys(text for one in found for text in one)):
        raise RefusedError("\n  ".join(["Kubernetes would refuse this upgrade:", *refusals]), "Correct the values.")


async def _refusals(kubectl: Kubectl, words: Sequence[str], objects: Sequence[Object]) -> list[str]:
    """Return the refusals of the API server in a dry run of some objects."""
    namespace = await kubectl.namespace()
    items: list[dict[str, Any]] = [{**o, "metadata": {"namespace": namespace, **o["metadata"]}} for o in objects]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    try:
        result = await kubectl.run(
            *words, "--dry-run=server", "--validate=false", "-f", "-", "-o", "name", stdin=text,
            timeout=LIMIT + 0.5 * len(objects),
        )  # fmt: skip
    except JobError:
        return []
    lines = (line.strip() for line in result.err.splitlines() if result.code and not line.startswith("Warning:"))
    return [_sentence(line, objects) for line in lines if _REFUSED.search(line)]


def _sentence(line: str, objects: Sequence[Object]) -> str:
    """Return a refusal without kubectl's own words, and with the object's name, which some refusals lack."""
    if unknown := _UNKNOWN.search(line):
        return (
            f"{unknown[1]} of {unknown[2]}: this cluster does not serve it; install what brings it (the CRDs of the "
            "Gateway API), or leave it out"
        )
    line = re.sub(r"^(error|Error from server)( \([\w ]+\))?: ", "", line)
    line = re.sub(r'^error when (creating|replacing|applying patch|patching) "(STDIN|-)": ', "", line)
    if any(o["metadata"]["name"] in line for o in objects):
        return line
    which = [o["metadata"]["name"] for o in objects if o["kind"] in line]
    return f"{' or '.join(which[:3])}: {line}" if which else line
