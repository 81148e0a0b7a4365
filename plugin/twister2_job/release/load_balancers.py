"""What an upgrade would change at load balancers that Kubernetes doesn't change, or whose address would be lost."""

from __future__ import annotations

from collections.abc import Sequence

from ..exposure.balancers import points
from ..exposure.ways import WORKER
from ..exposure.workers import Object, of_kind

TYPE = "LoadBalancer"
FIXED = {"loadBalancerClass": "class", "healthCheckNodePort": "healthCheckNodePort"}
"""Fields of a Service that can't change as long as it is a load balancer, and the values that set them."""


def fixed_fields(live: Sequence[Object], rendered: Sequence[Object], before: Sequence[Object] = ()) -> list[str]:
    """Return a problem for each value that would change such a field.

    A field that the values don't set, and did not before, may be the cluster's own: an admission webhook sets a class.

    Args:
        live: The job's objects in the cluster.
        rendered: Those of the upgrade.
        before: The rendered objects of the revision that the upgrade builds on.
    """
    now = _balancers(live)
    was = _balancers(before)
    problems: dict[str, str] = {}
    for name, service in _balancers(rendered).items():
        for field, key in FIXED.items():
            wanted = service["spec"].get(field)
            has = now[name]["spec"].get(field) if name in now else wanted
            set_before = was[name]["spec"].get(field) if name in was else None
            unset = not wanted and (field != "loadBalancerClass" or not set_before)
            if has == wanted or unset or (field == "healthCheckNodePort" and not has):
                continue
            own = (service["metadata"].get("labels") or {}).get(WORKER) is not None
            path = f"perWorker.loadBalancer.{key}" if own else f"loadBalancer.{key}"
            steps = ("perWorker.type=NodePort", "perWorker.type=LoadBalancer")
            first, second = steps if own else ("loadBalancer.enabled=false", "loadBalancer.enabled=true")
            remedy = f"first set {first}, then {second} with the new one in a second upgrade"
            problems.setdefault(
                path,
                f"{path}: {has or 'none'} of Service {name} would become {wanted or 'none'}, and Kubernetes doesn't "
                f"change it; leave it as it is, or {remedy}, which gives up the load balancer's address",
            )
    return list(problems.values())


def address_of(service: Object) -> str:
    """Return the addresses of a Service's load balancer for a message; empty if it has none."""
    return ", ".join(str(point.get("hostname") or point.get("ip")) for point in points(service))


def keeps_node_ports(old: Object, new: Object) -> bool:
    """Tell whether a Service keeps its node ports while its type changes, or does not."""
    kinds = [str(one["spec"].get("type", "ClusterIP")) for one in (old, new)]
    gives = new["spec"].get("allocateLoadBalancerNodePorts", True) or kinds[0] == TYPE
    return kinds[0] == kinds[1] or ({*kinds} == {"NodePort", TYPE} and bool(gives))


def _balancers(objects: Sequence[Object]) -> dict[str, Object]:
    return {s["metadata"]["name"]: s for s in of_kind(objects, "Service") if s["spec"].get("type") == TYPE}
