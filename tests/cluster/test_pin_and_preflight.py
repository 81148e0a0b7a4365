"""Numbers that stay, and problems that are found before anything is changed."""

import json

import pytest
import yaml

from tests.cluster.conftest import ask, eventually, only_newest_helm, refused

ON = ("--set", "perWorker.enabled=true")
GROUPS = ("--set", "instances=1", "--set-json", 'computeResources=[{"instances":1,"workersPerPod":2},{"instances":2}]')


def numbers(command, job):
    """Return {(worker ID, port name): node port}."""
    report = json.loads(command("address", job, "-o", "json").stdout)
    return {(one["id"], a["port"]): a["number"] for one in report["workers"] for a in one["addresses"]}


def first(command, job, worker):
    """Return host and port of a worker's best address."""
    host, port = command("address", job, "--worker", str(worker)).stdout.strip().rsplit(":", 1)
    return host.strip("[]"), int(port)


@only_newest_helm
def test_pinned_numbers_survive_scaling_and_a_new_install(command, job, tmp_path):
    """Scaled down and up, and installed anew from the file: every worker answers at the number it had."""
    path = tmp_path / "ports.yaml"
    assert command("install", job, *ON, *GROUPS).returncode == 0
    before = numbers(command, job)
    pinned = command("pin", job, "--file", str(path))
    assert pinned.returncode == 0 and str(path) in pinned.stderr, pinned.stderr
    assert numbers(command, job) == before and len(before) == 5
    keep = ("--reset-then-reuse-values", "--set", "computeResources[0].instances=1,computeResources[0].workersPerPod=2")
    down = command("upgrade", job, *keep, "--set", "computeResources[1].instances=1")
    assert down.returncode == 0 and "given up" not in down.stderr, down.stderr
    report = json.loads(command("address", job, "-o", "json").stdout)
    assert {a["state"] for a in report["workers"][4]["addresses"]} == {"reserved"}
    up = command("upgrade", job, *keep, "--set", "computeResources[1].instances=2")
    assert up.returncode == 0 and numbers(command, job) == before, up.stderr
    assert command("uninstall", job, "--wait").returncode == 0
    again = command("install", job, *GROUPS, "-f", str(path))
    assert again.returncode == 0 and numbers(command, job) == before, again.stderr
    for worker in range(5):
        host, port = first(command, job, worker)
        assert eventually(lambda h=host, p=port: ask(h, p))["worker"] == worker and port == before[worker, "worker"]


@only_newest_helm
def test_unpinned_numbers_stay_as_long_as_the_services(command, job, release, tmp_path):
    shared = ("--set", "nodePort.enabled=true")
    assert command("install", job, *ON, *shared).returncode == 0
    before, uids = numbers(command, job), release.uids()
    assert command("pin", job, "--file", "/dev/null").returncode == 2  # A file of somebody else's.
    file = ("--file", str(tmp_path / "ports.yaml"))
    assert command("pin", job, *file).returncode == 0
    values = yaml.safe_load(release.run("helm", "get", "values", job, "-n", release.namespace, "-o", "yaml").stdout)
    assert values["nodePort"]["nodePorts"] == release.node_ports() and values["perWorker"]["count"] == 2
    assert command("unpin", job).returncode == 0
    values = yaml.safe_load(release.run("helm", "get", "values", job, "-n", release.namespace, "-o", "yaml").stdout)
    assert values == {
        "nodePort": {"enabled": True},
        "perWorker": {"enabled": True, "type": "NodePort", "overrides": {}},
    }
    assert (numbers(command, job), release.uids()) == (before, uids)


@only_newest_helm
def test_nothing_to_pin(command, job):
    assert command("install", job).returncode == 0
    refused(command("pin", job), 4, "no node port to pin", "nodePort.enabled=true")


@only_newest_helm
def test_scaling_down_without_pin_says_what_is_given_up(command, job):
    assert command("install", job, *ON, "--set", "instances=3").returncode == 0
    result = command("upgrade", job, *ON, "--set", "instances=2")
    assert result.returncode == 0 and f"{job}-w-2" in result.stderr and "perWorker.count" in result.stderr


