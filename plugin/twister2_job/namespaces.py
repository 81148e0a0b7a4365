"""The namespace that an install makes, and takes back when it is undone."""

from __future__ import annotations

import json

from .helm import Helm
from .kube import Kubectl
from .marks import Mark
from .messages import Step, translate


async def make(kubectl: Kubectl, mark: Mark) -> bool:
    """Make the namespace in use, and tell whether it was missing.

    Raises:
        JobError: The API refuses.
    """
    name = await kubectl.namespace()
    found = await kubectl.run("get", "namespace", name, "-o", "name", "--ignore-not-found", namespaced=False)
    if found.code or found.out.strip():
        return False  # Without the right to look it is there: it is not ours to make, nor to delete.
    metadata = {"name": name, "labels": mark.labels()}
    text = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    result = await kubectl.run("create", "-f", "-", "-o", "name", namespaced=False, stdin=text)
    if result.code and "already exists" not in result.err.lower():
        raise translate(result.err, "kubectl", Step.WRITE)
    return not result.code


async def remove(kubectl: Kubectl, helm: Helm, mark: Mark) -> str:
    """Remove the namespace if this run made it and no other job came into it meanwhile; return what was removed."""
    name = await kubectl.namespace()
    found = await kubectl.run("get", "namespace", name, "-o", "json", "--ignore-not-found", namespaced=False)
    if found.code or not found.out.strip():
        return ""
    if not mark.made(json.loads(found.out)["metadata"].get("labels") or {}):
        return ""
    if await helm.releases(all_namespaces=False):
        return ""
    result = await kubectl.run("delete", "namespace", name, "--wait=false", "--ignore-not-found", namespaced=False)
    if result.code:
        raise translate(result.err, "kubectl", Step.REMOVE)
    return f"the namespace {name}"
