"""The state of a Twister2 job and of its workers, from logs and objects."""

import json

import pytest
from twister2_job import JobAddresses, JobStatus, Release
from twister2_job.cli.output import status_table
from twister2_job.exposure.mode import mode
from twister2_job.exposure.workers import reason_of, table
from twister2_job.twister2.diagnosis import of_pods, restarts, silent
from twister2_job.twister2.log_patterns import read
from twister2_job.twister2.state import JobState, WorkerProgress, is_suspended, state_of

from tests.plugin.twister2.objects import (
    MASTER,
    crashed,
    master,
    pod,
    running,
    service,
    stateful_set,
    whole_job,
    worker,
)
from tests.plugin.twister2.test_log_patterns import OLD

BEGIN = "JobMaster [10.0.0.1] started and waiting worker messages on port: 11011"
JOINED = ["Worker: 0 joined the job.", "Worker: 1 joined the job.", "All workers joined the job. Worker IDs: [0, 1]"]
BARRIER = "All workers reached the INIT barrier: 2"
ZNODE = "Job is starting for the first time, but there is an existing znode at ZK server: /twister2/job"
EXITED = "edu.iu.JobMasterStarter completed. Waiting the pod to be deleted."
CONTAINER = "twister2-container-0"


def of(*lines, objects=None, **more):
    return state_of("job", objects or whole_job(), read("\n".join(lines)), **more)


@pytest.mark.parametrize(
    ("lines", "state", "reason"),
    [
        ([], "starting", "it has not said yet"),
        ([BEGIN], "starting", "no worker has been told"),
        ([BEGIN, JOINED[0]], "starting", "1 of 2 workers joined"),
        ([BEGIN, *JOINED], "starting", "not all are at the first barrier"),
        ([BEGIN, *JOINED, BARRIER], "running", ""),
        ([BEGIN, *JOINED, BARRIER, "WorkerID: 1 rejoined from failure."], "running", "worker 1 waits at the INIT"),
        (OLD[:2], "running", ""),
        (OLD, "completed", ""),
        ([BEGIN, "Worker: 1 FULLY_FAILED."], "failed", "worker 1 failed for good"),
        ([BEGIN, "The job is completing with failure."], "failed", ""),
        ([BEGIN, "Job Kill parameter received. Killing the job"], "killed", ""),
        (['Exception in thread "main" java.lang.OutOfMemoryError: heap'], "lost", "OutOfMemoryError: heap"),
        ([BEGIN, *JOINED, EXITED], "lost", "without a word"),
        ([ZNODE], "lost", "ZooKeeper has /twister2/job of an earlier run"),
        ([ZNODE, EXITED], "lost", "ZooKeeper has /twister2/job of an earlier run"),
        ([BEGIN, "Second RegisterWorker message. Ignoring"], "lost", "refuses"),
        (["Worker:1 COMPLETED."], "unknown", "beginning of the job master's log is gone"),
    ],
)
def test_the_state_of_a_job(lines, state, reason):
    found = of(*lines)
    assert found.state == state and reason in found.reason and (reason or not found.reason)
    assert found.ended is (state in ("completed", "failed", "killed"))


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ([], "unknown"),
        ([BEGIN], "lost"),
        ([EXITED], "lost"),
        (["All workers have already joined, before the job master restarted.", BEGIN], "running"),  # With ZooKeeper.
    ],
)
def test_a_job_master_that_was_restarted(lines, state):
    again = whole_job(master(running(MASTER, restarts=1)))
    assert (of(*lines, objects=again).state, of(*lines, objects=again).master_restarts) == (state, 1)
    counted = of(*lines, counts={"RESTART_COUNT_FOR_JOB_MASTER": "1"})  # Its pod is a new one.
    assert (counted.state, counted.master_restarts) == (state, 1)


def test_how_it_ended_counts_also_when_the_job_master_ended_after_it():
    """0.3.0 says that the job has ended, and then fails at its calls to an API that is gone."""
    again = whole_job(master(running(MASTER, restarts=2)))
    assert of(BEGIN, objects=again, previous=read("\n".join(OLD))).state == "completed"


def test_a_job_master_that_ends_again_and_again():
    found = of(objects=whole_job(master(crashed(MASTER, restarts=3))))
    assert found.state == "lost" and "3 times" in found.reason


def test_a_suspended_job():
    objects = [stateful_set("job-jm", 0), stateful_set("job-0", 0, group=0)]
    assert of(BEGIN, objects=objects).state == "suspended" and is_suspended("job", objects)
    assert not is_suspended("job", whole_job()) and not is_suspended("job", [])


