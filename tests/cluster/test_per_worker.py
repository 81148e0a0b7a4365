"""A Service for each worker on a real cluster, with bare Helm: is it this worker that answers, and what survives."""

import itertools
import json

from tests.cluster.asking import reach
from tests.cluster.conftest import QUICK, eventually, only_newest_helm
from tests.conftest import CHART

ON = ("--set", "perWorker.enabled=true")
# Pod, group and number of the port `worker` of the workers of `groups` below, counted by hand; `ui` is the next number.
TABLE = {
    0: ("0-0", 0, 9000),
    1: ("1-0", 1, 9000),
    2: ("1-0", 1, 9002),
    3: ("2-0", 2, 9000),
    4: ("2-1", 2, 9000),
}
FIRST_FOUR = {worker: TABLE[worker] for worker in range(4)}


def groups(last=2):
    """Three groups, two workers in the pod of the second, `last` pods in the last; two ports for each worker."""
    return (
        "--set", "instances=1",
        "--set-json", f'computeResources=[{{"instances":1,"workersPerPod":2}},{{"instances":{last}}}]',
        "--set-json", 'additionalPorts=[{"name":"ui"}]',
    )  # fmt: skip


def identities(release, table, names=("worker", "ui")):
    """Return what each port of each worker of the table has to answer, by worker ID and port name."""
    pods = release.pods()
    return {
        (worker, name): {
            "job": release.name, "worker": worker, "group": group, "pod": f"{release.name}-{pod}",
            "node": pods[f"{release.name}-{pod}"]["spec"]["nodeName"], "portName": name, "port": port + offset,
        }
        for worker, (pod, group, port) in table.items()
        for offset, name in enumerate(names)
    }  # fmt: skip


def strangers(targets):
    """Ask targets, each with the answer it has to give, and return those that gave another or none."""
    answers = reach([target for target, _ in targets])
    return [
        (target, answer)
        for (target, expected), (answer,) in zip(targets, answers, strict=True)
        if answer != {"address": target[0], **expected}
    ]


def all_right(targets):
    """Every target gives the answer that it has to give; the failure names some that don't."""
    wrong = strangers(targets)
    assert not wrong, f"{len(wrong)} of {len(targets)} answers are wrong: {wrong[:3]}"
    return True


def every(nodes):
    """Return all addresses of all nodes."""
    return list(itertools.chain.from_iterable(nodes.values()))


def outside(release, nodes, table, times):
    """Return the targets outside: every node port of every worker at every address of every node, `times` times each.

    More than once means 100 times at one address of each family; each worker has those of another node.
    """
    ports = release.worker_ports()
    targets = []
    for (worker, name), expected in identities(release, table).items():
        chosen = list(nodes.values())[worker % len(nodes)]
        often = {next(one for one in chosen if (":" in one) == v6) for v6 in (True, False)}
        for address in every(nodes):
            target = (address, ports[worker][name], "TCP")
            targets += [(target, expected)] * (100 if times > 1 and address in often else times)
    return targets


def prove(release, nodes, table=TABLE, times=3):
    """Every worker's address is answered by that worker each time, once every node has learned of its pod."""
    assert eventually(lambda: all_right(outside(release, nodes, table, 1)))
    assert all_right(outside(release, nodes, table, times))


def answered(targets):
    """Return the answers that these targets give within a second."""
    return [answer for (answer,) in reach(targets, timeout=1) if "error" not in answer]


def prove_silent(release, nodes, *workers):
    """Nobody answers at the addresses of Services without a worker, at any node."""
    numbers = [port for worker in workers for port in release.worker_ports()[worker].values()]
    targets = [(address, port, "TCP") for address in every(nodes) for port in numbers]
    assert len(targets) > len(nodes)
    assert eventually(lambda: answered(targets) == [])
    assert answered(targets) == []


