"""Following a job to its end, with a kubectl that shows what a test tells it to; real jobs are in tests/cluster."""

import asyncio
import json
import time

import pytest
from twister2_job.clients.connection import Connection
from twister2_job.clients.kubectl import Kubectl
from twister2_job.errors import JobFailedError, JobLostError, JobNotFoundError, NoRightsError, OutOfTimeError
from twister2_job.twister2 import follower as jobwait
from twister2_job.twister2.follower import Follower
from twister2_job.twister2.log_patterns import Progress
from twister2_job.twister2.logs import Log, folder_for, of_pods, save
from twister2_job.twister2.logs import state as read_state
from twister2_job.twister2.reporter import MOST_LINES, Narrator
from twister2_job.twister2.submit import require_completed

from tests.plugin.test_jobstate import BARRIER, BEGIN, CONTAINER, EXITED, JOINED, ZNODE
from tests.plugin.test_signs import OLD
from tests.plugin.twister2_objects import (
    MASTER,
    crashed,
    master,
    pod,
    running,
    stateful_set,
    waiting,
    whole_job,
    worker,
)

SCRIPT = """#!/bin/sh
folder="{folder}"
echo "$*" >>"$folder/runs"
case "$*" in
  *"logs --follow"*) cat "$folder/job-jm-0.twister2-job-master-0"; [ -e "$folder/open" ] && exec sleep 1000; exit 0;;
  logs*--previous*) cat "$folder/$2.$4.previous";;
  logs*) cat "$folder/$2.$4";;
  "get pods,statefulsets"*) cat "$folder/objects";;
  "get configmaps"*) cat "$folder/counts";;
  "get events"*) cat "$folder/events";;
  "get --raw"*) echo '{{"items": []}}';;
esac
"""
DONE = ["Worker:0 COMPLETED.", "Worker:1 COMPLETED.", "All 2 workers COMPLETED. Terminating the job."]


class Cluster:
    """What the kubectl of a test shows."""

    def __init__(self, folder):
        self.folder, self.said = folder, []
        self.kubectl = Kubectl(Connection(namespace="data"))
        self.objects(whole_job())
        self.log()
        (folder / "events").write_text('{"items": []}')
        self.counts()

    def objects(self, objects):
        (self.folder / "new").write_text(json.dumps({"items": objects}))
        (self.folder / "new").replace(self.folder / "objects")

    def log(self, *lines, pod="job-jm-0", container=MASTER, previous=False):
        name = f"{pod}.{container}{'.previous' if previous else ''}"
        (self.folder / name).write_text("".join(f"INFO: {line}\n" for line in lines))

    def counts(self, **data):
        (self.folder / "counts").write_text(json.dumps({"items": [{"data": data}]}))

    def runs(self, words):
        return [line for line in (self.folder / "runs").read_text().splitlines() if words in line]

    def heard(self, text):
        return any(text in sentence for sentence in self.said)

    def follow(self, *later, seconds=60.0, ready=False):
        """Follow the job for so long; do each step of `later` when its sentence was said, or after half a second."""

        async def main():
            follower = Follower(self.kubectl, "job", self.said.append)
            deadline = None if seconds is None else time.monotonic() + seconds
            wait = follower.ready(["job-jm", "job-0"], deadline) if ready else follower.end(deadline)
            task = asyncio.ensure_future(wait)
            try:
                for step in later:
                    text, step = step if isinstance(step, tuple) else ("", step)
                    await asyncio.sleep(0 if text else 0.5)
                    while text and not self.heard(text) and not task.done():
                        await asyncio.sleep(0.05)
                    step()
                return await task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await follower.close()

        return asyncio.run(main())


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    path = tmp_path / "kubectl"
    path.write_text(SCRIPT.format(folder=tmp_path))
    path.chmod(0o755)
    monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(path))
    for name, value in {"LOOK": 0.2, "LOOK_AT_START": 0.1, "SURE": 0.5, "SILENCE": 0.8, "RECONNECT": 0.1}.items():
        monkeypatch.setattr(jobwait, name, value)
    return Cluster(tmp_path)


