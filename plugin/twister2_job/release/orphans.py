"""Orphans: objects of a job that are not in its release, left by a failed upgrade or a broken uninstall.

Helm does not know of them: no later upgrade or uninstall removes them, and the next install of that name adopts them.
An exposure among them is open to the world while the values say that it is closed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from ..clients.messages.text import listed
from ..errors import BusyError, JobError, OutOfTimeError, RefusedError
from ..exposure.workers import Object, number
from .job_objects import KINDS, objects_of, path_of
from .operation import Tools, within
from .storage import place_of

DELETION_WAIT = 30.0
"""Seconds to wait until the objects of an earlier run of the same name are deleted: an install would adopt them."""
AT_ONCE = 8
"""Number of objects that are removed at the same time."""
TRIES = 4
"""How often an object's removal is tried while only its status changes."""
SWEEP = 60.0
"""Seconds that the removal of all orphans may take."""


@dataclass(frozen=True)
class Orphans:
    """Objects of a job that are not in its release.

    Attributes:
        made_by_helm: Those that Helm made for this very release: they can be removed.
        others: All others with the job's labels: somebody made them on purpose.
    """

    made_by_helm: Sequence[Object]
    others: Sequence[Object]

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.made_by_helm or self.others)


def names(objects: Iterable[Object], most: int = 5) -> str:
    """Return the kinds and names of objects for a sentence, StatefulSets first and always in the same order."""
    order = ["StatefulSet", *KINDS]
    found = [f"{o['kind']} {o['metadata']['name']}" for o in sorted(objects, key=lambda o: _place(o, order))]
    return listed(found, most)


def _place(item: Object, order: Sequence[str]) -> tuple[int, str]:
    kind = item["kind"]
    return order.index(kind) if kind in order else len(order), item["metadata"]["name"]


def find_orphans(live: Iterable[Object], manifest: Iterable[Object], job: str, namespace: str) -> Orphans:
    """Return the live objects that are not in a release's manifest.

    Objects that are being deleted, or have an owner, are left out: they go without us.

    Args:
        live: The job's objects in the cluster.
        manifest: The objects in Helm's manifest of the release.
        job: Name of the job: the release.
        namespace: Its namespace.
    """
    kept = {(o["kind"], o["metadata"]["name"]) for o in manifest}
    made_by_helm: list[Object] = []
    others: list[Object] = []
    for item in live:
        metadata = item["metadata"]
        if (item["kind"], metadata["name"]) in kept or metadata.get("deletionTimestamp"):
            continue
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        if metadata.get("ownerReferences"):
            continue
        of_release = (
            labels.get("app.kubernetes.io/managed-by") == "Helm"
            and annotations.get("meta.helm.sh/release-name") == job
            and annotations.get("meta.helm.sh/release-namespace") == namespace
            and annotations.get("helm.sh/resource-policy") != "keep"
            and item["kind"] in KINDS
        )
        (made_by_helm if of_release else others).append(item)
    return Orphans(made_by_helm, others)


async def require_unowned(kubectl: Kubectl, job: str, objects: Iterable[Object], *, running: bool) -> None:
    """Check that objects whose release is missing are really leftovers.

    Args:
        kubectl: The client.
        job: Name of the job.
        objects: Objects that Helm made for a release of this name, which is not found.
        running: Whether they may have running pods.

    Raises:
        BusyError: Another run has made the release since we looked for it.
        RefusedError: Helm keeps the release where HELM_DRIVER does not look, or the objects have running pods.
    """
    made = list(objects)
    place, known = await place_of(kubectl, job) if made else ("", False)
    if known:
        raise BusyError(
            f"Another run has made the release {job} in this moment.",
            f"`twister2-job status {job}` shows how far it is.",
        )
    if place:
        raise RefusedError(
            f"{names(made)}: Helm keeps a release {job} as {place}, where HELM_DRIVER does not look.",
            "Set HELM_DRIVER to where that release is (secret or configmap).",
        )
    alive = [o for o in made if number(o.get("status", {}).get("replicas")) and not running]
    if alive:
        raise RefusedError(
            f"{names(alive)}: there is no release {job}, and these have pods that run.",
            f"`twister2-job uninstall {job}` removes them; or take another job name.",
        )


