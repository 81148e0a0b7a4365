"""The addresses of Ingresses: the host of their rule, or the address that their controller reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .model import Address
from .nodes import family, host_port
from .ways import View
from .workers import Object, listed, part

PORTS = {"http": 80, "https": 443}
"""Where an Ingress controller listens: an Ingress has no field for it."""


def addresses(items: Sequence[Object], view: View) -> Iterator[tuple[Object, Address]]:
    """Yield the addresses of a job's Ingresses; a pending one while no controller reports an address."""
    for item in items:
        base = view.base(item)
        spec = part(item, "spec")
        points = listed(part(item, "status", "loadBalancer"), "ingress")
        reported = tuple(host for point in points if (host := point.get("hostname") or point.get("ip") or ""))
        if not reported and base.state == "available":
            base = base._replace(state="pending", reason=_no_controller(spec.get("ingressClassName") or ""))
        scheme = "https" if spec.get("tls") else "http"
        for rule in listed(spec, "rules"):
            host = rule.get("host") or ""
            for one in listed(part(rule, "http"), "paths"):
                found = base._replace(leads_to=reported) if host else base
                for name in [host] if host else reported or [""]:
                    source = "hostname" if host else "status" if name else ""
                    yield item, _at(found._replace(host=name, source=source), scheme, one.get("path") or "/")


def _at(address: Address, scheme: str, path: str) -> Address:
    """Return the address with its number and, if there is a host, all that follows from it."""
    number = PORTS[scheme]
    if not address.host:
        return address._replace(number=number)
    host = f"[{address.host}]" if ":" in address.host else address.host
    return address._replace(
        number=number,
        family=family(address.host),
        address=host_port(address.host, number),
        url=f"{scheme}://{host}{path}",
    )


def _no_controller(name: str) -> str:
    """Return why an Ingress of a class, empty for the cluster's default one, has no address."""
    if name:
        return f"no Ingress controller has reported an address; is there one for the class {name}?"
    return "no Ingress controller has reported an address; is there a default IngressClass? ingress.className names one"
