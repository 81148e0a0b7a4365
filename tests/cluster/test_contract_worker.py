"""What only Twister2 0.8.0 does: its ConfigMap, kill, failures and restarts; shown with the contract worker.

The contract worker is a program of our own that behaves as runs of 0.8.0 did (tests/images); it is not Twister2.
"""

import json
import re
import sys
import zipfile

import pytest
import yaml
from twister2_job.twister2 import job_package as jobpackage

from tests.cluster.conftest import eventually, only_newest_helm, refused
from tests.conftest import CHART, REPOSITORY
from tests.conftest import run as run_command

LEFT = "import json; from twister2_job.release import run_mark; print(json.dumps(run_mark.new(300).labels()))"
"""Prints the labels of what a run makes; the process has ended when they are read."""

job_package = jobpackage.script(CHART)
VALUES = {
    "image": {"repository": "localhost/twister2-job/contract-worker", "tag": "3"},
    "instances": 2,
    "job": {"cpu": 0.05, "ram": 64, "master": {"cpu": 0.05, "ram": 64}},
}


@pytest.fixture
def submit(command, job, tmp_path):
    """Submit a job of a class of the contract worker."""
    settings, jar = tmp_path / "values.yaml", tmp_path / "some.jar"
    with zipfile.ZipFile(jar, "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")

    def run(kind, *options, **values):
        settings.write_text(yaml.safe_dump({**VALUES, **values}))
        return command("submit", job, str(jar), "--class", f"contract.{kind}", "-f", str(settings), *options)

    return run


@pytest.fixture
def packaged(release, job, tmp_path):
    """Make a package as Twister2's own client would; return the options with which `submit` takes it."""

    def make(*groups, **more):
        """Groups are (instances, workers per pod)."""
        plan = {
            "job": job, "jobName": "made elsewhere", "namespace": release.namespace, "class": "contract.Complete",
            "driver": "", "additionalPorts": [], "workerPort": 9000, "masterPort": 11011, "config": {}, "sha256": "",
            "groups": [
                {"instances": one, "workersPerPod": two, "cpu": 0.05, "ram": 64, "disk": 0, "scalable": False}
                for one, two in groups
            ],
        }  # fmt: skip
        jar, package, settings = tmp_path / "some.jar", tmp_path / "package.tar.gz", tmp_path / "values.yaml"
        jar.write_bytes(b"PK\x03\x04")
        job_package.write_package({**plan, **more}, str(jar), str(package))
        settings.write_text(yaml.safe_dump({"image": VALUES["image"], "job": {"master": VALUES["job"]["master"]}}))
        return "--package", str(package), "-f", str(settings)

    return make


@pytest.fixture
def served(submit, release):
    """A job that runs until it is ended, with a Service for each worker's own server."""
    result = submit("Serve", "--detach", additionalPorts=[{"name": "ui"}], perWorker={"enabled": True})
    assert result.returncode == 0, result.stderr
    return release


