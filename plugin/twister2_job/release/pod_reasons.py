"""Finds out why the pods of a job are not ready: each cause once, however many pods have it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..clients.kubectl import Kubectl
from ..clients.messages.text import listed, short
from ..exposure.workers import Object, number, of_kind, pod_ready, reason_of, replicas

LOG_LINES = 5
MOST_CAUSES = 10
"""The most causes that are reported in full."""
NAMED = 2
"""The most pods that are named for a cause of several pods."""

# The words that the kubelet and containerd put around the reason why an image can't be pulled.
_WRAPPING = re.compile(
    r"rpc error: code = \w+ desc = |failed to do request: |failed to resolve image: |pull access denied, (?=repository)"
    r'|(?:Head|Get) "https?://[^"]*": '
)
_IMAGE = re.compile(
    r"(?:failed to pull and unpack image|[Ff]ailed to pull image|failed to resolve reference|failed to resolve image)"
    r' "([^"]*)": '
)
_CRASH = re.compile(r"back-off \S+ restarting failed container=?\s?(\S+)(?: in)? pod[= ]\S+", re.IGNORECASE)
_PULLS = ("ErrImagePull", "ImagePullBackOff")
_SAME = "ErrImagePull|ImagePullBackOff"
_EMPTY = {"error", "failed", "pod", "errimagepull", "imagepullbackoff"}
"""Words of a warning that carry no information."""
# Parts of a message that differ between pods, or change every second, within one cause.
_VARYING = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{13,}\b|\b\d+\.\d+\.\d+\.\d+(?::\d+)?\b|\[[0-9a-f:]+\](?::\d+)?"
    r"|\b[0-9a-f]{12,}\b|(?<!exit code )(?<!\d)\d+"
)


@dataclass
class Cause:
    """A reason, and the objects that have it.

    Attributes:
        text: The reason, as a sentence without its full stop.
        kind: Kind of the objects: `pod` or `StatefulSet`.
        names: Their names.
        crashed: The pods among them that have a container which ended.
    """

    text: str
    kind: str = "pod"
    names: list[str] = field(default_factory=list)
    crashed: list[Object] = field(default_factory=list)

    def line(self) -> str:
        """Return the cause with the names of the objects that have it."""
        if len(self.names) == 1:
            return f"{self.kind} {self.names[0]}: {self.text}"
        return f"{len(self.names)} {self.kind}s ({listed(self.names, NAMED)}): {self.text}"


async def reasons(kubectl: Kubectl, job: str, names: Sequence[str], *, logs: bool) -> list[str]:
    """Return why the job's pods are not ready, a line for each cause: state, newest warning event, last log lines.

    Args:
        kubectl: The client.
        job: Name of the job.
        names: Names of its StatefulSets.
        logs: Add the last log lines of a container that ended, once for each cause.
    """
    cluster, events = await asyncio.gather(
        kubectl.cluster(job, nodes=False), kubectl.items("events", "--field-selector=type=Warning")
    )
    found = causes(cluster.objects, events)
    lines = []
    for cause in found[:MOST_CAUSES]:
        lines.append(cause.line())
        if logs and cause.crashed:
            lines += [f"  {short(line)}" for line in await _last_log_lines(kubectl, cause.crashed[0])]
    if rest := found[MOST_CAUSES:]:
        lines.append(f"{sum(len(cause.names) for cause in rest)} more, of {len(rest)} other causes")
    return lines


def causes(objects: Iterable[Object], events: Sequence[Object]) -> list[Cause]:
    """Return the causes, in the order of the objects.

    Args:
        objects: The job's StatefulSets and pods.
        events: The warning events of the namespace.
    """
    objects, found = list(objects), dict[tuple[str, str], Cause]()
    about = _by_object(events)

    def add(kind: str, item: Object, text: str) -> Cause:
        name = item["metadata"]["name"]
        cause = found.setdefault((kind, _key(text, name)), Cause(text, kind))
        cause.names.append(name)
        return cause

    for item in of_kind(objects, "StatefulSet"):
        mine = about.get(("StatefulSet", item["metadata"]["name"]), [])
        if mine and number(item.get("status", {}).get("replicas")) < replicas(item):
            add("StatefulSet", item, unwrapped(_event_text(mine[0])))
    for pod in (p for p in of_kind(objects, "Pod") if not pod_ready(p)):
        cause = add("pod", pod, why(pod, about.get(("Pod", pod["metadata"]["name"]), [])))
        if _crashed(pod):
            cause.crashed.append(pod)
    return list(found.values())


def why(pod: Object, events: Sequence[Object]) -> str:
    """Return why a pod is not ready: its state, and the newest warning about it if that says more.

    Args:
        pod: The pod.
        events: The warnings about it, the newest first.
    """
    state = reason_of(pod)
    summary = unwrapped(state) + _exit_code(pod, state)
    scheduled = bool(pod.get("spec", {}).get("nodeName"))
    fresh = [e for e in events if not (scheduled and e.get("reason") == "FailedScheduling")]
    if state.startswith(_PULLS):  # The newest often says only that it waits; an older one has the image's problem.
        fresh = [*fresh[:1], *(e for e in fresh[1:] if "image" in str(e.get("message", "")))]
    else:
        fresh = fresh[:1]
    for event in fresh:
        text = unwrapped(_event_text(event))
        if not _repeats(text, state):
            text = re.sub(r'image "([^"]*)": ', lambda found: "" if found[1] in summary else found[0], text)
            return f"{short(summary, 160)} ({short(text, 120)})" if summary else text
    return summary


def unwrapped(text: str) -> str:
    """Return a message of Kubernetes about a pod without its wrapping words, in at most 200 characters."""
    text = _WRAPPING.sub("", " ".join(text.split()))
    seen: set[str] = set()

    def named(found: re.Match[str]) -> str:
        """Return the image's name at its first occurrence, later an empty text."""
        named_before = found[1] in seen or f'"{found[1]}"' in text[: found.start()]
        seen.add(found[1])
        return "" if named_before else f'image "{found[1]}": '

    return short(_CRASH.sub(r"container \1 ends each time and is started again", _IMAGE.sub(named, text)))