def test_a_job_master_without_a_pod_or_with_a_failing_jar():
    found = of(objects=[one for one in whole_job() if one["metadata"]["name"] != "job-jm-0"])
    assert (found.state, found.reason) == ("starting", "the job master has no pod yet")
    init = crashed("job-package", message="asking again\nThe file can't be had.")
    found = of(objects=whole_job(pod("job-jm-0", init=init)))
    assert found.state == "starting" and found.reason.endswith(": The file can't be had.")


def worker_states(*lines, objects=None, **more):
    return [one.state for one in of(*lines, objects=objects, **more).workers]


def test_pods_tell_what_a_log_does_not():
    pending = whole_job(pod("job-0-1"))
    assert worker_states(objects=pending) == ["unknown", "waiting"]
    failed = whole_job(worker(1, crashed(CONTAINER)))
    assert worker_states(BEGIN, *JOINED, BARRIER, objects=failed) == ["running", "failed"]
    assert worker_states(BEGIN, JOINED[0], objects=failed) == ["joined", "waiting"]


def test_a_halted_worker_is_waiting_until_it_joins_again():
    """The job master hears nothing of it: its JVM was halted, or its pod deleted."""
    at = "[2026-11-25 07:14:{} +0000] [INFO] x: "
    lines = [BEGIN, at.format(14) + JOINED[0], at.format(15) + JOINED[1], BARRIER]
    again = running(CONTAINER, restarts=1)
    again["state"]["running"]["startedAt"] = "2026-11-25T07:20:00Z"
    objects = whole_job(worker(1, again))
    assert worker_states(*lines, objects=objects) == ["running", "waiting"]
    rejoined = "[2026-11-25 07:20:09 +0000] [INFO] x: WorkerID: 1 rejoined from failure."
    assert worker_states(*lines, rejoined, objects=objects) == ["running", "joined"]
    first = running(CONTAINER)
    first["state"]["running"]["startedAt"] = "2026-11-25T07:20:00Z"
    counts = {"RESTART_COUNT_FOR_WORKER_1": "1"}  # Its pod is a new one.
    assert worker_states(*lines, objects=whole_job(worker(1, first)), counts=counts) == ["running", "waiting"]
    assert worker_states(*lines, objects=whole_job(worker(1, first))) == ["running", "running"]
    assert worker_states(*lines, objects=whole_job(pod("job-0-1"))) == ["running", "waiting"]
    without_times = [BEGIN, *JOINED, BARRIER]
    assert worker_states(*without_times, objects=objects) == ["running", "running"]


def test_a_failing_jar_is_no_failure_of_the_worker():
    objects = whole_job(pod("job-0-1", init=crashed("job-package")))
    assert worker_states(BEGIN, objects=objects) == ["unknown", "waiting"]


def test_workers_of_0_3_0_tell_themselves_that_they_are_done():
    assert worker_states(*OLD[:2]) == ["unknown", "unknown"]
    assert worker_states(*OLD[:2], exited={1}) == ["running", "completed"]
    assert worker_states(*OLD) == ["completed", "completed"]


def test_restarts_are_the_most_that_is_known():
    """A new pod counts from 0, the ConfigMap and the job master's log go on."""
    objects = whole_job(worker(1, running(CONTAINER, restarts=2)))
    found = of(BEGIN, *JOINED, "WorkerID: 0 rejoined from failure.", objects=objects)
    assert [one.restarts for one in found.workers] == [1, 2]
    counts = {"RESTART_COUNT_FOR_WORKER_0": "3", "RESTART_COUNT_FOR_WORKER_1": "0", "JOB_ID": "job"}
    assert [one.restarts for one in of(BEGIN, objects=objects, counts=counts).workers] == [3, 2]


def test_several_workers_in_a_pod():
    sets = [stateful_set("job-jm", 1), stateful_set("job-0", 1, group=0, per_pod=2)]
    both = pod("job-0-0", running(CONTAINER), crashed("twister2-container-1"))
    assert worker_states(BEGIN, *JOINED, BARRIER, objects=[*sets, master(), both]) == ["running", "failed"]


def test_the_mode_is_that_of_the_headless_service():
    assert mode("job", [service()]) == "twister2" and mode("job", [service("echo")]) == "echo"
    assert mode("job", whole_job()) == "" and mode("other", [service()]) == ""


# Why nothing happens.