async def remove(kubectl: Kubectl, objects: Iterable[Object], removed: list[Object]) -> list[str]:
    """Remove objects, each only if nobody has changed it since it was read; return a sentence for each that stays.

    The API server compares: an object that another run took over meanwhile, such as an upgrade that adopts it, stays.

    Args:
        kubectl: The client.
        objects: The objects.
        removed: Each removed object is appended to it, so that they are known even if the time runs out.
    """
    turn, problems = asyncio.Semaphore(AT_ONCE), list[str]()

    async def one(item: Object) -> None:
        async with turn:
            if why := await _remove(kubectl, item):
                problems.append(f"{names([item])} stays: {why}")
            else:
                removed.append(item)

    order = list(KINDS)
    tasks = [asyncio.ensure_future(one(o)) for o in sorted(objects, key=lambda o: order.index(o["kind"]))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return problems


async def _remove(kubectl: Kubectl, item: Object) -> str:
    """Remove one object; return why it stays, empty if it is gone."""
    for _ in range(TRIES):
        metadata: Any = item["metadata"]
        same = {"uid": metadata["uid"]}
        if item["kind"] != "StatefulSet":  # Its status changes all the time.
            same["resourceVersion"] = metadata["resourceVersion"]
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": same, "propagationPolicy": "Background"}
        path = path_of(item)
        try:
            result = await kubectl.run("delete", "--raw", path, "-f", "-", namespaced=False, stdin=json.dumps(body))
            low = result.err.lower()
            if not result.code or "not found" in low or "notfound" in low:
                return ""
            if "conflict" not in low and "precondition" not in low:
                return translate(result.err, "kubectl", Step.REMOVE).message
            now = await kubectl.run("get", "--raw", path, namespaced=False)
        except JobError as error:
            return error.message
        # A controller writes the status of a load balancer, a route or an Ingress whenever it likes.
        if now.code or _owned(item) != _owned(item := json.loads(now.out)):
            break
    return "it has been changed meanwhile."


def _owned(item: Object) -> tuple[object, ...]:
    """Return what of an object another run of Helm, or a user, would have changed, and a controller would not."""
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    helms = {key: value for key, value in annotations.items() if key.startswith("meta.helm.sh/")}
    content = {key: value for key, value in item.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    return metadata["uid"], metadata.get("labels"), metadata.get("ownerReferences"), helms, content


async def clear(tools: Tools, job: str, rendered: Sequence[Object]) -> None:
    """Clear the namespace for an install where there is no release, and say what was removed.

    Waits until nothing of an earlier run is being deleted, then removes the objects that Helm made for that run and
    the new install does not have.

    Args:
        tools: The programs, for the namespace.
        job: Name of the job.
        rendered: The objects of the install.

    Raises:
        BusyError: Something is still being deleted.
        RefusedError: The objects of an earlier run have running pods: Helm would adopt them.
    """
    until = time.monotonic() + DELETION_WAIT
    while True:
        live = await objects_of(tools.kubectl, job)
        deleting = [item for item in live if item["metadata"].get("deletionTimestamp")]
        if not deleting:
            break
        if time.monotonic() > until:
            raise BusyError(
                f"{names(deleting[:1])} of an earlier run is still being deleted.", "Wait, or take another job name."
            )
        await asyncio.sleep(1)
    made = find_orphans(live, [], job, await tools.kubectl.namespace()).made_by_helm
    await require_unowned(tools.kubectl, job, made, running=False)
    removed, problems = await sweep(tools, job, rendered, 0)
    if removed:
        tools.say(f"Removed what an earlier run of {job} had left: {names(removed)}.")
    for sentence in problems:
        tools.say(sentence)


async def sweep(
    tools: Tools, job: str, manifest: Sequence[Object], revision: int, *, limit: float = SWEEP
) -> tuple[list[Object], list[str]]:
    """Remove the objects that Helm made for a release and that the release does not have.

    Args:
        tools: The programs, for the release's namespace.
        job: Name of the job: the release.
        manifest: The objects of its newest revision, or of the one that is live.
        revision: Its newest revision; 0 if there is no release.
        limit: Seconds for the whole removal.

    Returns:
        The removed objects, and a sentence for each object that stays. Nothing is removed if another run has begun,
        since the objects may be its own.

    Raises:
        BusyError: Another run has made the release since we looked for it.
        RefusedError: Helm keeps the release where HELM_DRIVER does not look.
        JobError: The objects can't be read.
    """
    removed: list[Object] = []
    work = _sweep(tools, job, manifest, revision, removed)
    late = "What the release does not have is not all removed."
    try:
        return removed, await within(time.monotonic() + limit, work, late)
    except OutOfTimeError as error:
        return removed, [f"{error.message} `twister2-job status {job}` shows what is left."]


async def _sweep(tools: Tools, job: str, manifest: Sequence[Object], revision: int, removed: list[Object]) -> list[str]:
    kubectl = tools.kubectl
    if revision and not manifest:
        return []  # An empty manifest means that the release could not be read.
    found = find_orphans(await objects_of(kubectl, job), manifest, job, await kubectl.namespace())
    notes = [f"{names(found.others)}: labelled as {job}'s, but not made by Helm for it."] if found.others else []
    if not found.made_by_helm:
        return notes
    if not revision:
        await require_unowned(kubectl, job, found.made_by_helm, running=True)
    # Read after the objects: a later run makes its revision before its objects.
    last = await tools.newest(job)
    if (last.number if last else 0) != revision:
        return notes
    return [*await remove(kubectl, found.made_by_helm, removed), *notes]
