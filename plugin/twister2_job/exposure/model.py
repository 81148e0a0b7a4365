"""The data that commands print and the Python API returns; `to_dict()` of each is what `-o json` shows.

These are named tuples, since importing `dataclasses` takes a third of the time in which kubectl answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..clients.resources import Unread

SCHEMA_VERSION = "v1"
CLOSED = "closed"
"""Reason of the reserved addresses of a worker that the values close."""


def exposing(job: str, block: str = "nodePort") -> str:
    """Return the command, quoted for a message, that enables an exposure and keeps all other values of a job."""
    return f"`twister2-job upgrade {job} --reset-then-reuse-values --set {block}.enabled=true`"


class Address(NamedTuple):
    """One address of a worker (or, if it is shared, of the job).

    Attributes:
        via: nodePort, perWorker, loadBalancer, gateway or ingress.
        port: Name of the worker's port.
        protocol: TCP, UDP or SCTP.
        host: DNS name or IP address, IPv6 without brackets; empty while there is none.
        number: Port number to connect to; 0 while there is none.
        address: `host:number`, IPv6 in brackets; empty unless both are known.
        url: The address as a URL; http or https behind an Ingress or an HTTP route, http for the echo worker, tcp or
            udp otherwise.
        family: IPv4, IPv6, or empty for DNS names.
        node: Node of the address; empty if it is not a node's.
        source: Origin of the host: a node address type, podHostIP, advertised, loadBalancer (also while it has no host
            yet), hostname (of an Ingress or a route), status (the address that its proxy reports), serviceDNS or
            clusterIP (these two for clients inside the cluster), or empty.
        service: Name of the Service; `Kind/name` of another object, such as `Ingress/job-worker`.
        state: available, pending, reserved or failed.
        reason: Why it is not available; empty if it is.
        leads_to: Where the host has to lead: the addresses of the proxy that answers for it; not in `to_dict()`.
    """

    via: str
    port: str
    protocol: str
    host: str = ""
    number: int = 0
    address: str = ""
    url: str = ""
    family: str = ""
    node: str = ""
    source: str = ""
    service: str = ""
    state: str = "pending"
    reason: str = ""
    leads_to: tuple[str, ...] = ()

    @property
    def by_url(self) -> bool:
        """Tell whether a proxy for HTTP answers, to which host and path of the URL say who is wanted."""
        return bool(self.url) and self.service.startswith(("Ingress/", "HTTPRoute/"))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready data."""
        found = self._asdict()
        del found["leads_to"]
        return found


class Worker(NamedTuple):
    """One worker of the job: `id` is Twister2's worker ID, `container` its index in the pod.

    A `reserved` worker doesn't run: the job is suspended, or has a Service for a worker that may be added later.
    """

    id: int
    group: int
    pod: str
    container: int
    node: str = ""
    ready: bool = False
    restarts: int = 0
    reason: str = ""
    reserved: bool = False
    addresses: tuple[Address, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of the address report as JSON-ready data."""
        shown = ("id", "group", "pod", "container", "node", "ready")
        return {name: getattr(self, name) for name in shown} | {"addresses": [a.to_dict() for a in self.addresses]}

    def to_status(self) -> dict[str, Any]:
        """Return the fields of the status report as JSON-ready data."""
        shown = ("id", "group", "pod", "container", "node", "ready", "restarts", "reason")
        return {name: getattr(self, name) for name in shown}


class JobAddresses(NamedTuple):
    """All addresses of a job, best first; `revision` is 0 if it is not known without asking Helm.

    `reads` names the further kinds of objects that the addresses were made of, `mode` what the workers run, and
    `unread` what could not be read: addresses may be missing for it. `to_dict()` has the last as warnings.
    """

    job: str
    namespace: str
    revision: int
    shared: tuple[Address, ...]
    workers: tuple[Worker, ...]
    warnings: tuple[str, ...] = ()
    mode: str = ""
    reads: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()

    def all(self) -> list[Address]:
        """Return the shared addresses, then those of each worker."""
        return [*self.shared, *(address for worker in self.workers for address in worker.addresses)]

    def to_dict(self) -> dict[str, Any]:
        """Return the versioned report: no field is ever null."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "job": self.job,
            "namespace": self.namespace,
            "revision": self.revision,
            "shared": [address.to_dict() for address in self.shared],
            "workers": [worker.to_dict() for worker in self.workers],
            "warnings": list(self.warnings),
        }
