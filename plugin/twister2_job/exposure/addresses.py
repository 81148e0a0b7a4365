"""Finds the addresses of a job in its live Services, pods and nodes: pure functions over kubectl's output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..clients.resources import Cluster
from . import nodes as node_table
from . import workers as worker_table
from .mode import MODE
from .model import Address, JobAddresses, Worker
from .nodes import NodeAddress, family, host_port
from .workers import Object, number

EXPOSURE = "twister2-job/exposure"
WORKER = "twister2-job/worker"
ADVERTISED_HOST = "twister2-job/advertised-host"
ADVERTISED_PORT = "twister2-job/advertised-port"
ADDRESS_TYPE = "twister2-job/address-type"
POD_NAME = "statefulset.kubernetes.io/pod-name"
REVISION = "twister2-job/revision"
NODES_FORBIDDEN = (
    "You may not read nodes, so these are the nodes' addresses as the pods see them, often internal ones; outside the "
    "cluster's network use a public address of the same node with the same port."
)


def report(job: str, cluster: Cluster, *, address_type: str = "") -> JobAddresses:
    """Return all addresses of `job`, available or not, best first.

    Args:
        job: Name of the job (the Helm release).
        cluster: What kubectl returned.
        address_type: Preferred type of node address, instead of the one in the chart's values; may be empty.
    """
    services = worker_table.of_kind(cluster.objects, "Service")
    workers = worker_table.table(cluster.objects)
    exposures = [s for s in services if EXPOSURE in (s["metadata"].get("labels") or {})]
    headless = [s for s in services if s["metadata"]["name"] == job]
    annotations = (headless[0]["metadata"].get("annotations") or {}) if headless else {}
    mode = annotations.get(MODE, "")
    shared: list[Address] = []
    own: dict[int, list[Address]] = {}
    by_id = {w.id: w for w in workers}
    node_hosts = _NodeHosts(cluster)
    for service in sorted(exposures, key=lambda s: str(s["metadata"]["name"])):
        label = service["metadata"]["labels"].get(WORKER, "")
        behind = [by_id[number(label)]] if label and number(label, -1) in by_id else [] if label else workers
        found = [_with_url(a, mode) for a in _addresses_of(service, behind, node_hosts, address_type)]
        if label:
            own.setdefault(number(label, -1), []).extend(found)
        else:
            shared.extend(found)
    known = {w.id for w in workers}
    pods = {number(s["metadata"]["labels"].get(WORKER, ""), -1): _pod_of(s) for s in exposures}
    groups = worker_table.worker_sets(cluster.objects)
    reserved = [worker_table.reserved(groups, w, pods[w]) for w in own if w not in known]
    rows = [w._replace(addresses=tuple(_sorted(own.get(w.id, [])))) for w in [*workers, *reserved]]
    everything = [*shared, *(a for w in rows for a in w.addresses)]
    guessed = any(address.source == node_table.POD_HOST_IP for address in everything)
    named = cluster.objects[0]["metadata"].get("namespace", "") if cluster.objects else ""
    return JobAddresses(
        job=job,
        namespace=named,
        revision=number(annotations.get(REVISION)),
        shared=tuple(_sorted(shared)),
        workers=tuple(sorted(rows, key=lambda w: w.id)),
        warnings=(NODES_FORBIDDEN,) if guessed else (),
        mode=mode,
    )


def _pod_of(service: Object) -> str:
    """Return the name of the pod behind the Service of a worker."""
    return str((service["spec"].get("selector") or {}).get(POD_NAME, ""))


def _sorted(addresses: Iterable[Address]) -> list[Address]:
    """Put load balancers and advertised hosts first, and addresses for clients inside the cluster last.

    Node addresses keep their order, since sorting is stable.
    """
    return sorted(
        addresses,
        key=lambda a: (
            a.state != "available",
            a.via != "loadBalancer",
            a.source != "advertised",
            a.source in node_table.INSIDE_ONLY,
        ),
    )


def _with_url(address: Address, mode: str) -> Address:
    """Add `address` and `url` where host and number are known."""
    if not (address.host and address.number):
        return address
    scheme = "http" if mode == "echo" and address.protocol == "TCP" else address.protocol.lower()
    whole = host_port(address.host, address.number)
    return address._replace(address=whole, url=f"{scheme}://{whole}")


def _state(service: Object, behind: Sequence[Worker]) -> tuple[str, str]:
    """Return the state of a Service and the reason, from the workers behind it."""
    if service["metadata"].get("deletionTimestamp"):
        return "failed", "the Service is being deleted"
    if not behind:
        return "reserved", "no worker runs behind it: the job is suspended or smaller"
    if any(w.ready for w in behind):
        return "available", ""
    if service["spec"].get("publishNotReadyAddresses") and any(w.node for w in behind):
        return "available", ""
    first = behind[0]
    which = f"worker {first.id}" if len(behind) == 1 else f"no worker is ready; worker {first.id}"
    return "pending", f"{which} ({first.pod}): {first.reason}"


class _NodeHosts:
    """The addresses of the nodes, computed once for all Services of a job."""

    def __init__(self, cluster: Cluster) -> None:
        """Store the pods and the nodes' addresses; without the right to read nodes the pods have them."""
        self.may_read_nodes = cluster.nodes is not None
        self._pods = {p["metadata"]["name"]: p for p in worker_table.of_kind(cluster.objects, "Pod")}
        self._nodes = node_table.addresses_of_nodes(cluster.nodes or [])

    def for_workers(self, behind: Sequence[Worker]) -> list[NodeAddress]:
        """Return the addresses of the Ready nodes; without the right to read nodes those of the workers' pods."""
        if self.may_read_nodes:
            return self._nodes
        return node_table.addresses_of_pods(self._pods[w.pod] for w in behind if w.pod in self._pods)


