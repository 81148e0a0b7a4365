"""One worker cut off from outside and back, keeping its number, on a real cluster."""

import json

from tests.cluster.asking import reach
from tests.cluster.conftest import QUICK, eventually, only_newest_helm
from tests.cluster.test_per_worker import answered, every

ON = ("--set", "perWorker.enabled=true,instances=3", *QUICK)
CLOSED = ("--set", "perWorker.overrides.1.closed=true")


@only_newest_helm
def test_a_closed_worker_keeps_its_number_and_answers_nobody_and_no_pod_is_touched(release, nodes, command, run):
    release.install(*ON, "--set", "nodePort.enabled=true")
    numbers, uids = release.worker_ports(), release.uids()
    at = every(nodes)

    def workers():
        targets = [(at[0], numbers[worker]["worker"], "TCP") for worker in range(3)]
        return [answer.get("worker") for (answer,) in reach(targets, timeout=1)]

    assert eventually(lambda: workers() == [0, 1, 2])
    release.upgrade(*ON, *CLOSED, "--set", "nodePort.enabled=true")
    assert (release.worker_ports(), release.uids()) == (numbers, uids)
    mine = [(address, numbers[1]["worker"], "TCP") for address in at]
    assert eventually(lambda: answered(mine) == [] and workers() == [0, None, 2])
    # The shared way in still leads to it, as the documentation says.
    shared = [(at[0], release.node_ports()["worker"], "TCP")] * 40
    assert eventually(lambda: {answer.get("worker") for (answer,) in reach(shared)} >= {0, 1, 2})

    result = command("address", release.name, "-o", "json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    (address,) = report["workers"][1]["addresses"]
    assert (address["state"], address["reason"], address["number"]) == ("reserved", "closed", numbers[1]["worker"])
    assert report["workers"][1]["ready"] is True
    assert command("check", release.name).returncode == 0
    assert "reserved: closed" in command("status", release.name).stdout
    words = ("helm", "test", release.name, "--namespace", release.namespace, "--logs", "--timeout", "120s")
    result = run(*words)
    assert result.returncode == 0 and f"{release.name}-w-1." not in result.stdout, result.stdout + result.stderr

    release.upgrade(*ON, "--set", "nodePort.enabled=true")
    assert (release.worker_ports(), release.uids()) == (numbers, uids)
    assert eventually(lambda: workers() == [0, 1, 2])
