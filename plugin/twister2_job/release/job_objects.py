"""All live objects of a job, of whatever kind the chart makes."""

from __future__ import annotations

import asyncio
import json

from ..clients import further
from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from ..clients.resources import release_selector
from ..exposure.workers import Object

GATEWAY = "gateway.networking.k8s.io"
ROUTES = {kind: f"{plural}.{GATEWAY}" for plural, kind in further.KINDS.items() if kind not in ("Ingress", "Gateway")}
KINDS = {
    "Service": "services",
    "Ingress": "ingresses.networking.k8s.io",
    **ROUTES,
    "StatefulSet": "statefulsets.apps",
    "ConfigMap": "configmaps",
    "NetworkPolicy": "networkpolicies.networking.k8s.io",
    "PodDisruptionBudget": "poddisruptionbudgets.policy",
    "ServiceAccount": "serviceaccounts",
    "RoleBinding": "rolebindings.rbac.authorization.k8s.io",
    "Role": "roles.rbac.authorization.k8s.io",
}
"""The kinds that the chart makes, by the resource's name for kubectl. Ways in come first, so that they end first."""
_PARTLY = "unable to retrieve the complete list of server APIs"


def path_of(item: Object) -> str:
    """Return the API's path of a live object of one of these kinds."""
    from urllib.parse import quote

    metadata, version = item["metadata"], item["apiVersion"]
    plural = KINDS[item["kind"]].partition(".")[0]
    prefix = f"apis/{version}" if "/" in version else f"api/{version}"
    return f"/{prefix}/namespaces/{quote(metadata['namespace'])}/{plural}/{quote(metadata['name'])}"


async def objects_of(kubectl: Kubectl, job: str) -> list[Object]:
    """Return the live objects of a job of all kinds that the cluster serves and the user may list.

    Raises:
        JobError: The API can't be reached, or does not tell which kinds it serves.
    """
    always = [name for kind, name in KINDS.items() if kind not in ROUTES]
    found = await asyncio.gather(_listed(kubectl, job, always), _routes(kubectl, job))
    return [item for items in found for item in items]


async def _routes(kubectl: Kubectl, job: str) -> list[Object]:
    """Return the objects of the kinds that a cluster serves only if somebody has installed them.

    kubectl lists nothing at all if one of the kinds is not served. It fails if it can't find out about any group, and
    names those groups; only this one matters.

    Raises:
        JobError: Which kinds are served can't be found out, so that objects of them would be missed.
    """
    served = await kubectl.run("api-resources", f"--api-group={GATEWAY}", "-o", "name", namespaced=False)
    if served.code and (_PARTLY not in served.err or GATEWAY in served.err):
        raise translate(served.err, "kubectl", Step.READ)
    names = [name for name in served.out.split() if name in ROUTES.values()]
    return await _listed(kubectl, job, names) if names else []


async def _listed(kubectl: Kubectl, job: str, names: list[str]) -> list[Object]:
    words = ("get", ",".join(names), "-l", release_selector(job), "--chunk-size=0", "-o", "json")
    result = await kubectl.run(*words)
    try:
        found: list[Object] = json.loads(result.out).get("items", [])  # Only of the kinds that the user may list.
    except ValueError:
        raise translate(result.err, "kubectl", Step.READ) from None
    return found
