"""Objects of a job that its release does not have: what a failed upgrade or a broken uninstall has left.

Helm forgets them: no later upgrade or uninstall removes them, and the next install of the name adopts them. An exposure
among them is open to the world while the values say that it is closed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .errors import JobError
from .helm import Helm
from .jar import LABEL as JAR
from .kube import Kubectl
from .messages import Step, translate
from .resources import selector
from .stored import newest
from .workers import Object

KINDS = {
    "Service": ("api/v1", "services"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "ConfigMap": ("api/v1", "configmaps"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
}
"""The kinds that the chart makes: where the API has them. Exposures come first, so that they are closed first."""


@dataclass(frozen=True)
class Strays:
    """Objects of a job without a place in its release.

    Attributes:
        helms: Those that Helm made for this very release: they can go.
        others: All else that has the job's labels: somebody made it on purpose.
    """

    helms: Sequence[Object]
    others: Sequence[Object]

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.helms or self.others)


def names(objects: Iterable[Object], most: int = 5) -> str:
    """Return the kinds and names of objects for a sentence."""
    found = [f"{o['kind']} {o['metadata']['name']}" for o in objects]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


async def objects_of(kubectl: Kubectl, job: str, kinds: Iterable[str] = KINDS) -> list[Object]:
    """Return the live objects of a job, of those kinds that the user may list.

    Raises:
        JobError: The API can't be reached.
    """
    listed = ",".join(f"{KINDS[kind][1]}{_group(kind)}" for kind in kinds)
    result = await kubectl.run("get", listed, "-l", selector(job), "--chunk-size=0", "-o", "json")
    if result.code and not result.out.strip():
        raise translate(result.err, "kubectl", Step.READ)
    found: list[Object] = json.loads(result.out).get("items", [])
    return found


def _group(kind: str) -> str:
    prefix = KINDS[kind][0].split("/")
    return f".{prefix[1]}" if prefix[0] == "apis" else ""


def strays(live: Iterable[Object], manifest: Iterable[Object], job: str, namespace: str) -> Strays:
    """Return the live objects that are not in a release's manifest.

    Those that are being deleted, belong to another object, or are a piece of a jar have their own way to go.

    Args:
        live: The job's objects in the cluster.
        manifest: The objects of the release as Helm has them.
        job: Name of the job: the release.
        namespace: Its namespace.
    """
    kept = {(o["kind"], o["metadata"]["name"]) for o in manifest}
    helms: list[Object] = []
    others: list[Object] = []
    for item in live:
        metadata = item["metadata"]
        if (item["kind"], metadata["name"]) in kept or metadata.get("deletionTimestamp"):
            continue
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        if metadata.get("ownerReferences") or JAR in labels:
            continue
        of_release = (
            labels.get("app.kubernetes.io/managed-by") == "Helm"
            and annotations.get("meta.helm.sh/release-name") == job
            and annotations.get("meta.helm.sh/release-namespace") == namespace
            and annotations.get("helm.sh/resource-policy") != "keep"
            and item["kind"] in KINDS
        )
        (helms if of_release else others).append(item)
    return Strays(helms, others)


async def remove(kubectl: Kubectl, objects: Iterable[Object]) -> tuple[list[Object], list[str]]:
    """Remove objects, each only if it is still what was read; return those removed, and a sentence for each that stays.

    The API server compares: whoever takes an object over meanwhile, an upgrade that adopts it for example, keeps it.
    """
    gone: list[Object] = []
    stay: list[str] = []
    for item in sorted(objects, key=lambda o: list(KINDS).index(o["kind"])):
        metadata: Any = item["metadata"]
        prefix, plural = KINDS[item["kind"]]
        path = f"/{prefix}/namespaces/{quote(metadata['namespace'])}/{plural}/{quote(metadata['name'])}"
        same = {"uid": metadata["uid"]}
        if item["kind"] != "StatefulSet":  # Its status changes all the time.
            same["resourceVersion"] = metadata["resourceVersion"]
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": same, "propagationPolicy": "Background"}
        try:
            result = await kubectl.run("delete", "--raw", path, "-f", "-", namespaced=False, stdin=json.dumps(body))
        except JobError as error:
            stay.append(f"{names([item])} stays: {error.message}")
            continue
        low = result.err.lower()
        if not result.code or "not found" in low or "notfound" in low:
            gone.append(item)
        elif "conflict" in low or "precondition" in low:
            stay.append(f"{names([item])} stays: it has been changed meanwhile.")
        else:
            stay.append(f"{names([item])} stays: {translate(result.err, 'kubectl', Step.REMOVE).message}")
    return gone, stay


async def sweep(
    kubectl: Kubectl, helm: Helm, job: str, manifest: Iterable[Object], revision: int
) -> tuple[list[Object], list[str]]:
    """Remove what Helm made for a release and the release does not have.

    Args:
        kubectl: The client.
        helm: Helm for the same namespace.
        job: Name of the job: the release.
        manifest: The objects of its newest revision, or of the one that is live.
        revision: Its newest revision; 0 if there is no release.

    Returns:
        What was removed, and a sentence for each thing that stays. Nothing is removed when another run has begun: what
        there is may be its own.
    """
    found = strays(await objects_of(kubectl, job), manifest, job, await kubectl.namespace())
    told = [f"{names(found.others)}: labelled as {job}'s, but not made by Helm for it."] if found.others else []
    if not found.helms:
        return [], told
    # After the objects were read: a later run makes its revision before its objects.
    last = await newest(helm, kubectl, job)
    if (last.number if last else 0) != revision:
        return [], told
    gone, stay = await remove(kubectl, found.helms)
    return gone, [*stay, *told]