def kill(release, pod):
    """End a pod at once and wait until its successor is ready and nothing is left of it."""
    old = release.pods()[pod]
    release.kube("-n", release.namespace, "delete", "pod", pod, "--force")

    def ready():
        new = release.pods().get(pod, old)
        conditions = {one["type"]: one["status"] for one in new["status"].get("conditions", [])}
        return new["metadata"]["uid"] != old["metadata"]["uid"] and conditions.get("Ready") == "True"

    assert eventually(ready, 60)
    # An old pod that still runs would answer as its successor does.
    assert eventually(lambda: not answered([(one["ip"], 9000, "TCP") for one in old["status"]["podIPs"]]))


@only_newest_helm
def test_every_worker_answers_at_its_own_address_through_its_whole_life(release, nodes):
    """After the start, a killed pod, an upgrade, and scaling down and up: the same numbers, each with its worker."""
    count = ("--set", f"perWorker.count={len(TABLE)}")
    release.install(*ON, *groups(), *count)
    numbers = release.worker_ports()
    assert {worker: set(ports) for worker, ports in numbers.items()} == {worker: {"worker", "ui"} for worker in TABLE}
    assert len({port for ports in numbers.values() for port in ports.values()}) == 2 * len(TABLE)
    prove(release, nodes)

    kill(release, f"{release.name}-1-0")
    prove(release, nodes)

    uids = release.uids()
    release.upgrade(*ON, *groups(), *count, "--set", "perWorker.annotations.a=b")
    assert (release.worker_ports(), release.uids()) == (numbers, uids)
    prove(release, nodes)

    pins = {str(worker): {"nodePorts": ports} for worker, ports in numbers.items()}
    pinned = (*ON, *count, "--set-json", f"perWorker.overrides={json.dumps(pins)}")
    release.upgrade(*pinned, *groups(last=1))
    assert release.worker_ports() == numbers
    assert eventually(lambda: f"{release.name}-2-1" not in release.pods())
    prove_silent(release, nodes, 4)
    prove(release, nodes, FIRST_FOUR, times=1)
    release.upgrade(*pinned, *groups())
    replaced = uids.items() - release.uids().items()
    assert release.worker_ports() == numbers and [name for name, _ in replaced] == [f"{release.name}-2-1"]
    prove(release, nodes)


@only_newest_helm
def test_inside_every_worker_answers_at_its_own_name_and_cluster_ips(release):
    """Asked from two pods, so that each worker is reached from another pod, and two of them from their own."""
    base = 7000
    release.install(*ON, *groups(), "--set", f"perWorker.type=ClusterIP,perWorker.servicePortBase.worker={base}")
    assert release.worker_ports() == {worker: {} for worker in TABLE}
    services = release.services()
    targets, expected = [], []
    for (worker, name), answer in identities(release, TABLE).items():
        service = f"{release.name}-w-{worker}"
        port = base + worker if name == "worker" else 9001
        addresses = services[service]["spec"]["clusterIPs"]
        assert {":" in address for address in addresses} == {True, False}
        for host in (f"{service}.{release.namespace}.svc", *addresses):
            targets.append((host, port, "TCP"))
            here = addresses if host.endswith(".svc") else [host]
            expected.append([{"address": address, **answer} for address in sorted(here)])
    for pod in (f"{release.name}-0-0", f"{release.name}-2-1"):
        eventually(lambda pod=pod: release.reach_from(pod, targets) == expected)
        assert release.reach_from(pod, targets) == expected


def every_change(*switches):
    """Return a round trip through the positions of all switches that makes every change of one of them once."""
    states = list(itertools.product(*switches))
    ahead = {
        state: [other for other in states if sum(a != b for a, b in zip(state, other, strict=True)) == 1]
        for state in states
    }
    changes = sorted((state, other) for state, others in ahead.items() for other in others)
    path, trip = [states[0]], []
    while path:
        if ahead[path[-1]]:
            path.append(ahead[path[-1]].pop())
        else:
            trip.append(path.pop())
    assert sorted(itertools.pairwise(trip)) == changes
    return trip


