"""Makes the namespace for an install, and removes it if the install is undone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..clients.helm import Helm
from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from ..errors import RefusedError
from .run_mark import Mark

KINDS = "configmaps,secrets,services,serviceaccounts,pods,persistentvolumeclaims"
"""Kinds of objects because of which a namespace is not removed."""
OWN = ("ConfigMap/kube-root-ca.crt", "ServiceAccount/default")
"""Objects that Kubernetes puts into every namespace."""


def _is_being_removed(metadata: Mapping[str, Any]) -> bool:
    """Tell whether an object is being deleted, or will be with its owner, as what Helm has just removed."""
    return bool(metadata.get("deletionTimestamp") or metadata.get("ownerReferences"))


def _is_claim_of(job: str, item: Mapping[str, Any]) -> bool:
    """Tell whether an object is a volume claim of a StatefulSet of the job: claims stay when the job is removed."""
    labels = item["metadata"].get("labels") or {}
    return item["kind"] == "PersistentVolumeClaim" and labels.get("app.kubernetes.io/instance") == job


async def make(kubectl: Kubectl, mark: Mark) -> bool:
    """Make the namespace in use, and tell whether it was missing.

    Raises:
        JobError: The API refuses.
    """
    name = await kubectl.namespace()
    found = await kubectl.run("get", "namespace", name, "-o", "name", "--ignore-not-found", namespaced=False)
    if found.code or found.out.strip():
        return False  # Without the right to look it counts as there: we neither make nor delete it.
    metadata = {"name": name, "labels": mark.labels()}
    text = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    result = await kubectl.run("create", "-f", "-", "-o", "name", namespaced=False, stdin=text)
    if result.code and "already exists" not in result.err.lower():
        raise translate(result.err, "kubectl", Step.WRITE)
    return not result.code


async def remove(kubectl: Kubectl, helm: Helm, mark: Mark, job: str) -> str:
    """Remove the namespace if this run made it and it holds nothing of others; return a name for what was removed.

    Raises:
        JobError: The namespace stays: it holds objects of others or volume claims, or the API refuses.
    """
    from urllib.parse import quote

    name = await kubectl.namespace()
    found = await kubectl.run("get", "namespace", name, "-o", "json", "--ignore-not-found", namespaced=False)
    if found.code or not found.out.strip():
        return ""
    metadata = json.loads(found.out)["metadata"]
    if not mark.made(metadata.get("labels") or {}):
        return ""
    there = [o for o in await kubectl.items(KINDS) if not _is_being_removed(o["metadata"])]
    claims = [o["metadata"]["name"] for o in there if _is_claim_of(job, o)]
    names = [f"{o['kind']}/{o['metadata']['name']}" for o in there]
    mine = [*OWN, *(f"PersistentVolumeClaim/{name}" for name in claims)]
    others = [name for name in names if name not in mine]
    if others or await helm.releases(all_namespaces=False):
        what = f" ({', '.join(others[:3])})" if others else ""
        raise RefusedError(f"The namespace {name} stays: others have put something into it meanwhile{what}.")
    if claims:
        raise RefusedError(
            f"The namespace {name} stays, since claims of volumes of this job are in it ({', '.join(claims[:3])}): "
            f"`kubectl delete namespace {name}` removes both, with what the pods have written."
        )
    same = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    body = json.dumps({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": same})
    path = f"/api/v1/namespaces/{quote(name)}"
    result = await kubectl.run("delete", "--raw", path, "-f", "-", namespaced=False, stdin=body)
    if result.code:
        raise translate(result.err, "kubectl", Step.REMOVE)
    return f"the namespace {name}"