def test_every_cause_is_told_once_however_many_pods_have_it():
    image = {
        "name": CONTAINER,
        "ready": False,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no x:1"}},
    }
    objects = whole_job(*(worker(ordinal, image) for ordinal in range(5)), workers=5)
    (found,) = of_pods("job", objects)
    assert found.key == "image" and not found.fatal
    assert found.text == "pod job-0-0: ImagePullBackOff: no x:1 (and 4 more pods)"


def test_a_pod_that_can_not_be_scheduled():
    pending = pod("job-0-1")
    pending["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    ]
    (found,) = of_pods("job", whole_job(pending))
    assert found.text == "pod job-0-1: Unschedulable: 0/3 nodes are available" and not found.fatal


@pytest.mark.parametrize(
    ("status", "times", "fatal"),
    [
        (crashed("job-package", restarts=1, message="No jar.\n"), 1, False),
        (crashed("job-package", restarts=3, message="No jar.\n"), 3, True),
        (
            {
                "name": "job-package",
                "restartCount": 2,
                "state": {"terminated": {"exitCode": 1, "message": "asking again\nNo jar."}},
            },
            3,
            True,
        ),
    ],
)
def test_a_jar_that_does_not_come_is_told_in_its_own_words_and_given_up(status, times, fatal):
    objects = whole_job(pod("job-0-0", init=status), pod("job-0-1", init=running("job-package", ready=False)))
    (found,) = of_pods("job", objects)
    assert found.text == "the job's package can't be made in pod job-0-0: No jar" and found.fatal is fatal


def test_pods_of_helm_test_and_pods_that_start_or_end_are_no_obstacle():
    starting = {"name": CONTAINER, "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}
    other = pod("job-test", crashed("test"))
    ending = worker(1, crashed(CONTAINER), deletionTimestamp="2026-01-01T00:00:00Z")
    assert of_pods("job", whole_job(worker(0, starting), ending, other)) == []


def test_restarts_are_told_with_their_cause():
    status = running(CONTAINER, restarts=2)
    status["lastState"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    (found,) = restarts("job", whole_job(worker(1, status)))
    assert (
        found.text == ("worker 1 (pod job-0-1) ended (OOMKilled, exit code 137) and is started again; restart 2")
        and found.key == "restart 1 2"
    )


def test_who_is_silent():
    assert silent("job", whole_job(), set(), started=False) == [("the job master", "job-jm-0", MASTER)]
    assert silent("job", whole_job(), {0}, started=True) == [("worker 1", "job-0-1", CONTAINER)]
    assert silent("job", whole_job(pod("job-0-1")), {0}, started=True) == []


def test_the_last_words_of_an_init_container_are_in_the_reason():
    told = "The jar is not the expected one."
    ended = {"name": "job-package", "state": {"terminated": {"exitCode": 1, "message": f"x\n{told}\n"}}}
    assert reason_of(pod("job-0-0", init=ended)) == f"Error: exit code 1: {told}"
    waits = reason_of(pod("job-0-0", init=crashed("job-package", message=told)))
    assert waits == f"CrashLoopBackOff: back-off 10s restarting failed container: {told}"
    assert reason_of(pod("job-0-0", init=crashed("job-package"))).endswith("failed container")


# What `status` shows.


def shown(job=None):
    release = Release("job", "data", 1, "deployed", "twister2-job-0.1.0")
    workers = tuple(table(whole_job()))
    return JobStatus(release, "twister2", workers, JobAddresses("job", "data", 1, (), workers), job)


def test_status_shows_how_far_the_job_is():
    state = JobState("running", "why", 1, (WorkerProgress(0, "running", 2), WorkerProgress(1, "completed")))
    text = status_table(shown(state))
    assert "State of the job: running (why); job master restarts: 1" in text
    assert [line.split()[:7] for line in text.splitlines() if line.startswith(("0 ", "1 "))] == [
        ["0", "running", "0", "job-0-0", "node-1", "yes", "2"],
        ["1", "completed", "0", "job-0-1", "node-1", "yes", "0"],
    ]
    data = shown(state).to_dict()
    assert json.loads(json.dumps(data))["job"] == {
        "state": "running",
        "reason": "why",
        "masterRestarts": 1,
        "workers": [{"id": 0, "state": "running", "restarts": 2}, {"id": 1, "state": "completed", "restarts": 0}],
    }


def test_status_of_other_jobs_is_as_it_was():
    assert "job" not in shown().to_dict() and "State of" not in status_table(shown())
    assert "STATE" not in status_table(shown()).splitlines()[2]
