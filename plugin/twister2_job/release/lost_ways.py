"""What an upgrade gives up of ways in whose objects are no Services: routes, ListenerSets and Ingresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..clients.messages.text import listed
from ..exposure.ways import EXPOSURE, WORKER
from ..exposure.workers import Object

LISTENER_SET = "ListenerSet"


def lost_ways(before: Sequence[Object], rendered: Sequence[Object]) -> list[str]:
    """Return sentences for the routes, ListenerSets and Ingresses that an upgrade removes, or whose hosts or ports.

    Args:
        before: The rendered objects of the revision that the upgrade builds on.
        rendered: Those of the upgrade.
    """
    kept = _ways(rendered)
    listeners = {place for one in kept.values() if one["kind"] == LISTENER_SET for place in _places(one)}
    shared: list[str] = []
    own: dict[str, list[str]] = {}
    for key, item in _ways(before).items():
        now = listeners if item["kind"] == LISTENER_SET else _places(kept[key]) if key in kept else []
        lost = [place for place in _places(item) if place not in now]
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


def _places(item: Object) -> list[str]:
    """Return the places at which clients come in, as far as the object says: hosts and paths, or ports of listeners."""
    spec = item.get("spec") or {}
    if item["kind"] == LISTENER_SET:
        return [f"port {one['port']}" for one in spec.get("listeners") or []]
    if item["kind"] == "Ingress":
        return [
            f"{rule.get('host') or 'any host'}{path.get('path') or '/'}"
            for rule in spec.get("rules") or []
            for path in (rule.get("http") or {}).get("paths") or []
        ]
    return [str(host) for host in spec.get("hostnames") or []]
