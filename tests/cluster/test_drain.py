"""No connection is lost when a worker goes: a steady load while pods are replaced, deleted and taken away."""

import contextlib
import importlib.util
import json
import sys
import time

from tests.cluster.conftest import eventually, only_newest_helm
from tests.conftest import REPOSITORY

_specification = importlib.util.spec_from_file_location("traffic", REPOSITORY / "benchmarks" / "traffic.py")
traffic = importlib.util.module_from_spec(_specification)
sys.modules["traffic"] = traffic  # Where dataclasses look for their module.
_specification.loader.exec_module(traffic)

ROUNDS = 3
RATE = 30  # Connections a second, which leaves the machine time for everything else.
# Without a policy: that of a new pod is there when kube-router gets to it, on a busy machine after the pod is Ready.
ON = ("--set", "nodePort.enabled=true,perWorker.enabled=true,perWorker.count=3,networkPolicy.enabled=false")

# A program that cares for nothing when it is told to end.
ENDS_AT_ONCE = """
import http.server, json, os, signal, socket

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"job": os.environ["JOB_ID"]}).encode())

class Server(http.server.ThreadingHTTPServer):
    address_family, request_queue_size = socket.AF_INET6, 100

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server(("::", int(os.environ["WORKER_PORT"])), Answer).serve_forever()
"""
OWN_PROGRAM = (
    "--set", "image.repository=docker.io/library/python,image.tag=3.11-slim-bookworm",
    "--set-json", f"command={json.dumps(['python3', '-c', ENDS_AT_ONCE])}",
    "--set", "readinessProbe.tcpSocket.port=worker,readinessProbe.periodSeconds=1",
)  # fmt: skip


def settled(release, count):
    """The job has that many pods, all ready, and none that is on its way out."""
    pods = release.pods().values()
    ready = [
        {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}.get("Ready") == "True"
        and "deletionTimestamp" not in pod["metadata"]
        for pod in pods
    ]
    return len(pods) == count and all(ready)


def load(release, nodes, worker=None):
    """A load on the job's node port, or on a worker's own, at every address of every node, once all of them answer."""
    port = release.node_ports()["worker"] if worker is None else release.worker_ports()[worker]["worker"]
    addresses = [address for found in nodes.values() for address in found]
    targets = [traffic.Target(address, port, release.name, worker) for address in addresses]

    def answers():
        with traffic.Load(targets, RATE) as trial:
            time.sleep(1)
        return not traffic.lost(trial.attempts)

    assert eventually(answers)
    return traffic.Load(targets, RATE)


def change(release, loads, *values, number=0):
    """Replace the pods one after the other, delete one, make the job smaller: what it is in the loads' records."""
    new = ("--set", f"env[0].name=CHANGED,env[0].value=n{number}")

    def begin(step):
        for one in loads:
            one.step = step

    begin("rolling change")
    release.upgrade(*ON, *values, *new, "--set", "instances=3")
    release.kube("-n", release.namespace, "rollout", "status", f"statefulset/{release.name}-0", "--timeout=120s")
    assert eventually(lambda: settled(release, 3), 60)
    begin("deleted pod")
    release.kube("-n", release.namespace, "delete", "pod", f"{release.name}-0-2")
    assert eventually(lambda: settled(release, 3), 60)
    begin("scaled down")
    release.upgrade(*ON, *values, *new, "--set", "instances=2")
    assert eventually(lambda: settled(release, 2), 60)
    time.sleep(1)


def prove_none_lost(release, loads, *values):
    """Prove that of a few rounds of the changes one loses nothing.

    A node that is busy with other tests may hear of a change after more than the seconds that a worker waits; without
    the wait every round loses some.
    """
    for number in range(ROUNDS):
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(load(release, *one)) for one in loads]
            change(release, running, *values, number=number)
        if not any(traffic.lost(one.attempts) for one in running):
            break
    for one in running:
        assert len(one.attempts) > 300
        assert not traffic.lost(one.attempts), "\n" + traffic.table(one.attempts)


@only_newest_helm
def test_no_connection_is_lost_through_the_shared_port_when_workers_go(release, nodes):
    """With a program that ends at once on SIGTERM."""
    release.install(*ON, *OWN_PROGRAM, "--set", "instances=3", quick=False)
    prove_none_lost(release, [(nodes,)], *OWN_PROGRAM)


@only_newest_helm
def test_no_connection_is_lost_through_the_own_port_of_a_worker_that_stays(release, nodes):
    """Nor through the shared port meanwhile, with the echo worker."""
    values = ("--set", "updateStrategy.rollingUpdate.partition=1")
    release.install(*ON, *values, "--set", "instances=3", quick=False)
    uid = release.uids()[f"{release.name}-0-0"]
    prove_none_lost(release, [(nodes, 0), (nodes,)], *values)
    assert release.uids()[f"{release.name}-0-0"] == uid


@only_newest_helm
def test_without_the_wait_connections_are_lost(release, nodes):
    """What the tests above are worth: the same load and the same changes, and nobody waits."""
    values = ("--set", "drainSeconds=0")
    release.install(*ON, *values, "--set", "instances=3", quick=False)
    with load(release, nodes) as running:
        change(release, (running,), *values)
    assert traffic.lost(running.attempts), "\n" + traffic.table(running.attempts)