async def warnings_of(kubectl: Kubectl, kind: str, name: str) -> list[str]:
    """Return the newest warning about an object, if there is one."""
    chosen = f"type=Warning,involvedObject.kind={kind},involvedObject.name={name}"
    events = _by_object(await kubectl.items("events", f"--field-selector={chosen}"))
    return [unwrapped(_event_text(event)) for event in events.get((kind, name), [])[:1]]


def _by_object(events: Iterable[Object]) -> dict[tuple[str, str], list[Object]]:
    """Return the events by kind and name of their object, the newest first."""
    found: dict[tuple[str, str], list[Object]] = {}
    for event in sorted(events, key=_time, reverse=True):
        about = event.get("involvedObject") or {}
        found.setdefault((about.get("kind", ""), about.get("name", "")), []).append(event)
    return found


def _time(event: Object) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    times = (
        series,
        event.get("lastTimestamp"),
        event.get("eventTime"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    )
    return next((str(time) for time in times if time), "")


def _event_text(event: Object) -> str:
    return f"{event.get('reason', '')}: {str(event.get('message') or '').strip()}"


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z][a-z0-9._/-]{2,}", text.lower())) - _EMPTY


def _repeats(event: str, state: str) -> bool:
    """Tell whether a warning says little that the pod's state does not say already."""
    said, known = _words(event.partition(": ")[2]), _words(state)
    return len(said - known) <= len(said) / 3


def _exit_code(pod: Object, state: str) -> str:
    """Return the exit code of the container in a crash loop, which its state does not have; empty without one."""
    if not state.startswith("CrashLoopBackOff"):
        return ""
    for status in _statuses(pod):
        ended = (status.get("lastState") or {}).get("terminated") or {}
        if (status.get("state", {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff" and ended:
            why = ended.get("reason", "")
            named = f"{why}, " if why not in ("", "Error", "Completed") else ""
            return f" ({named}exit code {ended.get('exitCode', 0)})"
    return ""


def _key(text: str, name: str) -> str:
    """Return a key that is equal for all objects with the same cause."""
    group = name.rpartition("-")[0]
    text = text.replace(name, "#").replace(f"{group}-", "#-") if group else text.replace(name, "#")
    return _VARYING.sub("#", re.sub(_SAME, "pull", text))


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _crashed(pod: Object) -> list[str]:
    """Return the names of the pod's containers that have ended at least once."""
    return [
        s["name"]
        for s in _statuses(pod)
        if not s.get("ready") and (s.get("lastState") or "terminated" in s.get("state", {}))
    ]


async def _last_log_lines(kubectl: Kubectl, pod: Object) -> list[str]:
    """Return the last log lines of the first container that ended."""
    name, container = pod["metadata"]["name"], _crashed(pod)[0]
    for previous in ([], ["--previous"]):
        result = await kubectl.run("logs", name, "-c", container, f"--tail={LOG_LINES}", *previous)
        if result.code == 0 and result.out.strip():
            return result.out.strip().splitlines()
    return []
