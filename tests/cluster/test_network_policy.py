"""`networkPolicy` on a real cluster that enforces it: who gets to which port of a worker, and from where.

Everybody is tried without the policy too: a port that nobody could reach anyway would prove nothing. The client outside
the cluster is the test itself; it has a route to the pods.
"""

import functools
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.asking import reach
from tests.cluster.conftest import Release, eventually, only_newest_helm

TWO_PORTS = ("--set-json", 'additionalPorts=[{"name":"ui"}]')
UI_EXPOSED = ("--set", "nodePort.enabled=true,nodePort.ports={ui}")
OFF = ("--set", "networkPolicy.enabled=false")
PEER = {"team": "metrics"}
WORKER, UI = 9000, 9001


def outside(targets):
    """Ask from outside the cluster."""
    return reach(targets, timeout=1)


def inside(release, pod):
    """Return the function that asks from inside a pod of the release's namespace."""
    return functools.partial(release.reach_from, pod, timeout=1)


def settle(*claims):
    """Wait until every claim holds, then see it hold twice more: a claim is (client, targets, do they answer).

    The network learns of a policy a moment after the API server. Mixed answers are no closed and no open port.
    """

    def answers(claim):
        client, targets, _ = claim
        found = [answer for answers in client(targets) for answer in answers]
        assert len(found) >= len(targets) > 0
        return {"error" not in answer for answer in found}

    def broken():
        with ThreadPoolExecutor(len(claims)) as pool:
            found = list(pool.map(answers, claims))
        return [(claim, seen) for claim, seen in zip(claims, found, strict=True) if seen != {claim[2]}]

    def hold():
        assert broken() == []
        return True

    assert eventually(hold)
    assert [broken() for _ in range(2)] == [[], []]


def at_pods(release, port, pods=None):
    """Return a port of the workers at their pods' own addresses."""
    return [
        (one["ip"], port, "TCP")
        for name, pod in release.pods().items()
        if pods is None or name in pods
        for one in pod["status"]["podIPs"]
    ]


def at_nodes(nodes, number):
    """Return a node port at every address of every node."""
    return [(address, number, "TCP") for addresses in nodes.values() for address in addresses]


def of_service(release, name, port):
    """Return a port of a Service of the release, by its DNS name."""
    return [(f"{name}.{release.namespace}.svc", port, "TCP")]


def own_addresses(targets):
    """Return the addresses that this machine asks the targets from."""
    found = set()
    for host, port, _ in targets:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect((host, port))
            found.add(asking.getsockname()[0])
    return found


