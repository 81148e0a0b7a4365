"""The namespace that an install makes, and takes back when it is undone."""

from __future__ import annotations

from .helm import Helm
from .kube import Kubectl
from .messages import Step, translate


async def exists(kubectl: Kubectl) -> bool:
    """Tell whether the namespace in use exists; without the right to look it does: it is not ours to delete."""
    name = await kubectl.namespace()
    result = await kubectl.run("get", "namespace", name, "-o", "name", "--ignore-not-found", namespaced=False)
    return bool(result.code or result.out.strip())


async def make(kubectl: Kubectl) -> None:
    """Make the namespace in use, unless somebody has made it meanwhile.

    Raises:
        JobError: The API refuses.
    """
    result = await kubectl.run("create", "namespace", await kubectl.namespace(), namespaced=False)
    if result.code and "already exists" not in result.err.lower():
        raise translate(result.err, "kubectl", Step.WRITE)


async def remove(kubectl: Kubectl, helm: Helm) -> None:
    """Remove the namespace that an install has made, unless another job came into it meanwhile."""
    if not await helm.releases(all_namespaces=False):
        where = await kubectl.namespace()
        await kubectl.run("delete", "namespace", where, "--wait=false", "--ignore-not-found", namespaced=False)
