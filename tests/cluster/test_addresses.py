"""Addresses that are followed, published to the workers, and shown in every form."""

import json
import subprocess
import sys
from importlib import resources

import jsonschema

from tests.cluster.conftest import COMMAND, eventually, only_newest_helm

SCHEMA = json.loads(resources.files("twister2_job").joinpath("address.schema.json").read_text())
BOTH = ("--set", "nodePort.enabled=true,perWorker.enabled=true", "--set", "additionalPorts[0].name=ui")
FILE = "/run/twister2-job/addresses.json"


@only_newest_helm
def test_the_json_keeps_to_its_schema_in_every_state(command, job):
    """Ready, suspended, with reserved Services, and exposed inside the cluster alone."""
    states = set()
    for values in (
        (*BOTH, "--set", "perWorker.count=3"),
        (*BOTH, "--set", "suspend=true"),
        ("--set", "perWorker.enabled=true,perWorker.type=ClusterIP"),
    ):
        verb = "upgrade" if states else "install"
        result = command(verb, job, *values, "-o", "json")
        assert result.returncode == 0, result.stderr
        for text in (result.stdout, command("address", job, "-o", "json").stdout):
            report = json.loads(text)
            jsonschema.validate(report, SCHEMA)
            states |= {(a["via"], a["source"] != "", a["state"]) for w in report["workers"] for a in w["addresses"]}
            states |= {(a["via"], a["source"] != "", a["state"]) for a in report["shared"]}
    assert {("nodePort", True, "available"), ("perWorker", True, "available")} <= states
    assert {via for via, _, state in states if state == "reserved"} == {"nodePort", "perWorker"}


@only_newest_helm
def test_workers_read_their_addresses_without_a_restart(command, kube, job, namespace, release):
    """Written by install, upgrade and publish; an upgrade by bare Helm leaves it alone; uninstall removes it."""
    assert command("install", job, *BOTH).returncode == 0
    uids = release.uids()

    def mounted():
        text = kube("-n", namespace, "exec", f"{job}-0-1", "--", "cat", FILE)
        return json.loads(text)

    def published():
        return json.loads(release.get("configmap", f"{job}-addresses")["data"]["addresses.json"])

    first = published()
    expected = json.loads(command("address", job, "-o", "json").stdout)
    assert (first["workers"], first["shared"]) == (expected["workers"], expected["shared"])
    release.upgrade(*BOTH, "--set", "nodePort.advertisedHost=h.example.com")
    assert published() == first
    assert command("publish", job).returncode == 0
    assert published()["shared"][0]["host"] == "h.example.com"
    # A kubelet looks at mounted ConfigMaps about once a minute.
    assert eventually(lambda: mounted()["shared"][0]["host"] == "h.example.com", 120)
    assert release.uids() == uids
    release.helm("uninstall", "--wait")
    names = json.loads(kube("-n", namespace, "get", "configmaps", "-o", "json"))["items"]
    assert f"{job}-addresses" not in [one["metadata"]["name"] for one in names]


@only_newest_helm
def test_watch_prints_what_changes(command, environment, job, namespace):
    assert command("install", job, "--set", "perWorker.enabled=true").returncode == 0
    before = command("address", job, "--worker", "0").stdout.strip()
    words = [COMMAND, "address", job, "--watch", "--namespace", namespace]
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, bufsize=1
    ) as process:
        seen = [process.stdout.readline().strip()]
        while not {f"+ 0 worker {before}", "+ 1 worker"} <= {*seen, *(one.rpartition(" ")[0] for one in seen)}:
            seen.append(process.stdout.readline().strip())
            assert len(seen) < 50 and seen[-1]
        assert command("upgrade", job).returncode == 0  # Nothing changes, so nothing is said.
        assert command("upgrade", job, "--set", "perWorker.enabled=true,perWorker.count=1").returncode == 0
        while not seen[-1].startswith("-"):
            seen.append(process.stdout.readline().strip())
            assert len(seen) < 50 and seen[-1]
        process.terminate()
        gone = [seen.pop(), *process.stdout.read().splitlines()]  # To its end: a closed pipe would be another end.
        assert process.wait(10) == 143
    assert all(line.startswith("- 1 worker ") for line in gone), gone
    assert [line for line in seen if not line.startswith("+ ")] == [] and len({*seen, *gone}) == len(seen + gone)


@only_newest_helm
def test_env_and_one_bare_address(command, run, job, namespace):
    assert command("install", job, *BOTH).returncode == 0
    report = json.loads(command("address", job, "-o", "json").stdout)
    best = {
        (one["id"], name): next(a["address"] for a in one["addresses"] if a["port"] == name)
        for one in report["workers"]
        for name in ("worker", "ui")
    }
    script = (
        f'eval "$({COMMAND} address {job} -n {namespace} -o env)"; '
        'echo "$TWISTER2_JOB_ADDRESS $TWISTER2_JOB_WORKER_1_ADDRESS $TWISTER2_JOB_WORKER_1_UI_ADDRESS"'
    )
    shared, worker, ui = run("bash", "-c", script).stdout.split()
    assert (worker, ui) == (best[1, "worker"], best[1, "ui"])
    assert shared == next(a["address"] for a in report["shared"] if a["port"] == "worker")
    assert command("address", job, "--worker", "1", "--port", "ui").stdout == f"{best[1, 'ui']}\n"
