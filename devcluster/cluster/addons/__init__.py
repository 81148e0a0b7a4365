"""Add-ons: what a cloud or an administrator puts into a cluster, started only when it is asked for.

Each is a module with `BUILDS`, the parts under go/ that it needs; `images()`, which makes the images of its pods and
returns their archives; `start()`, which applies its objects; `NAMESPACE`, whose Deployments and DaemonSets are the
add-on, which is ready when they are; and `CONDITIONS`, of what kinds, in which namespaces, it then still waits for.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

from .. import control_plane, images, install, node, processes, settings
from ..processes import DevclusterError
from . import gateway, ingress, load_balancer, objects

Say = Callable[[str], None]
# In the order of their start: the others' Services get their addresses from the first.
ALL: dict[str, ModuleType] = {"load-balancer": load_balancer, "gateway": gateway, "ingress": ingress}
FOLDER = settings.STATE / "addons"  # Holds an empty file named by each add-on that was started.


def parse(lists: Iterable[str]) -> list[str]:
    """Return the add-ons that comma-separated lists name, and what these need, in the order of their start."""
    asked = {name.strip() for words in lists for name in words.split(",") if name.strip()}
    if unknown := sorted(asked - set(ALL)):
        raise DevclusterError(f"--with {', '.join(unknown)}: there is no such add-on; there are {', '.join(ALL)}.")
    return [name for name in ALL if name in asked or (asked and name == "load-balancer")]


def prepare(names: list[str], say: Say) -> None:
    """Install and build the cluster and these add-ons, as far as that was not done before."""
    install.install(say, dict.fromkeys(part for name in names for part in ALL[name].BUILDS))
    for name in names:
        ALL[name].images(say)


def started() -> list[str]:
    """Return the add-ons that were started."""
    return [name for name in ALL if (FOLDER / name).exists()]


def ready(name: str) -> bool:
    """Tell whether everything that an add-on runs is ready."""
    words = ("get", "deployments,daemonsets", "-n", ALL[name].NAMESPACE, "-o", "json")
    text = control_plane.kubectl(*words, check=False)
    found = json.loads(text)["items"] if text else []
    return bool(found) and all(map(runs, found))


def runs(found: dict[str, dict[str, int]]) -> bool:
    """Tell whether all pods of a Deployment or a DaemonSet are ready."""
    status = found["status"]
    wanted = found["spec"].get("replicas", status.get("desiredNumberScheduled", 1))
    return bool(wanted) and status.get("readyReplicas", status.get("numberReady", 0)) >= wanted


def start(names: list[str], say: Say) -> None:
    """Start those add-ons that were not started yet, and wait until they work."""
    missing = [name for name in names if name not in started()]
    if not missing:
        return
    began = time.monotonic()
    archives = [path for name in missing for path in ALL[name].images(say)]
    nodes = [path.name for path in (settings.STATE / "nodes").iterdir() if node.first_process(path.name)]

    def load(name: str) -> None:
        for path in archives:
            images.load(functools.partial(node.inside, name), path)

    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(load, nodes))
    for name in missing:
        ALL[name].start()
    for name in missing:
        wait(name)
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / name).touch()
        say(f"{name} ({ALL[name].WHAT}) works after {time.monotonic() - began:.1f} s")


def wait(name: str, seconds: int = 120) -> None:
    """Wait until an add-on works; raises DevclusterError that names the command which shows why it doesn't."""
    try:
        processes.wait(f"The start of {name}", lambda: ready(name), seconds)
        for resource, condition, namespace in ALL[name].CONDITIONS:
            objects.wait(resource, condition, namespace, seconds)
    except DevclusterError as failure:
        shown = f"`devcluster exec -- kubectl describe pods -n {ALL[name].NAMESPACE}` shows why"
        raise DevclusterError(f"The add-on {name} did not start: {failure} {shown}.") from failure