def test_a_job_that_has_ended_already(cluster):
    cluster.log(BEGIN, *JOINED, BARRIER, *DONE)
    began = time.monotonic()
    assert cluster.follow().state == "completed" and time.monotonic() - began < 10
    assert cluster.said == [
        "the job master waits for the workers",
        "worker 0 joined (1 of 2)",
        "worker 1 joined (2 of 2)",
        "all 2 workers joined",
        "all workers are at the first barrier: the job runs",
        "worker 0 completed (1 of 2)",
        "worker 1 completed (2 of 2)",
    ]


def test_a_log_whose_connection_breaks_is_read_again_and_nothing_is_told_twice(cluster):
    cluster.log(BEGIN, JOINED[0])
    state = cluster.follow(("worker 0", lambda: None), lambda: cluster.log(BEGIN, *JOINED, BARRIER, *DONE))
    assert state.state == "completed" and len(cluster.runs("logs --follow")) >= 2
    assert len(cluster.said) == len(set(cluster.said)) == 7


def test_a_job_that_goes_on_is_not_waited_for_beyond_the_time(cluster):
    cluster.log(BEGIN, *JOINED, BARRIER)
    (cluster.folder / "open").touch()
    with pytest.raises(OutOfTimeError, match="has not ended in time; it is running"):
        cluster.follow(seconds=1)


@pytest.mark.parametrize(
    ("objects", "log", "said"),
    [
        (whole_job(), [BEGIN, *JOINED, EXITED], "the job master ended without a word"),
        (whole_job(master(running(MASTER, restarts=1))), [BEGIN], "was restarted once and knows of no worker"),
        (whole_job(master(running(MASTER, restarts=1))), [], "Nobody can tell how the job job ends"),
        (whole_job(master(crashed(MASTER))), [BEGIN, *JOINED], "the job master doesn't run any more"),
        ([stateful_set("job-jm", 0), stateful_set("job-0", 0, group=0)], [], "is suspended"),
        (
            whole_job(pod("job-0-1", init=crashed("job-package", restarts=3, message="No jar."))),
            [],
            "can't begin: the job's package can't be made in pod job-0-1: No jar",
        ),
    ],
)
def test_a_job_that_can_not_end_any_more_is_not_waited_for(cluster, objects, log, said):
    cluster.objects(objects)
    cluster.log(*log)
    with pytest.raises(JobLostError, match=said):
        cluster.follow()


def test_a_znode_of_an_earlier_run_has_an_advice_of_its_own(cluster):
    cluster.log(ZNODE, EXITED)
    with pytest.raises(JobLostError, match="ZooKeeper has /twister2/job of an earlier run") as told:
        cluster.follow()
    assert "`deleteall /twister2/job`" in told.value.hint and "rerun" not in str(told.value)


def test_a_job_that_looks_lost_for_a_moment_is_waited_for(cluster):
    """The end is in the log, but the script's last word is read first: a log that rolls over, for example."""
    cluster.log(BEGIN, *JOINED, EXITED)
    assert cluster.follow(lambda: cluster.log(BEGIN, *DONE, EXITED)).state == "completed"


def test_a_job_that_is_uninstalled_meanwhile(cluster):
    cluster.log(BEGIN)
    with pytest.raises(JobNotFoundError, match="was uninstalled"):
        cluster.follow(lambda: cluster.objects([]))


def test_a_master_that_is_replaced_knows_nothing_of_what_was(cluster):
    """Its pod is a new one: without the reset the job would look as if it ran."""
    cluster.log(BEGIN, *JOINED, BARRIER)

    def replace():
        cluster.log(BEGIN)
        cluster.objects(whole_job(master(uid="b")))

    with pytest.raises(JobLostError, match="knows of no worker"):
        cluster.follow(("the job runs", replace))
    assert "the job master was restarted" in cluster.said


def test_how_it_ended_may_be_in_the_log_of_the_run_before(cluster):
    cluster.objects(whole_job(master(running(MASTER, restarts=1))))
    cluster.log(*OLD, previous=True)
    assert cluster.follow().state == "completed"


def test_whoever_may_not_read_logs_is_told_so(cluster):
    script = cluster.folder / "kubectl"
    forbidden = 'User "u" cannot get resource "pods/log" in API group "" in the namespace "data"'
    script.write_text(
        script.read_text().replace("case", f"case $1 in logs) echo '{forbidden}' >&2; exit 1;; esac\ncase")
    )
    with pytest.raises(NoRightsError, match="u may not get pods/log"):
        cluster.follow()