def state(command, job):
    result = command("status", job, "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["job"]


def run_map(release):
    """Return the ConfigMap in which Twister2 counts restarts."""
    return release.get("configmap", release.name)


@only_newest_helm
def test_a_job_that_completes_exits_with_0_and_tells_of_every_worker(submit, command, job):
    result = submit("Complete")
    assert result.returncode == 0, result.stderr
    for words in ("worker 0 completed", "worker 1 completed", "(2 of 2)", f"job {job} completed (2 workers)"):
        assert words in result.stderr, result.stderr
    found = state(command, job)
    assert found["state"] == "completed" and [w["state"] for w in found["workers"]] == ["completed"] * 2
    assert command("wait", job).returncode == 0


@only_newest_helm
def test_a_job_that_fails_exits_with_24_and_the_workers_last_words(submit, command, job):
    result = submit("Fail", "--config", "twister2.fault.tolerance.max.worker.restarts=2")
    cause = "RuntimeError: contract.Fail fails, as it should"
    refused(result, 24, "worker 0 failed for good", f"\n  {cause}\n")
    assert "\tat contract." not in result.stderr
    found = state(command, job)
    assert found["state"] == "failed" and found["workers"][0]["state"] == "fully failed"
    assert found["reason"] == f"worker 0 failed for good: {cause}"
    refused(command("wait", job), 24, "failed", cause)  # By now the worker runs again, without a word of it.


@only_newest_helm
def test_a_restarted_worker_is_told_and_the_job_completes(submit, release, command, job):
    result = submit("FailOnce")
    assert result.returncode == 0, result.stderr
    assert "worker 0 joined again after a failure" in result.stderr
    assert run_map(release)["data"]["RESTART_COUNT_FOR_WORKER_0"] == "1"
    assert state(command, job)["workers"][0]["restarts"] == 1


@only_newest_helm
def test_a_worker_whose_pod_was_deleted_waits_until_it_has_joined_again(submit, release, command, job):
    assert submit("Serve", "--detach").returncode == 0
    assert eventually(lambda: [w["state"] for w in state(command, job)["workers"]] == ["running"] * 2)
    before = release.uids()
    release.kube("-n", release.namespace, "delete", "pod", f"{job}-0-0", "--wait=false")
    seen = []

    def back():
        seen.append(state(command, job)["workers"][0])
        return release.uids() != before and (seen[-1]["restarts"], seen[-1]["state"]) == (1, "running")

    assert eventually(back), seen
    states = [one["state"] for one in seen]
    assert set(states) <= {"running", "waiting", "joined"} and "waiting" in states, states


@only_newest_helm
def test_a_master_that_dies_without_a_word_is_not_waited_for(submit):
    refused(submit("MasterDies"), 26, "the job master ended", "without a word on how the job ended")


@only_newest_helm
def test_missing_rights_are_named(submit, command, release, job):
    """A worker that can't count its restarts dies; only its log says why."""
    result = submit("Serve", "--detach")
    assert result.returncode == 0, result.stderr
    release.kube("-n", release.namespace, "delete", "rolebinding", job)
    release.kube("-n", release.namespace, "delete", "pod", f"{job}-0-0")
    assert eventually(lambda: release.pods()[f"{job}-0-0"]["status"]["phase"] == "Running")
    result = command("wait", job, "--timeout", "30")
    refused(result, 11, "has not ended in time")
    assert "is a right missing?" in result.stderr, result.stderr


@only_newest_helm
def test_a_job_runs_with_the_rights_that_the_documentation_names_and_egress_closed(submit, release, job):
    """Somebody else makes its Roles, from docs/twister2.md as they stand."""
    text = (REPOSITORY / "docs" / "twister2.md").read_text().replace("JOB", job)
    found = re.search(r"```yaml\n(.*?kind: Role\n.*?)```", text, re.DOTALL)
    assert found, "docs/twister2.md shows no Role"
    release.kube("-n", release.namespace, "create", "-f", "-", input=found[1])
    for name in (job, f"{job}-jm"):
        bound = (f"--role={name}", f"--serviceaccount={release.namespace}:{name}")
        release.kube("-n", release.namespace, "create", "rolebinding", name, *bound)
    result = submit("Complete", rbac={"create": False}, networkPolicy={"egress": {"enabled": True}})
    assert result.returncode == 0 and f"job {job} completed (2 workers)" in result.stderr, result.stderr
    assert not release.get("role", job)["metadata"].get("labels")


def test_kill_ends_the_job_and_rerun_brings_new_pods_at_the_same_node_ports(served, command, job, tmp_path):
    ports, pods, before = served.worker_ports(), served.uids(), run_map(served)["metadata"]["uid"]
    assert len(ports) == 2 and all(set(found) == {"ui"} for found in ports.values())
    result = command("kill", job, "--logs", str(tmp_path / "logs"))
    assert result.returncode == 0, result.stderr
    assert "the job master ends the job" in result.stderr
    master = (tmp_path / "logs" / f"{job}-jm-0.twister2-job-master-0.log").read_text()
    assert "Job Kill parameter received. Killing the job" in master
    assert {f"{job}-0-{n}.twister2-container-0.log" for n in (0, 1)} <= {p.name for p in (tmp_path / "logs").iterdir()}
    assert not served.pods() and served.worker_ports() == ports
    labels = f"app.kubernetes.io/instance={job}"
    assert not served.kube("-n", served.namespace, "get", "pods", "-l", labels, "-o", "name")
    assert job not in served.kube("-n", served.namespace, "get", "configmaps", "-o", "name").split("configmap/")
    assert state(command, job)["state"] == "suspended"
    refused(command("wait", job), 26, "suspended")

    result = command("rerun", job, "--detach")
    assert result.returncode == 0, result.stderr
    assert served.worker_ports() == ports and not set(pods.values()) & set(served.uids().values())
    run = run_map(served)
    assert run["metadata"]["uid"] != before and "KILL_JOB" not in run["data"]
    assert eventually(lambda: state(command, job)["state"] == "running")
    # And a running one: suspended, then resumed.
    pods = served.uids()
    assert command("rerun", job, "--detach").returncode == 0
    assert served.worker_ports() == ports and not set(pods.values()) & set(served.uids().values())


def test_uninstall_by_bare_helm_leaves_nothing(served, left):
    assert any("-jar-" in name for name in left())
    served.helm("uninstall", "--wait", "--timeout", "60s")
    assert eventually(lambda: not left())


@only_newest_helm
def test_a_refused_submission_leaves_nothing(submit, left):
    refused(submit("Serve", "--set", "nodePort.enabled=true,workersPerPod=2"), 5, "workersPerPod")
    assert not left()


@only_newest_helm
def test_orphans_of_a_killed_submission_go_with_the_next_one(submit, release, job, left):
    labels = {
        "app.kubernetes.io/name": "twister2-job",
        "app.kubernetes.io/instance": job,
        "app.kubernetes.io/managed-by": "twister2-job",
        "twister2-job/jar": "7",
        **json.loads(run_command(sys.executable, "-c", LEFT).stdout),
    }
    orphan = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{job}-jar-7", "labels": labels}}
    release.kube(
        "-n", release.namespace, "create", "-f", "-", input=json.dumps({**orphan, "binaryData": {"jar": "UEs="}})
    )
    assert submit("Complete").returncode == 0
    assert f"{job}-jar-7" not in left() and any(re.fullmatch(rf"{job}-jar-[0-9a-f]{{8}}-0", name) for name in left())


@only_newest_helm
def test_every_port_of_every_worker_answers_and_check_leaves_the_worker_port_alone(served, command, job):
    result = eventually(lambda: (done := command("check", job, "-o", "json")).returncode == 0 and done)
    asked = json.loads(result.stdout)["results"]
    assert asked and {one["port"] for one in asked} == {"ui"}


@only_newest_helm
def test_a_ready_made_package_says_what_the_job_is(command, release, job, packaged, left):
    """Groups, ports and settings come from it; values that say otherwise are refused before anything is made."""
    words = packaged((1, 2), (1, 1), additionalPorts=["ui"], masterPort=11500)
    refused(command("submit", "another", *words), 2, job)
    refused(command("submit", job, *words, "--set", "instances=5"), 5, "instances")
    assert not left()
    result = command("submit", job, *words)
    assert result.returncode == 0, result.stderr
    assert [w["state"] for w in state(command, job)["workers"]] == ["completed"] * 3
    assert release.get("statefulset", f"{job}-jm")["spec"]["template"]["spec"]["containers"][0]["ports"] == [
        {"name": "job-master-port", "containerPort": 11500, "protocol": "TCP"}
    ]