@pytest.fixture
def stranger(kube, namespace):
    """A plain pod in the job's namespace, with a label that no policy names unless a test says so."""
    restricted = {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    container = {
        "name": "stranger",
        "image": "docker.io/library/python:3.11-slim-bookworm",
        "command": ["python3", "-c", "import signal; signal.pause()"],
        "securityContext": restricted,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "labels": PEER},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    kube("-n", namespace, "create", "-f", "-", input=json.dumps(pod))
    kube("-n", namespace, "wait", "--for=condition=Ready", "pod/stranger", "--timeout=60s")
    return "stranger"


@pytest.fixture
def other_job(run, kube, namespace, job):
    """A worker of another job in the same namespace."""
    other = Release(run, kube, f"{job}-b", namespace)
    other.install("--set", "instances=1")
    return f"{other.name}-0-0"


@only_newest_helm
def test_by_default_only_the_exposed_ports_are_open_to_others_and_all_to_the_jobs_own(
    release, nodes, stranger, other_job
):
    shape = (*TWO_PORTS, "--set", "instances=1", "--set-json", 'computeResources=[{"instances":2}]')
    inner = [inside(release, stranger), inside(release, other_job)]
    others = [outside, *inner]
    release.install(*shape, *UI_EXPOSED, *OFF)
    uids = release.uids()
    worker, ui = at_pods(release, WORKER), at_pods(release, UI)
    settle(*((client, worker + ui, True) for client in others))

    release.upgrade(*shape, *UI_EXPOSED)
    exposed = ui + at_nodes(nodes, release.node_ports()["ui"])
    named = of_service(release, f"{release.name}-nodeport", UI)
    settle(
        *((client, worker, False) for client in others),
        *((client, exposed, True) for client in others),
        *((client, named, True) for client in inner),
        *((inside(release, pod), worker + ui, True) for pod in uids),
    )
    tested = release.run("helm", "test", release.name, "--namespace", release.namespace, "--logs", "--timeout", "120s")
    assert tested.returncode == 0 and "FAILED" not in tested.stdout, tested.stdout + tested.stderr

    release.upgrade(*shape)
    settle(*((client, worker + ui, False) for client in others))
    assert release.uids() == uids


@only_newest_helm
def test_only_pods_whose_workers_have_a_service_are_open_and_at_the_ports_of_all_of_them(release, nodes, stranger):
    """Two workers in a pod: the second's ports are open too."""
    shape = ("--set", "instances=2,workersPerPod=2", "--set", "perWorker.enabled=true")
    plain = inside(release, stranger)
    others = (outside, plain)
    release.install(*shape, "--set", "perWorker.count=2")
    uids = release.uids()
    first, second = (
        at_pods(release, 9000, [pod]) + at_pods(release, 9001, [pod])
        for pod in (f"{release.name}-0-0", f"{release.name}-0-1")
    )
    exposed = [target for ports in release.worker_ports().values() for target in at_nodes(nodes, ports["worker"])]
    settle(
        *((client, first + exposed, True) for client in others),
        *((client, second, False) for client in others),
        (plain, of_service(release, f"{release.name}-w-1", 9000), True),
    )

    release.upgrade(*shape)
    exposed = [target for ports in release.worker_ports().values() for target in at_nodes(nodes, ports["worker"])]
    settle(*((client, first + second + exposed, True) for client in others))

    release.upgrade(*shape, "--set", "perWorker.type=ClusterIP,perWorker.count=2")
    settle(
        *((client, second, False) for client in others),
        (plain, first + of_service(release, f"{release.name}-w-0", 9000), True),
    )
    assert release.uids() == uids


@only_newest_helm
def test_peers_and_the_policy_itself_are_switched_without_touching_a_pod(release, stranger, other_job):
    """`internalFrom` opens every port to the peer alone; without the policy every port is open to everyone."""
    clients = (inside(release, stranger), inside(release, other_job), outside)
    peers = ("--set-json", f"networkPolicy.internalFrom=[{json.dumps({'podSelector': {'matchLabels': PEER}})}]")
    release.install(*TWO_PORTS)
    uids = release.uids()
    everything = at_pods(release, WORKER) + at_pods(release, UI)
    nobody, the_peer, everyone = (False, False, False), (True, False, False), (True, True, True)
    settle(*((client, everything, False) for client in clients))
    for values, who in ((peers, the_peer), (OFF, everyone), ((), nobody)):
        release.helm("upgrade", *TWO_PORTS, *values)
        settle(*((client, everything, is_open) for client, is_open in zip(clients, who, strict=True)))
        assert release.uids() == uids


@only_newest_helm
def test_with_egress_the_workers_connect_to_each_other_and_to_what_is_named(run, kube, release, job):
    """What they connect to would answer: another job's worker without a policy. Names are found as before."""
    other = Release(run, kube, f"{job}-b", release.namespace)
    other.install("--set", "instances=1", *OFF)
    release.install()
    uids = release.uids()
    first, second = (f"{release.name}-0-{n}" for n in range(2))
    client = inside(release, first)
    peer, strange = at_pods(release, WORKER, [second]), at_pods(other, WORKER)
    named = of_service(release, f"{second}.{release.name}", WORKER)
    settle((client, peer + named + strange, True))
    egress = ("--set", "networkPolicy.egress.enabled=true")
    release.upgrade(*egress, "--set", "nodePort.enabled=true")
    node_port = [(one["status"]["hostIP"], release.node_ports()["worker"], "TCP") for one in release.pods().values()]
    settle((client, peer + named, True), (client, strange, False), (outside, node_port, True))
    rule = {"to": [{"podSelector": {"matchLabels": {"app.kubernetes.io/instance": other.name}}}]}
    release.upgrade(*egress, "--set-json", f"networkPolicy.egress.rules={json.dumps([rule])}")
    settle((client, peer + named + strange, True))
    assert release.uids() == uids


@only_newest_helm
@pytest.mark.parametrize("block", ["nodePort", "perWorker"])
def test_with_local_policies_only_clients_of_the_allowed_networks_get_in(release, nodes, stranger, block):
    """The node hands the client's own address on; the exposed port is closed to all others, inside too."""
    shape = ("--set", f"{block}.enabled=true,{block}.externalTrafficPolicy=Local,instances=1")

    def allow(*networks):
        return ("--set", f"networkPolicy.allowFrom={{{','.join(networks)}}}")

    release.install(*shape)
    uids = release.uids()
    number = release.node_ports()["worker"] if block == "nodePort" else release.worker_ports()[0]["worker"]
    home = release.pods()[f"{release.name}-0-0"]["spec"]["nodeName"]
    at_home = [target for target in at_nodes(nodes, number) if target[0] in nodes[home]]
    v4 = [target for target in at_home if ":" not in target[0]]
    v6 = [target for target in at_home if ":" in target[0]]
    mine = {":" in address: address for address in own_addresses(at_home)}
    plain = (inside(release, stranger), at_pods(release, WORKER))
    settle((outside, at_home, True), (*plain, True))
    release.upgrade(*shape, *allow("203.0.113.0/24", "2001:db8::/32"))
    settle((outside, at_home, False), (*plain, False))
    release.upgrade(*shape, *allow("203.0.113.0/24", f"{mine[False]}/32"))
    settle((outside, v4, True), (outside, v6, False), (*plain, False))
    release.upgrade(*shape, *allow(f"{mine[True]}/128"))
    settle((outside, v6, True), (outside, v4, False), (*plain, False))
    assert release.uids() == uids