def test_a_cluster_that_does_not_answer_for_a_while_is_asked_again(cluster):
    cluster.log(BEGIN, *JOINED, BARRIER)
    (cluster.folder / "objects").unlink()
    done = [BEGIN, *JOINED, BARRIER, *DONE]
    state = cluster.follow(("Trying again", lambda: cluster.objects(whole_job())), lambda: cluster.log(*done))
    assert state.state == "completed"


def test_a_cluster_that_never_answers_is_given_up(cluster, monkeypatch):
    monkeypatch.setattr(jobwait, "NO_CLUSTER", 0.5)
    (cluster.folder / "objects").unlink()
    with pytest.raises(Exception, match="kubectl"):
        cluster.follow()


def test_why_nothing_happens_is_told_once(cluster, monkeypatch):
    monkeypatch.setattr(jobwait, "BARRIER", 0.3)
    monkeypatch.setattr(jobwait, "ASK_EVERY", 0.2)
    cluster.log(BEGIN, JOINED[0])
    cluster.log("SEVERE: Exception when getting ConfigMap list.", pod="job-0-1", container=CONTAINER)
    cluster.follow(("worker 1 (pod", lambda: None), lambda: cluster.log(BEGIN, *DONE))
    (told,) = [text for text in cluster.said if text.startswith("worker 1 (pod job-0-1)")]
    assert "is a right missing?" in told


def test_workers_that_wait_at_the_first_barrier_and_at_a_later_one(cluster, monkeypatch):
    monkeypatch.setattr(jobwait, "BARRIER", 0.3)
    cluster.log(BEGIN, *JOINED)

    later = [BEGIN, *JOINED, BARRIER, "WorkerID: 1 rejoined from failure."]
    cluster.follow(("gives up", lambda: cluster.log(*later)), ("waits at the INIT", lambda: cluster.log(*later, *DONE)))
    first, later = [text for text in cluster.said if "Twister2 gives up after 600 s" in text]
    assert first.startswith("all workers joined, but") and later.startswith("worker 1 joined 0 s ago and waits")


def test_a_restarted_worker_is_told_with_what_its_log_says(cluster):
    cluster.log(BEGIN, *JOINED, BARRIER)
    cluster.objects(whole_job(worker(1, running(CONTAINER, restarts=1))))
    cluster.log("java.lang.NoClassDefFoundError: org/example/A", pod="job-0-1", container=CONTAINER, previous=True)
    cluster.follow(("is started again", lambda: cluster.log(BEGIN, *DONE)))
    (told,) = [text for text in cluster.said if "is started again" in text]
    assert "restart 1: a class is missing: INFO: java.lang.NoClassDefFoundError" in told


def test_missing_pods_are_told_with_the_event(cluster, monkeypatch):
    monkeypatch.setattr(jobwait, "ASK_EVERY", 0.2)
    few = stateful_set("job-0", 2, group=0)
    few["status"]["replicas"] = 0
    cluster.objects([stateful_set("job-jm", 1), few, master()])
    about = {"kind": "StatefulSet", "name": "job-0"}
    event = {"involvedObject": about, "reason": "FailedCreate", "message": "exceeded quota", "lastTimestamp": "1"}
    (cluster.folder / "events").write_text(json.dumps({"items": [event]}))
    cluster.log(BEGIN)
    cluster.follow(("has no pod", lambda: cluster.log(BEGIN, *DONE)))
    assert "StatefulSet job-0 has no pod: FailedCreate: exceeded quota" in cluster.said


def few_pods():
    few = stateful_set("job-0", 2, group=0)
    few["status"]["replicas"] = 1
    return [stateful_set("job-jm", 1), few, master(), worker(0)]


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        (whole_job(pod("job-0-1", waiting(CONTAINER, "ImagePullBackOff"))), "pod job-0-1: ImagePullBackOff"),
        (few_pods(), "StatefulSet job-0 lacks pods"),
    ],
    ids=["image", "pods"],
)
def test_a_wait_without_a_limit_ends_when_pods_can_not_run(cluster, monkeypatch, objects, said):
    monkeypatch.setattr(jobwait, "STUCK", 0.5)
    cluster.log(BEGIN)
    cluster.objects(objects)
    with pytest.raises(OutOfTimeError):
        cluster.follow(seconds=1.5)  # Whoever sets a limit waits for it: a node may be on its way.
    with pytest.raises(JobLostError, match=f"has not begun: for 0 minutes its pods could not all run.*{said}"):
        cluster.follow(seconds=None)
    cluster.log(BEGIN, *JOINED, BARRIER)  # A job that runs may complete without pods that its driver asked for later.
    state = cluster.follow(*[lambda: None] * 4, lambda: cluster.log(BEGIN, *JOINED, BARRIER, *DONE), seconds=None)
    assert state.state == "completed"


