"""The life of a Twister2 job when something breaks or is stopped half way; with the contract worker of tests/images."""

import json
import subprocess
import zipfile

import pytest
import yaml

from tests.cluster.conftest import COMMAND, eventually, only_newest_helm, refused
from tests.cluster.test_contract_worker import VALUES, run_map, state

pytestmark = only_newest_helm


@pytest.fixture
def words(job, tmp_path, namespace):
    """The words of a submission of a class of the contract worker."""
    settings, jar = tmp_path / "values.yaml", tmp_path / "some.jar"
    with zipfile.ZipFile(jar, "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    settings.write_text(yaml.safe_dump({**VALUES, "additionalPorts": [{"name": "ui"}], "perWorker": {"enabled": True}}))
    return lambda kind, *more: ["submit", job, str(jar), "--class", f"contract.{kind}", "-f", str(settings), *more]


@pytest.fixture
def started(environment, namespace):
    """Start a command in the background; what still runs is killed afterwards."""
    running = []

    def start(*arguments):
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        words = [COMMAND, *arguments, "--namespace", namespace]
        running.append(subprocess.Popen(words, env=environment, **options))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def pieces(release):
    """Return the UIDs of the ConfigMaps that hold the jar, by name."""
    listed = json.loads(
        release.kube("-n", release.namespace, "get", "configmaps", "-l", "twister2-job/jar", "-o", "json")
    )
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in listed["items"]}


def test_a_jar_that_never_comes_ends_the_submission_with_its_own_sentence(command, words, job, left):
    result = command(*words("Complete", "--set", f"job.jar.sha256={'0' * 64}"))
    refused(result, 26, f"The job {job} can't begin", "SHA-256", f"uninstall {job}")
    assert "SHA-256" in state(command, job)["reason"]
    assert command("uninstall", job, "--wait").returncode == 0
    assert eventually(lambda: left() == [])


def test_a_failed_submission_that_is_to_be_undone_leaves_nothing(command, words, left):
    wrong = ("--set", f"job.jar.sha256={'0' * 64}", "--rollback-on-failure")
    refused(command(*words("Complete", *wrong)), 26, "SHA-256", "removed")
    assert eventually(lambda: left() == [])


def test_an_existing_job_keeps_its_jar_and_its_pods(command, words, release):
    assert command(*words("Serve", "--detach")).returncode == 0
    before = pieces(release), release.uids()
    assert len(before[0]) == 1
    refused(command(*words("Complete")), 7, release.name, "upgrade")
    assert (pieces(release), release.uids()) == before


def test_whoever_stops_a_submission_stops_nothing_of_the_job(command, words, started, job, namespace):
    """SIGTERM while the job is followed; it goes on, and `wait` takes the following up again."""
    process = started(*words("Serve", "--config", "contract.seconds=12"))
    said = iter(process.stderr.readline, "")
    assert any("the job runs" in line for line in said)
    process.terminate()
    assert process.wait(timeout=15) == 143
    assert state(command, job)["state"] == "running"
    result = command("wait", job, "--timeout", "60")
    assert result.returncode == 0 and "(2 of 2)" in result.stderr, result.stderr


def test_a_rerun_that_was_killed_half_way_is_done_by_the_next(command, words, started, release, job):
    """Killed with its Helm when the job is suspended and not yet resumed."""
    assert command(*words("Serve", "--detach")).returncode == 0
    ports, pods, run = release.worker_ports(), release.uids(), run_map(release)["metadata"]["uid"]
    process = started("rerun", job, "--detach")
    names = ("-n", release.namespace, "get", "configmap", job, "--ignore-not-found", "-o", "name")
    assert eventually(lambda: not release.kube(*names), 60)
    subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
    result = command("rerun", job, "--detach", timeout=120)
    assert result.returncode == 0, result.stderr
    assert release.worker_ports() == ports and run_map(release)["metadata"]["uid"] != run
    assert len(release.uids()) == 2 and not set(release.uids().values()) & set(pods.values())
    assert eventually(lambda: state(command, job)["state"] == "running")


def test_a_job_that_runs_is_killed_with_all_its_logs_and_wait_hears_of_it(command, words, started, job, tmp_path):
    assert command(*words("Serve", "--detach")).returncode == 0
    waiting = started("wait", job)
    assert any("the job runs" in line for line in iter(waiting.stderr.readline, ""))
    assert command("kill", job, "--logs", str(tmp_path / "logs")).returncode == 0
    assert waiting.wait(timeout=30) == 25
    assert {path.name.split(".")[1] for path in (tmp_path / "logs").iterdir()} == {
        "job-package", "twister2-container-0", "twister2-job-master-0",
    }  # fmt: skip
    refused(command("kill", job, "--logs", str(tmp_path / "logs")), 2, "--logs")


def test_commands_for_twister2_jobs_refuse_others(command, job):
    assert command("install", job).returncode == 0
    for name, remedy in (("wait", "no end"), ("kill", "suspend=true"), ("rerun", "upgrade")):
        refused(command(name, job), 2, "is no Twister2 job", remedy)