def _addresses_of(
    service: Object, behind: Sequence[Worker], node_hosts: _NodeHosts, address_type: str
) -> list[Address]:
    """Return the addresses of one Service."""
    metadata, spec = service["metadata"], service["spec"]
    via = metadata["labels"][EXPOSURE]
    annotations = metadata.get("annotations") or {}
    state, reason = _state(service, behind)
    preferred = address_type or annotations.get(ADDRESS_TYPE, "")
    balanced = spec.get("type") == "LoadBalancer"
    result = []
    for index, port in enumerate(spec.get("ports") or []):
        base = Address(
            via=via,
            port=port.get("name") or "worker",
            protocol=port.get("protocol", "TCP"),
            service=metadata["name"],
            state=state,
            reason=reason,
        )
        node_port = number(port.get("nodePort"))
        outside = number(port.get("port")) if balanced or not node_port else node_port
        if state == "reserved" and not balanced:
            # The port number is known, but not the node.
            result.append(base._replace(number=outside))
        elif host := annotations.get(ADVERTISED_HOST, ""):
            advertised = number(annotations.get(ADVERTISED_PORT)) if index == 0 else 0
            advertised = advertised or number(annotations.get(f"{ADVERTISED_PORT}-{base.port}"))
            own = base._replace(host=host, number=advertised or outside, family=family(host), source="advertised")
            result.append(own)
        elif balanced:
            result += _load_balancer(service, base, outside)
        elif node_port:
            result += _node_port(service, base._replace(number=node_port), behind, node_hosts, preferred)
        else:
            result += _cluster_ip(service, base._replace(number=outside))
    return result


def _load_balancer(service: Object, base: Address, outside: int) -> list[Address]:
    """Return an address for each ingress point of the load balancer; a pending one while there is none."""
    points = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    hosts = [host for point in points if (host := point.get("hostname") or point.get("ip") or "")]
    if not hosts:
        reason = "the load balancer has no address yet; is there a load-balancer controller in this cluster?"
        return [
            base._replace(
                number=outside,
                state="pending" if base.state == "available" else base.state,
                reason=base.reason or reason,
            )
        ]
    return [base._replace(host=h, number=outside, family=family(h), source="loadBalancer") for h in hosts]


def _cluster_ip(service: Object, base: Address) -> list[Address]:
    """Return the addresses of a Service for clients inside the cluster: its DNS name and its cluster IPs."""
    metadata, spec = service["metadata"], service["spec"]
    name = f"{metadata['name']}.{metadata.get('namespace', '')}.svc"
    hosts = [h for h in spec.get("clusterIPs") or [spec.get("clusterIP", "")] if h and h != "None"]
    named = base._replace(host=name, source=node_table.SERVICE_DNS)
    return [named, *(base._replace(host=h, family=family(h), source=node_table.CLUSTER_IP) for h in hosts)]


def _node_port(
    service: Object, base: Address, behind: Sequence[Worker], node_hosts: _NodeHosts, preferred: str
) -> list[Address]:
    """Return one address for each node address that leads to the Service."""
    hosting = frozenset(w.node for w in behind if w.ready and w.node)
    known = usable = node_hosts.for_workers(behind)
    if service["spec"].get("externalTrafficPolicy") == "Local":
        usable = [a for a in known if a.node in hosting]
    elif WORKER in service["metadata"]["labels"]:
        # Every node answers, but the worker's own saves a hop; the others are used if that one is not Ready.
        usable = [a for a in known if a.node in {w.node for w in behind}] or known
    if not usable:
        if base.state == "available":
            why = "no node is Ready" if node_hosts.may_read_nodes else "no pod tells its node's address yet"
            base = base._replace(state="pending", reason=why)
        return [base]
    chosen = node_table.ordered(usable, preferred=preferred, hosting=hosting)
    return [base._replace(host=a.host, family=family(a.host), node=a.node, source=a.type) for a in chosen]