def test_ready_is_when_all_pods_are_or_the_job_has_ended(cluster):
    late = stateful_set("job-0", 2, group=0)
    late["status"]["readyReplicas"] = 1
    cluster.objects([stateful_set("job-jm", 1), late, *whole_job()[2:]])
    cluster.log(BEGIN)
    began = time.monotonic()
    cluster.follow(lambda: None, lambda: cluster.objects(whole_job()), ready=True)
    assert time.monotonic() - began >= 1
    cluster.objects([stateful_set("job-jm", 1), late, *whole_job()[2:]])
    with pytest.raises(OutOfTimeError, match="pods were not ready in time"):
        cluster.follow(ready=True, seconds=0.5)
    cluster.log(BEGIN, *JOINED, BARRIER, *DONE)
    cluster.follow(ready=True)


def test_a_jar_that_is_not_there_yet_is_told_when_the_time_is_out(cluster):
    at_work = {"name": "job-package", "ready": False, "state": {"running": {}}}
    cluster.objects(whole_job(pod("job-jm-0", init=at_work), pod("job-0-0", init=at_work)))
    cluster.log("no answer; asking again", pod="job-jm-0", container="job-package")
    late = stateful_set("job-0", 2, group=0)
    late["status"]["readyReplicas"] = 0
    cluster.objects([stateful_set("job-jm", 1), late, pod("job-jm-0", init=at_work)])
    with pytest.raises(OutOfTimeError, match="package is not there yet in pod job-jm-0: INFO: no answer"):
        cluster.follow(ready=True, seconds=0.5)


def test_the_last_words_of_the_worker_that_failed_are_in_the_error(cluster, monkeypatch):
    cluster.log(BEGIN, *JOINED, BARRIER, "Worker: 1 FULLY_FAILED.", "The job is completing with failure.")
    cluster.log("java.lang.RuntimeException: no more tuples", pod="job-0-1", container=CONTAINER)
    state = cluster.follow()
    with pytest.raises(JobFailedError, match="no more tuples") as told:
        asyncio.run(require_completed(cluster.kubectl, "job", state))
    assert "worker 1 failed for good" in str(told.value)


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


# Words.


def test_a_big_job_has_no_line_for_each_worker():
    said, told = [], Progress()
    narrator = Narrator(said.append)
    for number in range(1000):
        event = told.feed(f"Worker: {number} joined the job.")
        narrator.event(event, told, 1000)
    assert len(said) == MOST_LINES and said[-1] == "worker 999 joined (1000 of 1000)"


def test_the_number_of_workers_is_never_less_than_have_joined():
    """A driver scales a job: the pods are looked at a little later than the log is read."""
    said, told = [], Progress()
    narrator = Narrator(said.append)
    ids = "All workers joined the job. Worker IDs: "
    for line in (JOINED[0], f"{ids}[0]", JOINED[1], f"{ids}[0, 1]", "Worker:0 COMPLETED."):
        narrator.event(told.feed(line), told, 1)
    assert said == [
        "worker 0 joined (1 of 1)", "all 1 workers joined", "worker 1 joined (2 of 2)", "all 2 workers joined",
        "worker 0 completed (1 of 2)",
    ]  # fmt: skip
    old = Progress()
    narrator.event(old.feed("All 6 workers joined the job."), old, 2)
    assert said[-1] == "all 6 workers joined: the job runs"


def test_a_worker_that_fails_twice_is_told_twice():
    said, told = [], Progress()
    narrator = Narrator(said.append)
    for line in ["Worker: 1 FAILED.", "WorkerID: 1 rejoined from failure."] * 2:
        narrator.event(told.feed(line), told, 2)
    assert said == [
        "worker 1 failed",
        "worker 1 joined again after a failure (restart 1)",
        "worker 1 failed",
        "worker 1 joined again after a failure (restart 2)",
    ]
