"""What an upgrade gives up of ways in whose objects are no Services: routes, ListenerSets and Ingresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..clients.messages.text import listed
from ..exposure.ways import EXPOSURE, WORKER
from ..exposure.workers import Object

LISTENER_SET = "ListenerSet"


class Place(NamedTuple):
    """Where clients come in.

    Attributes:
        what: Host and path, or port; empty for a route that has no hosts.
        detail: What else has to stay the same for a client to reach the same: the Gateway, the listener, the protocol.
    """

    what: str
    detail: str


def lost_ways(before: Sequence[Object], rendered: Sequence[Object]) -> list[str]:
    """Return sentences for the routes, ListenerSets and Ingresses that an upgrade removes or leads elsewhere.

    Args:
        before: The rendered objects of the revision that the upgrade builds on.
        rendered: Those of the upgrade.
    """
    kept = _ways(rendered)
    listeners = {place for one in kept.values() if one["kind"] == LISTENER_SET for place in _places(one)}
    shared: list[str] = []
    own: dict[str, list[str]] = {}
    for key, item in _ways(before).items():
        now = listeners if item["kind"] == LISTENER_SET else set(_places(kept[key]) if key in kept else [])
        lost = _gone(_places(item), now)
        # A listener moves from one ListenerSet to another with its port.
        if not lost and (key in kept or item["kind"] == LISTENER_SET):
            continue
        text = f"{item['kind']} {item['metadata']['name']}" + (f" ({listed(lost)})" if lost else "")
        if _of_workers(item):
            own.setdefault(item["metadata"]["labels"][EXPOSURE], []).append(text)
        else:
            shared.append(text)
    sentences = []
    if shared:
        sentences.append(f"{listed(shared)}: this way in is given up; nobody holds its hosts or ports for a later one.")
    for way, texts in own.items():
        on = any(_of_workers(one) and one["metadata"]["labels"][EXPOSURE] == way for one in kept.values())
        keeps = "the same number, ports and hosts" if on else f"{way}.perWorker.enabled=true"
        sentences.append(f"{listed(texts)}: these ways in of single workers are given up; {keeps} would keep them.")
    return sentences


def _ways(objects: Iterable[Object]) -> dict[tuple[str, str], Object]:
    """Return the objects of ways in that are no Services, by kind and name."""
    return {
        (str(one["kind"]), str(one["metadata"]["name"])): one
        for one in objects
        if one.get("kind") != "Service" and EXPOSURE in (one["metadata"].get("labels") or {})
    }


def _of_workers(item: Object) -> bool:
    """Tell whether an object leads to single workers."""
    return item["kind"] == LISTENER_SET or WORKER in item["metadata"]["labels"]


def _places(item: Object) -> list[Place]:
    """Return the places at which clients come in, as far as the object says."""
    spec = item.get("spec") or {}
    if item["kind"] == LISTENER_SET:
        at = _parent(spec.get("parentRef") or {})
        return [
            Place(f"port {one['port']}", f"for {one['name']} by {one['protocol']} at {at}")
            for one in spec.get("listeners") or []
        ]
    if item["kind"] == "Ingress":
        secure = {host for one in spec.get("tls") or [] for host in one.get("hosts") or []}
        of_class = f"of class {spec['ingressClassName']}" if spec.get("ingressClassName") else "of the default class"
        return [
            Place(
                f"{rule.get('host') or 'any host'}{path.get('path') or '/'}",
                f"by {'HTTPS' if rule.get('host') in secure else 'HTTP'} {of_class}",
            )
            for rule in spec.get("rules") or []
            for path in (rule.get("http") or {}).get("paths") or []
        ]
    hosts = spec.get("hostnames") or [""]
    # The listeners of the job's own ListenerSets are places of these, and may move from one to another.
    parents = [ref for ref in spec.get("parentRefs") or [] if ref.get("kind") != LISTENER_SET]
    return [Place(str(host), f"at {_parent(ref)}") for host in hosts for ref in parents]


def _parent(ref: Object) -> str:
    """Return words for a Gateway, and for its listener if the reference names one."""
    name = "/".join(part for part in (ref.get("namespace"), ref.get("name")) if part)
    listener = f" listener {ref['sectionName']}" if ref.get("sectionName") else ""
    return f"the Gateway {name}{listener}" + (f" port {ref['port']}" if ref.get("port") else "")


def _gone(places: Sequence[Place], now: set[Place]) -> list[str]:
    """Return words for the places that are not among `now`: with what has changed if the host or port itself stays."""
    stay = {place.what for place in now}
    lost = [place for place in places if place not in now]
    words = [f"{place.what} {place.detail}".strip() if place.what in stay else place.what for place in lost]
    return list(dict.fromkeys(word for word in words if word))
