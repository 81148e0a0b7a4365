"""Bringing the whole cluster up and down."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import addons, certificates, control_plane, network, network_policy, node, processes, settings
from .processes import DevclusterError, run, wait

Say = Callable[[str], None]


def live_nodes() -> list[dict[str, Any]]:
    """Return the Node objects of the API server."""
    text = control_plane.kubectl("get", "nodes", "-o", "json", "--request-timeout=5s", check=False)
    found: list[dict[str, Any]] = json.loads(text)["items"] if text else []
    return found


def node_ready(found: dict[str, Any]) -> bool:
    """Tell whether a Node is Ready."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found["status"].get("conditions", []))


def expected_nodes() -> list[str]:
    """Return the nodes that `up` made."""
    path = settings.STATE / "nodes"
    return sorted(one.name for one in path.iterdir()) if path.exists() else []


def is_up() -> bool:
    """Tell whether the cluster is whole: API server and all nodes ready."""
    if not network.exists(settings.FABRIC) or not settings.kubeconfig().exists() or not control_plane.ready():
        return False
    ready = {found["metadata"]["name"] for found in live_nodes() if node_ready(found)}
    return bool(ready) and ready == set(expected_nodes())


def up(count: int, say: Say, with_addons: list[str]) -> None:
    """Start the cluster with `count` nodes and the add-ons; what is up already stays as it is."""
    addons.prepare(with_addons, say)
    if is_up() and len(expected_nodes()) == count:
        say(f"the cluster is up, {count} nodes")
    else:
        if leftovers():
            say("removing an earlier cluster")
            down(say)
        start(count, say)
    addons.start(with_addons, say)


def start(count: int, say: Say) -> None:
    """Start a cluster where there is none."""
    began = time.monotonic()
    names = settings.node_names(count)
    settings.STATE.mkdir(parents=True, mode=0o700)
    network.create_fabric()
    certificates.create(names)
    control_plane.start_etcd()
    control_plane.start_apiserver()
    control_plane.start_controllers()
    say(f"control plane ready after {time.monotonic() - began:.1f} s")
    for name in names:
        node.folder(name).mkdir(parents=True)
        if name == settings.EXTERNAL_NODE:
            (node.folder(name) / "external").touch()
    with ThreadPoolExecutor(count) as pool:
        booting = [pool.submit(node.boot, name) for name in names]
        control_plane.create_objects()
        control_plane.start_dns()
        for done in booting:
            done.result()
    finish_nodes(names)
    wait_for_dns()
    say(f"{count} nodes Ready after {time.monotonic() - began:.1f} s")


def finish_nodes(names: list[str]) -> None:
    """Wait for the Nodes and give them what a cloud would: routes to the pods, external addresses."""

    def registered() -> bool:
        found = {one["metadata"]["name"]: one["spec"].get("podCIDRs") for one in live_nodes()}
        return all(found.get(name) for name in names)

    wait("The registration of all nodes", registered, 60, f"{names[0]}-kubelet")
    everything = {found["metadata"]["name"]: found["spec"]["podCIDRs"] for found in live_nodes()}
    network.set_pod_routes(
        {name: subnets for name, subnets in everything.items() if network.exists(settings.node_namespace(name))}
    )
    for name in names:
        if (node.folder(name) / "external").exists():
            node.publish_external_ips(name)
        network_policy.start(name)  # Not earlier: it ends at once if the Node has no address yet.
    for name in names:
        wait(
            f"Ready of {name}",
            lambda name=name: any(found["metadata"]["name"] == name and node_ready(found) for found in live_nodes()),  # type: ignore[misc]
            90,
            f"{name}-kubelet",
        )
    for name in names:
        wait(
            f"The first rules of kube-router on {name}",
            lambda name=name: network_policy.enforced(name),  # type: ignore[misc]
            30,
            f"{name}-kube-router",
        )


def wait_for_dns() -> None:
    """Wait until the DNS server listens; pods ask for names as soon as they start."""
    probe = processes.in_namespace(settings.FABRIC, "ss", "-lnu", "sport", "=", ":53")
    wait("The start of the DNS server", lambda: settings.FABRIC_IPV4 in run(*probe), 30, "coredns")


def leftovers() -> list[str]:
    """Return words for everything of a cluster that is on this machine."""
    found = [f"network namespace {name}" for name in network.namespaces()]
    found += [f"cgroup {path}" for path in settings.CGROUPS.glob(f"*/{settings.PREFIX}-*")]
    return found + ([f"folder {settings.STATE}"] if settings.STATE.exists() else [])


def down(say: Say) -> None:
    """End the cluster and remove everything of it, also what a crash left half made."""
    names = network.namespaces()
    for _ in range(10):  # What a killed `up` had begun may start a process meanwhile.
        if not (doomed := processes.in_namespaces(names) - processes.ancestors()):
            break
        processes.end(doomed)
    # Mounts of the kubelet live in the nodes' mount namespaces and went with them; a crash may leave some here.
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        point = line.split()[1]
        if point.startswith(f"{settings.STATE}/"):
            run("umount", "-l", point, check=False)
    for name in names:
        network.delete(name)
    cgroups = {
        path.name.removeprefix(f"{settings.PREFIX}-") for path in settings.CGROUPS.glob(f"*/{settings.PREFIX}-*")
    }
    for name in cgroups:
        wait(f"The removal of the cgroups of {name}", lambda name=name: removed(name), 10)  # type: ignore[misc]
    if settings.STATE.exists():  # Else the volumes are not ours.
        shutil.rmtree(settings.VOLUMES, ignore_errors=True)
    shutil.rmtree(settings.STATE, ignore_errors=True)
    left = leftovers()
    if left:
        raise DevclusterError(
            f"`down` could not remove {', '.join(left)}; run it again, and restart the machine if it stays."
        )
    say("the cluster is down, nothing of it is left")


def removed(name: str) -> bool:
    """Try to remove a node's cgroups; a process that is just ending holds them for a moment."""
    try:
        node.remove_cgroups(name)
    except OSError:
        return False
    return True
