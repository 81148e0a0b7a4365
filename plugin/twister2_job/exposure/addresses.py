"""Finds the addresses of a job in its live Services, pods and nodes: pure functions over kubectl's output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..clients import further
from ..clients.resources import Cluster
from . import balancers, gateway, ingress
from . import nodes as node_table
from . import workers as worker_table
from .mode import MODE
from .model import CLOSED, Address, JobAddresses, Worker
from .nodes import NodeAddress, family, host_port
from .ways import EXPOSURE, PORT, WORKER, View, Way
from .workers import Object, listed, number, part

WAYS: dict[str, Way] = {"gateway": gateway.addresses, "ingress": ingress.addresses}
"""The ways in whose objects are no Services, and the functions that find their addresses."""
BEST = ("loadBalancer", "gateway", "ingress", "")
"""The ways in whose addresses come before all others, best first."""

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
    reads = further.entries(services, job)
    shared: list[Address] = []
    own: dict[int, list[Address]] = {}
    by_id = {w.id: w for w in workers}
    node_hosts = _NodeHosts(cluster)
    for service in sorted(exposures, key=lambda s: str(s["metadata"]["name"])):
        label = service["metadata"]["labels"].get(WORKER, "")
        behind = [by_id[number(label)]] if label and number(label, -1) in by_id else [] if label else workers
        found = [_with_url(a, mode) for a in _addresses_of(service, behind, node_hosts, address_type, cluster.objects)]
        if label:
            own.setdefault(number(label, -1), []).extend(found)
        else:
            shared.extend(found)
    for item, address in _of_further_kinds(cluster, workers, exposures) if reads else ():
        label = item["metadata"]["labels"].get(WORKER, "")
        (own.setdefault(number(label, -1), []) if label else shared).append(_with_url(address, mode))
    known = {w.id for w in workers}
    pods = {number(s["metadata"]["labels"].get(WORKER, ""), -1): _pod_of(s) for s in exposures}
    groups = worker_table.worker_sets(cluster.objects)
    reserved = [worker_table.reserved(groups, w, pods.get(w, "")) for w in own if w not in known]
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
        warnings=(
            *((NODES_FORBIDDEN,) if guessed else ()),
            *balancers.warnings(exposures),
            *(one.sentence for one in cluster.unread),
        ),
        mode=mode,
        reads=reads,
        unread=tuple(cluster.unread),
    )


def _of_further_kinds(
    cluster: Cluster, workers: Sequence[Worker], services: Sequence[Object]
) -> Iterator[tuple[Object, Address]]:
    """Yield the addresses that other objects than Services give, each with its object."""
    by_id = {w.id: w for w in workers}
    closed = {s["metadata"]["labels"].get(WORKER, "") for s in services if balancers.is_closed(s)}

    def base(item: Object) -> Address:
        metadata = item["metadata"]
        worker = metadata["labels"].get(WORKER, "")
        behind = [by_id[number(worker)]] if worker and number(worker, -1) in by_id else [] if worker else workers
        state, reason = ("reserved", CLOSED) if worker and worker in closed else _state(item, behind)
        return Address(
            via=metadata["labels"][EXPOSURE],
            port=metadata["labels"].get(PORT, "worker"),
            protocol="TCP",
            service=f"{item['kind']}/{metadata['name']}",
            state=state,
            reason=reason,
        )

    items: dict[str, list[Object]] = {}
    for item in cluster.objects:
        way = (item["metadata"].get("labels") or {}).get(EXPOSURE, "")
        if way in WAYS and item["kind"] != "Service":
            items.setdefault(way, []).append(item)
    for way in items:
        ordered = sorted(items[way], key=lambda o: str(o["metadata"]["name"]))
        yield from WAYS[way](ordered, View(base, cluster.others))


def _pod_of(service: Object) -> str:
    """Return the name of the pod behind the Service of a worker."""
    return str(part(service, "spec", "selector").get(POD_NAME, ""))


def _sorted(addresses: Iterable[Address]) -> list[Address]:
    """Put the best addresses first: one entry for all before nodes, and what only clients inside reach last.

    Node addresses keep their order, since sorting is stable.
    """
    return sorted(
        addresses,
        key=lambda a: (
            a.state != "available",
            a.source in node_table.INSIDE_ONLY,
            BEST.index("loadBalancer" if a.source == "loadBalancer" else a.via if a.via in BEST else ""),
            a.source != "advertised",
        ),
    )


def _with_url(address: Address, mode: str) -> Address:
    """Add `address` and `url` where host and number are known."""
    if address.url or not (address.host and address.number):
        return address
    scheme = "http" if mode == "echo" and address.protocol == "TCP" else address.protocol.lower()
    whole = address.address or host_port(address.host, address.number)
    return address._replace(address=whole, url=f"{scheme}://{whole}")


def _state(service: Object, behind: Sequence[Worker]) -> tuple[str, str]:
    """Return the state of a Service or another way in and the reason, from the workers behind it."""
    if service["metadata"].get("deletionTimestamp"):
        return "failed", f"the {service['kind']} is being deleted"
    if balancers.is_closed(service):
        return "reserved", CLOSED
    if not behind:
        return "reserved", "no worker runs behind it: the job is suspended or smaller"
    if any(w.ready for w in behind):
        return "available", ""
    if part(service, "spec").get("publishNotReadyAddresses") and any(w.node for w in behind):
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
    service: Object, behind: Sequence[Worker], node_hosts: _NodeHosts, address_type: str, objects: Sequence[Object]
) -> list[Address]:
    """Return the addresses of one Service."""
    metadata, spec = service["metadata"], part(service, "spec")
    via = metadata["labels"][EXPOSURE]
    annotations = metadata.get("annotations") or {}
    state, reason = _state(service, behind)
    preferred = address_type or annotations.get(ADDRESS_TYPE, "")
    balanced, source = spec.get("type") == "LoadBalancer", "advertised"
    result = []
    if balanced and state == "available" and not balancers.points(service):
        state, reason, source = "pending", balancers.why_pending(service, objects), balancers.BALANCER
    for index, port in enumerate(listed(spec, "ports")):
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
            own = base._replace(host=host, number=advertised or outside, family=family(host), source=source)
            if balanced:
                own = _behind(service, own, port)
            result.append(own)
        elif balanced:
            result += _load_balancer(service, base._replace(number=outside, source=balancers.BALANCER), port)
        elif node_port:
            result += _node_port(service, base._replace(number=node_port), behind, node_hosts, preferred)
        else:
            result += _cluster_ip(service, base._replace(number=outside))
    return result


def _behind(service: Object, address: Address, port: Object) -> Address:
    """Return the address at an advertised host with what is known of the load balancer behind it."""
    points = balancers.points(service)
    errors = [balancers.port_error(point, port) for point in points]
    if errors and all(errors):
        address = address._replace(state="failed", reason=balancers.unserved(errors[0]))
    return address._replace(leads_to=tuple(balancers.host_of(point) for point in points))


def _load_balancer(service: Object, base: Address, port: Object) -> list[Address]:
    """Return an address for each point of the load balancer; one without a host while there is none."""
    found = []
    for point in balancers.points(service):
        host = balancers.host_of(point)
        one = base._replace(host=host, family=family(host))
        if error := balancers.port_error(point, port):
            one = one._replace(state="failed", reason=balancers.unserved(error))
        found.append(one)
    return found or [base]


def _cluster_ip(service: Object, base: Address) -> list[Address]:
    """Return the addresses of a Service for clients inside the cluster: its DNS name and its cluster IPs."""
    metadata, spec = service["metadata"], part(service, "spec")
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
    if part(service, "spec").get("externalTrafficPolicy") == "Local":
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