@only_newest_helm
def test_only_the_last_group_may_change_on_a_live_release(command, job, release):
    assert command("install", job, *ON, *GROUPS).returncode == 0
    before, uids = numbers(command, job), release.uids()
    wrong = ("--set", "instances=2", *GROUPS[2:])
    refused(command("upgrade", job, *ON, *wrong), 5, "instances: 1", "worker 1 would become worker 2", "last group")
    refused(command("upgrade", job, "--reuse-values", "--set", "instances=2"), 5, "worker 1 would become worker 2")
    wrong = ("--set", "instances=1", "--set-json", 'computeResources=[{"instances":1,"workersPerPod":2}]')
    assert command("upgrade", job, *ON, *wrong, "--set", "computeResources[0].workersPerPod=1").returncode == 5
    assert (numbers(command, job), release.uids()) == (before, uids)


@pytest.fixture
def taken(command, job):
    """Node ports that a second job in the namespace has."""
    other = f"{job}-b"
    assert command("install", other, *ON).returncode == 0
    return [number for _, number in sorted(numbers(command, other).items())]


@only_newest_helm
def test_all_taken_ports_are_told_at_once_with_their_holders(command, job, taken, left, namespace):
    before = left()
    wanted = f"perWorker.overrides.0.nodePorts.worker={taken[0]},perWorker.overrides.1.nodePorts.worker={taken[1]}"
    result = command("install", job, *ON, "--set", wanted)
    refused(result, 9, *map(str, taken), "perWorker.overrides.0.nodePorts.worker", "perWorker.overrides.1.nodePorts")
    assert f"{namespace}/{job}-b-w-0" in result.stderr
    assert left() == before
    assert command("install", job, *ON).returncode == 0
    live = numbers(command, job)
    refused(command("upgrade", job, *ON, "--set", wanted), 9, *map(str, taken), "revision 1 runs on")
    assert numbers(command, job) == live


@only_newest_helm
def test_ports_that_change_places_are_explained(command, job):
    assert command("install", job, *ON).returncode == 0
    one, two = numbers(command, job).values()
    swap = f"perWorker.overrides.0.nodePorts.worker={two},perWorker.overrides.1.nodePorts.worker={one}"
    refused(command("upgrade", job, *ON, "--set", swap), 5, str(one), str(two), "one step", f"{job}-w-1")
    assert list(numbers(command, job).values()) == [one, two]


@only_newest_helm
def test_a_quota_is_told_before_anything_is_made(command, kube, job, namespace, left):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": namespace},
        "spec": {"hard": {"services.nodeports": "2"}},
    }
    kube("create", "-f", "-", input=json.dumps(quota))
    status = ("-n", namespace, "get", "resourcequota", "small", "-o", "jsonpath={.status.hard}")
    assert eventually(lambda: kube(*status))
    refused(command("install", job, *ON, "--set", "instances=3"), 18, "quota small", "3 more", "perWorker.count")
    assert left() == []
    assert command("install", job, *ON, "--set", "instances=2").returncode == 0


def test_the_documented_role_is_enough_for_everything(
    command, run, job, namespace, restricted_kubeconfig, bind_documented_role, tmp_path, fixed_port
):
    """Install, address, check, pin, publish, unpin, uninstall with the rights of one namespace."""
    bind_documented_role()
    mine = ("--kubeconfig", restricted_kubeconfig())
    # Fixed, so that the API server is asked first.
    fixed = ("--set", f"nodePort.enabled=true,nodePort.port={fixed_port}")
    installed = command("install", job, *ON, *fixed, *mine)
    assert installed.returncode == 0 and "not told" not in installed.stderr, installed.stderr
    report = json.loads(command("address", job, "-o", "json", *mine).stdout)
    assert {a["source"] for worker in report["workers"] for a in worker["addresses"]} == {"podHostIP"}
    for words in (
        ["check", job],
        ["pin", job, "--file", str(tmp_path / "ports.yaml")],
        ["publish", job],
        ["unpin", job],
        ["status", job],
        ["uninstall", job, "--wait"],
    ):
        result = command(*words, *mine)
        assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