@only_newest_helm
def test_switching_an_exposure_touches_no_pod_and_no_other_exposure(release, nodes):
    """The shared way in off and on; the workers' own Services off, NodePort and ClusterIP: every change of either."""
    table = {0: ("0-0", 0, 9000), 1: ("1-0", 1, 9000)}
    two_groups = ("--set", "instances=1", "--set-json", "computeResources=[{}]")
    trip = every_change((False, True), ("", "NodePort", "ClusterIP"))

    def switches(state):
        shared, kind = state
        words = [*two_groups, *(("--set", "nodePort.enabled=true") if shared else ())]
        return [*words, *(ON if kind else ()), *(("--set", f"perWorker.type={kind}") if kind else ())]

    def answers_right(state, numbers):
        """Ask every worker at every way in that the state has; fails with what did not answer as it should."""
        shared, kind = state
        found = []
        if shared:
            answers = reach([(address, numbers[0], "TCP") for address in every(nodes)])
            found += [answer for (answer,) in answers if answer.get("job") != release.name]
        if kind == "NodePort":
            targets = [((at, numbers[1][worker], "TCP"), who[worker]) for worker in table for at in every(nodes)]
            found += strangers(targets)
        if kind == "ClusterIP":
            targets = [(f"{release.name}-w-{worker}.{release.namespace}.svc", 9000, "TCP") for worker in table]
            asked = release.reach_from(f"{release.name}-0-0", targets)
            for worker, answers in zip(table, asked, strict=True):
                found += [one for one in answers if one != {"address": one["address"], **who[worker]}]
        assert not found, found[:3]
        return True

    def state_of(services):
        """Return the shared node port and those of the workers, as far as there are any."""
        shared = services.get(f"{release.name}-nodeport")
        own = {worker: services.get(f"{release.name}-w-{worker}") for worker in table}
        return (
            shared and shared["spec"]["ports"][0].get("nodePort"),
            {worker: service and service["spec"]["ports"][0].get("nodePort") for worker, service in own.items()},
        )

    release.install(*switches(trip[0]))
    uids, numbers = release.uids(), (None, dict.fromkeys(table))
    who = {worker: answer for (worker, _), answer in identities(release, table, ["worker"]).items()}
    for before, after in itertools.pairwise(trip):
        release.helm("upgrade", *switches(after))
        step = f"{before} to {after}"
        services = release.services()
        found = state_of(services)
        kept = (after[0] and before[0], before[1] == after[1] == "NodePort")
        assert {f"{release.name}-nodeport" in services, found[0] is not None} == {after[0]}, step
        assert {number is not None for number in found[1].values()} == {after[1] == "NodePort"}, step
        assert {f"{release.name}-w-{worker}" in services for worker in table} == {bool(after[1])}, step
        assert all(not same or found[which] == numbers[which] for which, same in enumerate(kept)), step
        # What was there before answers without a pause; what is new has to be learned by the nodes first.
        assert answers_right((kept[0], "NodePort" if kept[1] else ""), found), step
        assert eventually(lambda after=after, found=found: answers_right(after, found)), step
        assert release.uids() == uids, step
        numbers = found


@only_newest_helm
def test_count_below_the_workers_gives_the_first_workers_a_service(release, nodes):
    table = {worker: (f"0-{worker}", 0, 9000) for worker in range(3)}
    shape = (*ON, "--set", "instances=3", "--set-json", 'additionalPorts=[{"name":"ui"}]')
    release.install(*shape, "--set", "perWorker.count=2")
    numbers = release.worker_ports()
    assert sorted(numbers) == [0, 1]
    prove(release, nodes, {worker: table[worker] for worker in numbers}, times=1)
    release.upgrade(*shape)
    assert sorted(release.worker_ports()) == [0, 1, 2] and numbers.items() <= release.worker_ports().items()
    prove(release, nodes, table, times=1)
    release.upgrade(*shape, "--set", "perWorker.count=1")
    assert release.worker_ports() == {0: numbers[0]}


@only_newest_helm
def test_reserved_services_become_live_with_the_same_number_when_the_last_group_grows(release, nodes):
    reserving = (*ON, "--set", "perWorker.count=6")
    release.install(*reserving, *groups(last=1))
    numbers, uids = release.worker_ports(), release.uids()
    assert sorted(numbers) == list(range(6)) and all(len(ports) == 2 for ports in numbers.values())
    prove(release, nodes, FIRST_FOUR, times=1)
    prove_silent(release, nodes, 4, 5)
    release.upgrade(*reserving, *groups(last=3))
    assert release.worker_ports() == numbers and uids.items() <= release.uids().items()
    prove(release, nodes, {**TABLE, 5: ("2-2", 2, 9000)}, times=1)


