"""Volume claims of a job: which of their settings can't change, and which claims stay when the job is removed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..clients.kubectl import Kubectl
from ..clients.messages.text import listed
from ..clients.resources import selector
from ..errors import JobError, ValuesError
from ..exposure.workers import Object, own_sets

if TYPE_CHECKING:
    from fractions import Fraction

TEMPLATES = "volumeClaimTemplates"
NAME = "persistent-volume"
"""Name of the chart's claim template: a claim is NAME-POD."""
SIZES = ("size", "jobMasterSize")
"""Values of `persistence` that are sizes."""
_THOUSANDTHS: dict[str, int] = {
    "": 1000, "m": 1, **{unit: 1000 * 1000**power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1000 * 1024**power for power, unit in enumerate("KMGTPE", 1)},
}  # fmt: skip


def size(text: object) -> Fraction | str:
    """Return a size in thousandths of a byte, since the API server writes 1024Mi as 1Gi; other text as it is."""
    found = re.fullmatch(r"([0-9]*[.]?[0-9]+|[0-9]+[.])([A-Za-z]*)", str(text))
    if not found or found[2] not in _THOUSANDTHS:
        return str(text)
    from fractions import Fraction  # Imported here, since most installs compare no sizes.

    return Fraction(found[1]) * Fraction(_THOUSANDTHS[found[2]])


def _claim_settings(stateful_set: Object) -> dict[str, Any]:
    """Return the settings of a StatefulSet's claims, by their key in `persistence`; empty if it has no claims."""
    templates: Sequence[Mapping[str, Any]] = stateful_set["spec"].get(TEMPLATES) or []
    if not templates:
        return {}
    master = stateful_set["metadata"]["name"].endswith("-jm")
    metadata, spec = templates[0]["metadata"], templates[0]["spec"]
    return {
        "jobMasterSize" if master else "size": spec["resources"]["requests"]["storage"],
        "storageClass": spec.get("storageClassName"),
        "accessModes": spec.get("accessModes"),
        "annotations": metadata.get("annotations") or {},
        "labels": metadata.get("labels") or {},
    }


def changed(live: Sequence[Object], rendered: Sequence[Object], job: str) -> list[str]:
    """Return a problem for each changed value of `persistence`: Kubernetes can't change claims of a StatefulSet.

    Args:
        live: The job's objects in the cluster.
        rendered: Those of the upgrade.
        job: Name of the job.
    """
    known = {s["metadata"]["name"]: s for s in own_sets(live, job)}
    problems: dict[str, str] = {}
    anew = (
        "fix the node ports that you want to keep as values, then "
        f"`twister2-job uninstall {job} --wait` and install it anew, or install a job of another name"
    )
    for stateful_set in own_sets(rendered, job):
        name = stateful_set["metadata"]["name"]
        if name not in known:
            continue
        before, after = _claim_settings(known[name]), _claim_settings(stateful_set)
        if not before and after:
            problems.setdefault(
                "enabled", f"StatefulSet {name} is there without claims, and Kubernetes adds none to it; {anew}"
            )
        elif before and not after:
            problems.setdefault(
                "enabled", f"StatefulSet {name} has claims, and Kubernetes takes none from one that is there; {anew}"
            )
        elif before:
            for key, value in before.items():
                same = size(value) == size(after[key]) if key in SIZES else value == after[key]
                if not same:
                    problems.setdefault(key, _change_refused(name, key, value, after[key], anew))
    return [f"persistence.{key}: {text}" for key, text in problems.items()]


def _change_refused(name: str, key: str, before: object, after: object, anew: str) -> str:
    """Return the problem of a value that would change."""
    larger = ""
    if key in SIZES:
        larger = "; to have larger volumes raise spec.resources.requests.storage of the claims themselves"
    return (
        f"{before or 'nothing'} of StatefulSet {name}, which is there, would become {after or 'nothing'}, and "
        f"Kubernetes can't change claim templates; leave it as it is{larger}, or {anew}"
    )


def wanted(rendered: Sequence[Object], job: str) -> bool:
    """Tell whether the pods of a job with these objects get volume claims."""
    return any(_claim_settings(s) for s in own_sets(rendered, job))


async def require_fitting(kubectl: Kubectl, rendered: Sequence[Object], job: str) -> None:
    """Check the claims that an earlier job of the same name has left: the pods would use them as they are.

    Larger claims fit, since they may have been enlarged. Without the right to list claims nothing is checked.

    Args:
        kubectl: The client.
        rendered: The objects of the install.
        job: Name of the job.

    Raises:
        ValuesError: A claim has another storage class than the values ask for, or is smaller.
    """
    sets = {s["metadata"]["name"]: facts for s in own_sets(rendered, job) if (facts := _claim_settings(s))}
    try:
        found = await kubectl.items("persistentvolumeclaims", "-l", selector(job)) if sets else []
    except JobError:
        return
    problems: dict[str, str] = {}
    for claim in found:
        name = claim["metadata"]["name"]
        facts = sets.get(name.removeprefix(f"{NAME}-").rpartition("-")[0], {})
        for key, value in facts.items():
            spec: Mapping[str, Any] = claim["spec"]
            if key in SIZES:
                has = spec.get("resources", {}).get("requests", {}).get("storage")
                wrong = _is_smaller(has, value)
            else:
                has = spec.get("storageClassName")
                wrong = key == "storageClass" and value is not None and has != value
            if wrong:
                problems.setdefault(
                    key,
                    f"the claim {name} of an earlier job of this name has {has or 'none'}, and the pod would get it in "
                    f"the place of one with {value or 'none'}; to delete the claims with what is in them: "
                    f"{await _deletion(kubectl, job)}",
                )
    if problems:
        raise ValuesError("\n  ".join(f"persistence.{key}: {text}" for key, text in problems.items()))


def _is_smaller(has: object, wanted: object) -> bool:
    mine, other = size(has), size(wanted)
    return not isinstance(mine, str) and not isinstance(other, str) and mine < other


async def _deletion(kubectl: Kubectl, job: str) -> str:
    """Return the command that deletes a job's claims."""
    labels = selector(job).rpartition(",")[0]  # Without the component, which only excludes the pod of `helm test`.
    return f"`kubectl delete pvc --namespace {await kubectl.namespace()} -l {labels}`"


async def kept(kubectl: Kubectl, job: str) -> str:
    """Return a sentence with the claims that a job leaves and the command that deletes them; empty if it leaves none.

    Claims that are deleted with their StatefulSet (persistence.retention.whenDeleted) have it as their owner.
    """
    try:
        found = await kubectl.items("persistentvolumeclaims", "-l", selector(job))
    except JobError:
        return ""  # Without the right to list claims they stay without a message.
    metadata = [one["metadata"] for one in found]
    names = [m["name"] for m in metadata if not m.get("ownerReferences") and not m.get("deletionTimestamp")]
    if not names:
        return ""
    sentence = f"Kept, with what is in them, for the next job of this name: the claims {listed(names)}."
    return f"{sentence} To delete them: {await _deletion(kubectl, job)}"
