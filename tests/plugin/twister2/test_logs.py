"""The logs of a job's containers: what the state and the last words of a job are read from, and saving them."""

import asyncio
import json
import os
import time

import pytest
from twister2_job.errors import JobFailedError, UsageError
from twister2_job.twister2.follower import Follower
from twister2_job.twister2.logs import Log, folder_for, of_pods, save
from twister2_job.twister2.logs import state as read_state
from twister2_job.twister2.submit import require_completed

from tests.plugin.twister2.objects import (
    pod,
    running,
    stateful_set,
    whole_job,
    worker,
)
from tests.plugin.twister2.test_log_patterns import OLD
from tests.plugin.twister2.test_state import BARRIER, BEGIN, CONTAINER, JOINED

FRAMES = [f"\tat org.example.Job.step{n}(Job.java:{n})" for n in range(20)]
UNCAUGHT = [
    "[2026-11-28 09:10:11 +0000] [SEVERE] x: Uncaught exception in the thread Thread[main,5,main]. Worker FAILED... ",
    "java.lang.IllegalStateException: no more tuples",
    *FRAMES,
]


def failed_for_good(cluster):
    cluster.log(BEGIN, *JOINED, BARRIER, "Worker: 1 FULLY_FAILED.", "The job is completing with failure.")
    return cluster.follow()


def told_of(cluster, state, **more):
    with pytest.raises(JobFailedError) as told:
        asyncio.run(require_completed(cluster.kubectl, "job", state, **more))
    return told.value.message


@pytest.mark.parametrize("previous", [False, True])
def test_the_exception_is_told_and_no_frames_also_when_the_worker_runs_again(cluster, previous):
    log = cluster.folder / f"job-0-1.{CONTAINER}"
    log.with_name(log.name + ".previous" * previous).write_text("\n".join(UNCAUGHT))
    if previous:
        log.write_text("INFO: starting again\n")
    message = told_of(cluster, failed_for_good(cluster))
    assert message.splitlines() == [
        "The job job failed: worker 1 failed for good.",
        "  java.lang.IllegalStateException: no more tuples",
    ]
    assert state(cluster).reason == "worker 1 failed for good: java.lang.IllegalStateException: no more tuples"


def test_without_an_exception_the_last_lines_that_are_no_frames(cluster):
    (cluster.folder / f"job-0-1.{CONTAINER}").write_text("\n".join(["something odd", *FRAMES]))
    assert told_of(cluster, failed_for_good(cluster)).endswith("failed for good.\n  something odd")


def test_an_exception_is_kept_when_its_log_is_gone(cluster):
    """The log of two runs ago can't be had any more, but a command that runs meanwhile has read it."""
    cluster.log(BEGIN, *JOINED, BARRIER)
    cluster.objects(whole_job(worker(1, running(CONTAINER, restarts=1))))
    before = cluster.folder / f"job-0-1.{CONTAINER}.previous"
    before.write_text("\n".join(UNCAUGHT))
    failures = {}

    async def main():
        follower = Follower(cluster.kubectl, "job", cluster.said.append)
        task = asyncio.ensure_future(follower.end(time.monotonic() + 60))
        while not cluster.heard("no more tuples"):
            await asyncio.sleep(0.05)
        before.write_text("INFO: could not connect\n")
        cluster.log(BEGIN, *JOINED, BARRIER, "Worker: 1 FULLY_FAILED.", "The job is completing with failure.")
        found = await task
        await follower.close()
        failures.update(follower.failures)
        return found

    found = asyncio.run(main())
    assert "no more tuples" in told_of(cluster, found, failures=failures)
    assert "no more tuples" not in told_of(cluster, found)


# Reading the state once.


def state(cluster):
    from twister2_job.exposure.addresses import Cluster as Read

    objects = json.loads((cluster.folder / "objects").read_text())["items"]
    return asyncio.run(read_state(cluster.kubectl, "job", Read(objects, None)))


def test_the_state_is_read_from_log_and_configmap(cluster):
    cluster.log(BEGIN, *JOINED, BARRIER)
    cluster.counts(RESTART_COUNT_FOR_WORKER_1="2")
    found = state(cluster)
    assert found.state == "running" and [one.restarts for one in found.workers] == [0, 2]


def test_workers_of_0_3_0_are_asked_themselves(cluster):
    cluster.log(*OLD[:2])
    for ordinal, line in ((0, "computing"), (1, "edu.iu.K8sWorkerStarter completed. Waiting the pod to be deleted.")):
        (cluster.folder / f"job-0-{ordinal}.{CONTAINER}").write_text(f"{line}\n")
    assert [one.state for one in state(cluster).workers] == ["running", "completed"]
    assert len(cluster.runs(f"-c {CONTAINER}")) == 2


def test_a_suspended_job_has_no_log_to_read(cluster):
    cluster.objects([stateful_set("job-jm", 0), stateful_set("job-0", 0, group=0)])
    assert state(cluster).state == "suspended" and not (cluster.folder / "runs").exists()


# Saving logs.


def test_every_log_of_every_container_is_saved(cluster, tmp_path):
    init = {"name": "job-package", "state": {"terminated": {"exitCode": 0}}}
    pods = [worker(0, running(CONTAINER, restarts=1), init=init), pod("job-0-1")]
    logs = of_pods(pods)
    assert logs == [
        Log("job-0-0", "job-package", False),
        Log("job-0-0", CONTAINER, False),
        Log("job-0-0", CONTAINER, True),
    ]
    cluster.log("now", pod="job-0-0", container=CONTAINER)
    cluster.log("before", pod="job-0-0", container=CONTAINER, previous=True)
    cluster.log("made", pod="job-0-0", container="job-package")
    folder = tmp_path / "deep" / "logs"
    assert asyncio.run(save(cluster.kubectl, logs, folder)) == 3
    saved = {path.name: path.read_text() for path in folder.iterdir()}
    assert saved == {
        f"job-0-0.{CONTAINER}.log": "INFO: now\n",
        f"job-0-0.{CONTAINER}.previous.log": "INFO: before\n",
        "job-0-0.job-package.log": "INFO: made\n",
    }
    cluster.log(pod="job-0-0", container=CONTAINER)  # It can't be had any more: what was saved stays.
    assert asyncio.run(save(cluster.kubectl, [*logs[:2], Log("gone-0", CONTAINER, False)], folder)) == 1
    assert {path.name: path.read_text() for path in folder.iterdir()} == saved


def test_logs_that_are_there_are_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(folder_for("job", "")) == "job-logs"
    (tmp_path / "job-logs").mkdir()
    assert str(folder_for("job", "")) == "job-logs-2"
    assert folder_for("job", "job-logs").name == "job-logs"  # Empty.
    (tmp_path / "job-logs" / "a").touch()
    for chosen in ("job-logs", "job-logs/a"):
        with pytest.raises(Exception, match="exists already"):
            folder_for("job", chosen)


def test_a_folder_for_logs_that_can_not_be_looked_into(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    for path, said in (("fifo", "exists already"), ("a" * 300, "can't be used for logs: File name too long")):
        with pytest.raises(UsageError, match=said):
            folder_for("job", path)
