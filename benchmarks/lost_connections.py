"""How many connections are lost while workers go: with `drainSeconds` 0 and 3, in one run. `make benchmark` runs it.

A steady load of new connections goes to all addresses of all nodes, while again and again the pods are replaced by a
change of `env`, one is deleted, and the job is made smaller and bigger. First through the node port of the whole job,
then through the own ports of workers that stay. The quiet time before it shows what the machine alone loses.
"""

from __future__ import annotations

import argparse
import itertools
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import traffic
from measure import CHART, HELM, output, own_namespace
from traffic import Load, Target

TYPES = ("InternalIP", "ExternalIP")
STAYING = 2
"""Workers that stay, of the second part: the update strategy leaves out the pods of the first ordinals."""
READY_SECONDS = 120.0
"""Seconds the workers have to be ready after each step."""


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether a pod is ready."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


class Job:
    """A job of `instances` echo workers; the first `staying` of them are never replaced."""

    def __init__(self, namespace: str, drain: int, instances: int, staying: int) -> None:
        """Make nothing yet."""
        self.name = f"j{secrets.token_hex(4)}"
        self.labels = f"app.kubernetes.io/instance={self.name}"
        self.inside = ("--namespace", namespace)
        self.instances, self.staying = instances, staying
        self.values = (
            "--set", f"nodePort.enabled=true,perWorker.enabled=true,perWorker.count={instances}",
            "--set", f"drainSeconds={drain},updateStrategy.rollingUpdate.partition={staying}",
        )  # fmt: skip
        self.changes = itertools.count()
        self.environment = ""

    def _helm(self, verb: str, instances: int) -> None:
        own = ("--set", f"instances={instances},env[0].name=CHANGE,env[0].value=n{self.environment}")
        output(HELM, verb, self.name, CHART, "--wait", "--timeout", "180s", *self.inside, *self.values, *own)

    def _kubectl(self, *words: str) -> str:
        return output("kubectl", *self.inside, *words)

    def _ready(self, instances: int) -> None:
        """Wait until the job has that many pods, all ready, and none that is on its way out."""
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            pods = json.loads(self._kubectl("get", "pods", "-l", self.labels, "-o", "json"))["items"]
            ready = [one for one in pods if "deletionTimestamp" not in one["metadata"] and is_ready(one)]
            if len(ready) == len(pods) == instances:
                return
            time.sleep(0.5)
        sys.exit(f"{self.name} has not just {instances} workers, all ready, after {READY_SECONDS:.0f} s")

    def install(self) -> None:
        """Install it and wait until every worker is ready."""
        self._helm("install", self.instances)
        self._ready(self.instances)

    def uninstall(self) -> None:
        """Remove it."""
        output(HELM, "uninstall", self.name, "--wait", *self.inside)

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what is done to the job, for ever."""
        while True:
            yield "rolling change", self.roll
            yield "deleted pod", self.delete
            yield "scaled down", lambda: self.scale(self.instances - 1)
            yield "scaled up", lambda: self.scale(self.instances)

    def roll(self) -> None:
        """Change `env`: one pod after the other is replaced."""
        self.environment = str(next(self.changes))
        self._helm("upgrade", self.instances)
        self._kubectl("rollout", "status", f"statefulset/{self.name}-0", "--timeout=180s")
        self._ready(self.instances)

    def delete(self) -> None:
        """Delete the last worker that may go, and wait for its successor."""
        self._kubectl("delete", "pod", f"{self.name}-0-{self.instances - 1}")
        self._ready(self.instances)

    def scale(self, instances: int) -> None:
        """Change the number of workers."""
        self._helm("upgrade", instances)
        self._ready(instances)

    def targets(self, addresses: list[str]) -> list[Target]:
        """Return where to connect: the shared node port, or the own ports of the workers that stay."""
        services = json.loads(self._kubectl("get", "services", "-l", self.labels, "-o", "json"))["items"]
        ports = {
            one["metadata"]["name"]: one["spec"]["ports"][0]["nodePort"] for one in services if "ports" in one["spec"]
        }
        if not self.staying:
            return [Target(address, ports[f"{self.name}-nodeport"], self.name) for address in addresses]
        return [
            Target(address, ports[f"{self.name}-w-{worker}"], self.name, worker)
            for worker in range(self.staying)
            for address in addresses
        ]


def node_addresses() -> list[str]:
    """Return all addresses of all nodes."""
    nodes = json.loads(output("kubectl", "get", "nodes", "-o", "json"))["items"]
    return [one["address"] for node in nodes for one in node["status"]["addresses"] if one["type"] in TYPES]


def settle(targets: list[Target], rate: float) -> None:
    """Wait until a second's connections are all answered: the nodes know a new job a moment after it is ready."""
    for _ in range(30):
        with Load(targets, rate) as load:
            time.sleep(max(1.0, len(targets) / rate))
        if not traffic.lost(load.attempts):
            return
    sys.exit(f"the job does not answer: {traffic.lost(load.attempts)[0]}")


def measure(title: str, job: Job, quiet: int, connections: int, rate: float) -> int:
    """Measure one job, print its table, and return how many connections were lost after the quiet time."""
    job.install()
    targets = job.targets(node_addresses())
    settle(targets, rate)
    with Load(targets, rate) as load:
        while load.begun < quiet:
            time.sleep(0.1)
        for name, do in job.steps():
            if load.begun >= quiet + connections:
                break
            load.step = name
            do()
    job.uninstall()
    print(f"  {title}\n{traffic.table(load.attempts)}", flush=True)
    return len(traffic.lost([one for one in load.attempts if one.step != "quiet"]))


def main() -> None:
    """Run the measurements in a namespace of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10000, help="connections of each measurement, at least")
    parser.add_argument("--quiet", type=int, default=1000, help="connections before, while nothing goes on")
    parser.add_argument("--rate", type=float, default=80, help="connections in a second")
    parser.add_argument("--drain", type=int, nargs="+", default=[0, 3], help="values of drainSeconds")
    parser.add_argument("--staying", type=int, nargs="+", default=[0, STAYING], help="0: the first part")
    arguments = parser.parse_args()
    with own_namespace("test-drain", wait=False) as namespace:
        for title, instances, staying in (
            ("the node port of the job, 3 workers", 3, 0),
            ("own ports of the 2 workers that stay, of 4", 4, STAYING),
        ):
            if staying not in arguments.staying:
                continue
            print(f"{title}, {arguments.rate:.0f} connections a second, {len(node_addresses())} addresses of nodes")
            for drain in arguments.drain:
                job = Job(namespace, drain, instances, staying)
                measure(
                    f"drainSeconds={drain}" + (", goal 0 lost" if drain else ""),
                    job,
                    arguments.quiet,
                    arguments.connections,
                    arguments.rate,
                )


if __name__ == "__main__":
    main()