def test_an_override_is_honoured_and_a_taken_number_leaves_the_services_as_they_were(release, nodes, fixed_port):
    fixed = ("--set", f"perWorker.overrides.1.nodePorts.ui={fixed_port}")
    release.install(*ON, *groups(), *fixed)
    numbers = release.worker_ports()
    assert numbers[1]["ui"] == fixed_port
    prove(release, nodes, times=1)
    before, uids = release.services(), release.uids()
    taken = ("--set", f"perWorker.overrides.1.nodePorts.ui={numbers[3]['worker']}")
    chart_and_namespace = (str(CHART), "--namespace", release.namespace)
    result = release.run("helm", "upgrade", release.name, *chart_and_namespace, *QUICK, *ON, *groups(), *taken)
    assert result.returncode != 0 and f"{numbers[3]['worker']}" in result.stderr, result.stderr
    assert "provided port is already allocated" in result.stderr
    assert (release.services(), release.uids()) == (before, uids)
    prove(release, nodes, times=1)
    release.upgrade(*ON, *groups())
    assert (release.worker_ports(), release.uids()) == (numbers, uids)
    release.upgrade(*ON, *groups(), *fixed)
    release.upgrade(*ON, *groups(), "--set", "perWorker.type=ClusterIP")
    assert release.worker_ports() == {worker: {} for worker in TABLE} and release.uids() == uids
    release.helm("uninstall", "--wait")


@only_newest_helm
def test_with_the_local_policy_only_a_workers_own_node_answers(release, nodes):
    release.install(*ON, *groups(), "--set", "perWorker.externalTrafficPolicy=Local")
    ports = release.worker_ports()
    home, away = [], []
    for (worker, name), expected in identities(release, TABLE).items():
        for node, addresses in nodes.items():
            targets = [(address, ports[worker][name], "TCP") for address in addresses]
            if node == expected["node"]:
                home += [(target, expected) for target in targets]
            else:
                away += targets
    assert eventually(lambda: all_right(home))
    assert all_right(home * 10)
    assert len(away) > len(home) and answered(away) == []


@only_newest_helm
def test_a_udp_port_of_a_worker_answers_at_its_own_address(release, nodes):
    ports = ("--set-json", 'additionalPorts=[{"name":"beat","protocol":"UDP"}]')
    release.install(*ON, *groups(), *ports)
    numbers = release.worker_ports()
    targets = [
        ((address, numbers[worker][name], "UDP"), expected)
        for (worker, name), expected in identities(release, TABLE, ("worker", "beat")).items()
        if name == "beat"
        for address in every(nodes)
    ]
    assert len(targets) == len(TABLE) * len(every(nodes))
    assert eventually(lambda: all_right(targets))
    assert all_right(targets * 10)


@only_newest_helm
def test_helm_test_asks_every_workers_own_service_and_fails_if_another_worker_answers(release):
    release.install(*ON, *groups(last=1), "--set", "perWorker.count=5")
    words = ("helm", "test", release.name, "--namespace", release.namespace, "--logs", "--timeout", "120s")
    result = release.run(*words)
    assert result.returncode == 0 and "FAILED" not in result.stdout, result.stdout + result.stderr
    for worker in FIRST_FOUR:
        for name in ("worker", "ui"):
            assert f"ok: exposure {release.name}-w-{worker}.{release.namespace}.svc, port {name}:" in result.stdout
    assert f"{release.name}-w-4" not in result.stdout, "nobody can answer at a reserved Service"
    other = {"spec": {"selector": {"statefulset.kubernetes.io/pod-name": f"{release.name}-0-0"}}}
    release.kube("-n", release.namespace, "patch", "service", f"{release.name}-w-3", "-p", json.dumps(other))
    result = release.run(*words)
    assert result.returncode != 0
    assert f"FAILED: exposure {release.name}-w-3.{release.namespace}.svc" in result.stdout + result.stderr
