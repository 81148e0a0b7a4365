"""Following a job to its end, with a kubectl that shows what a test tells it to; real jobs are in tests/cluster."""

import asyncio
import json
import time

import pytest
from twister2_job.errors import JobFailedError, JobLostError, JobNotFoundError, NoRightsError, OutOfTimeError
from twister2_job.twister2 import follower as follower_module
from twister2_job.twister2.submit import require_completed

from tests.plugin.twister2.conftest import DONE
from tests.plugin.twister2.objects import (
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
from tests.plugin.twister2.test_log_patterns import OLD
from tests.plugin.twister2.test_state import BARRIER, BEGIN, CONTAINER, EXITED, JOINED, ZNODE


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
    monkeypatch.setattr(follower_module, "NO_CLUSTER", 0.5)
    (cluster.folder / "objects").unlink()
    with pytest.raises(Exception, match="kubectl"):
        cluster.follow()


def test_why_nothing_happens_is_told_once(cluster, monkeypatch):
    monkeypatch.setattr(follower_module, "BARRIER", 0.3)
    monkeypatch.setattr(follower_module, "ASK_EVERY", 0.2)
    cluster.log(BEGIN, JOINED[0])
    cluster.log("SEVERE: Exception when getting ConfigMap list.", pod="job-0-1", container=CONTAINER)
    cluster.follow(("worker 1 (pod", lambda: None), lambda: cluster.log(BEGIN, *DONE))
    (told,) = [text for text in cluster.said if text.startswith("worker 1 (pod job-0-1)")]
    assert "is a right missing?" in told


def test_workers_that_wait_at_the_first_barrier_and_at_a_later_one(cluster, monkeypatch):
    monkeypatch.setattr(follower_module, "BARRIER", 0.3)
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
    monkeypatch.setattr(follower_module, "ASK_EVERY", 0.2)
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
    monkeypatch.setattr(follower_module, "STUCK", 0.5)
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
