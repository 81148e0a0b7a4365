"""What a job master's log tells: every pattern of both versions, in every form of log line, whole and cut."""

import pytest
from twister2_job.twister2 import log_patterns
from twister2_job.twister2.log_patterns import MASTER_PATTERNS, Event, Progress, event_of, read, trouble

# A whole run of four workers, as 0.8.0 writes it with the chart's logger.properties.
PREFIX = "[2026-11-25 07:14:14 +0000] [INFO] edu.iu.dsc.tws.master.server.WorkerMonitor: "
BEGIN = "JobMaster [10.244.0.19] started and waiting worker messages on port: 11011"
JOINED = [f"Worker: {worker} joined the job." for worker in (2, 0, 3, 1)]
ALL = "All workers joined the job. Worker IDs: [0, 1, 2, 3]"
BARRIER = "All workers reached the INIT barrier: 4"
DONE = [f"Worker:{worker} COMPLETED." for worker in (1, 0, 2, 3)]
END = "All 4 workers COMPLETED. Terminating the job."
RUN = [BEGIN, *JOINED, ALL, BARRIER, *DONE, END]
OLD = [
    BEGIN,
    "All 4 workers joined the job.",
    "Sending WorkersJoined messages ...",
    "All 4 workers have completed. JobMaster is stopping.",
]


def told(*lines, prefix="INFO: ", end="\n"):
    return read("".join(f"{prefix}{line}{end}" for line in lines))


def states(progress, workers=4):
    return [progress.state_of(worker) for worker in range(workers)]


# A line of each pattern; the job's own programs may print much that is similar.
LINES = {
    "started": BEGIN,
    "joined": "Worker: 12 joined the job.",
    "rejoined": "WorkerID: 3 rejoined from failure.",
    "all joined": ALL,
    "all joined, no barrier": "All 4 workers joined the job.",
    "recovered": "All workers have already joined, before the job master restarted.",
    "barrier": BARRIER,
    "worker completed": "Worker:12 COMPLETED.",
    "worker failed": "Worker: 12 FAILED.",
    "worker fully failed": "Worker: 12 FULLY_FAILED.",
    "scaled down": "Deleted worker IDs by scaling down: 4, 5, ",
    "refused": "Second RegisterWorker message received from a worker: 1. Ignoring it.",
    "job completed": END,
    "job failed": "The job is completing with failure.",
    "job killed": "Job Kill parameter received. Killing the job",
    "znode": "Job is starting for the first time, but there is an existing znode at ZK server: /twister2/job",
    "died": 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
    "exited": "edu.iu.dsc.tws.rsched.schedulers.k8s.master.JobMasterStarter completed. Waiting the pod to be deleted.",
}


def test_every_pattern_has_a_line_here():
    assert {one.event for one in MASTER_PATTERNS} == set(LINES)


@pytest.mark.parametrize("event", LINES)
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "INFO: {}",
        PREFIX + "{}  ",
        "[2019-11-22 10:41:16 -0500] [INFO] [-] [JM] edu.iu.dsc.tws.master.server.JobMaster: {}",
        "2026-11-25T07:14:14.123456789Z INFO: {}",
        "[INFO] {}\r",
    ],
)
def test_a_pattern_is_known_whatever_stands_before_it(event, form):
    assert event_of(form.format(LINES[event]))[0] == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Worker: 1 joined the job. It is fine.",
        "xWorker: 1 joined the job.",
        "Worker: one joined the job.",
        "WorkerState of Worker: 1 COMPLETED",
        "All workers completed",
        "my own Job Kill parameter",
        "All 4 workers COMPLETED. Terminating the jo",
        "K8sWorkerStarter completed. Waiting the pod to be deleted.",
    ],
)
def test_what_is_similar_fits_no_pattern(line):
    assert event_of(line) == ("", "")


def test_a_whole_run():
    progress = Progress()
    seen = [progress.feed(PREFIX + line) for line in RUN]
    assert seen[1] == Event("joined", 2) and seen[5] == Event("all joined") and seen[-1] == Event("job completed")
    assert progress.end == "completed" and not progress.cut and states(progress) == ["completed"] * 4


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ["unknown"] * 4),
        ([BEGIN], ["unknown"] * 4),  # It may be 0.3.0, which doesn't tell who joins.
        ([BEGIN, *JOINED[:2]], ["joined", "waiting", "joined", "waiting"]),
        ([BEGIN, *JOINED, ALL], ["joined"] * 4),
        ([BEGIN, *JOINED, ALL, BARRIER], ["running"] * 4),
        ([BEGIN, *JOINED, ALL, BARRIER, *DONE[:2]], ["completed", "completed", "running", "running"]),
        ([BEGIN, *JOINED, ALL, BARRIER, "Worker: 3 FAILED."], ["running", "running", "running", "failed"]),
        (
            [BEGIN, *JOINED, ALL, BARRIER, "Worker: 3 FAILED.", "WorkerID: 3 rejoined from failure."],
            ["running", "running", "running", "joined"],
        ),
    ],
)
def test_the_states_of_the_workers(lines, expected):
    assert states(told(*lines)) == expected


def test_lines_with_carriage_returns():
    assert told(*RUN, end="\r\n").end == "completed"


def test_a_log_that_ends_anywhere_tells_what_its_whole_lines_tell():
    """The last line may be there in part."""
    text = "\n".join(RUN)
    for length in range(len(text)):
        part = read(text[:length])
        lines = text[: length + 1].split("\n")
        whole, one_less = read("\n".join(lines)), read("\n".join(lines[:-1]))
        assert (states(part), part.end) in [(states(one), one.end) for one in (whole, one_less)], text[:length]


@pytest.mark.parametrize("cut", range(len(RUN)))
def test_a_log_whose_beginning_is_gone_says_nothing_wrong(cut):
    progress = told(*RUN[cut:])
    assert progress.end == "completed" and states(progress) == ["completed"] * 4
    unended = told(*RUN[cut:-1])
    assert unended.cut is (0 < cut < len(RUN) - 1)
    assert set(states(unended)) <= {"completed", "unknown"}


def test_a_cut_log_with_the_barrier_in_it_tells_who_runs():
    progress = told(BARRIER, DONE[0])
    assert progress.cut and states(progress, 5) == ["running", "completed", "running", "running", "unknown"]


def test_the_run_of_0_3_0():
    progress = told(*OLD[:3])
    assert progress.all_joined and progress.barriers and not progress.tells_workers and not progress.end
    assert states(progress) == ["unknown"] * 4  # Who has joined may be done by now.
    assert told(*OLD).end == "completed" and states(told(*OLD)) == ["completed"] * 4


def test_a_worker_that_fails_for_good_fails_the_job():
    lines = ["Worker [0] Failed.", "Worker: 0 FULLY_FAILED.", "The job is completing with failure."]
    progress = told(*RUN[:7], *lines)
    assert progress.end == "failed" and progress.failed == [0]
    assert states(progress) == ["fully failed", "running", "running", "running"]


def test_the_first_end_counts():
    assert told(*RUN, "Job Kill parameter received. Killing the job").end == "completed"
    assert told(BEGIN, "Job Kill parameter received. Killing the job", "The job is completing with failure.").end == (
        "killed"
    )


def test_who_waits_at_the_barrier():
    progress = told(*RUN[:7])
    assert progress.at_barrier == set()
    progress.feed("WorkerID: 2 rejoined from failure.")
    assert progress.at_barrier == {2} and progress.restarts(2) == 1 and progress.barriers == 1
    progress.feed(BARRIER)
    assert progress.at_barrier == set() and progress.barriers == 2 and states(progress) == ["running"] * 4


def test_a_worker_that_the_driver_took_away_waits_nowhere():
    progress = told(*RUN[:7], "Worker: 4 joined the job.", "Deleted worker IDs by scaling down: 4, ")
    assert progress.at_barrier == set() and 4 not in progress.states


def test_an_endless_line_is_looked_at_once_and_harms_nobody():
    assert event_of(("x" * 10**6 + " ")[-log_patterns.LONGEST_LINE :])[0] == ""
    assert told(BEGIN, "x" * 10**6, *JOINED).joined == 4


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("io.kubernetes.client.openapi.ApiException: ", "is a right missing"),
        ("SEVERE: Exception when getting ConfigMap list.", "is a right missing"),
        ("can not get the job master IP address from Kubernetes master", "can't find the job master"),
        ("Since the job package can not be retrieved, sleeping to infinity", "no job package"),
        ("Caused by: java.lang.ClassNotFoundException: org.example.No", "a class is missing"),
        ('Exception in thread "main" java.lang.RuntimeException: x', "its program failed"),
    ],
)
def test_why_a_container_can_not_do_its_part(line, said):
    why = trouble(["INFO: all is well", f"  {line}", "more"])
    assert said in why and line.removeprefix('Exception in thread "main" ').strip() in why


def test_a_frame_of_a_stack_is_no_trouble_and_memory_counts_first():
    frames = ["\tat io.kubernetes.client.openapi.ApiException.<init>(ApiException.java:5)", "\t... 3 more"]
    assert trouble(frames) == ""
    memory = "java.lang.OutOfMemoryError: Java heap space"
    lines = ["INFO: the user's own words: Forbidden", "x Uncaught exception in the thread x. Worker FAILED... ", memory]
    assert trouble([*lines, *frames]).startswith(f"its program failed: {memory} (")


def test_what_the_job_master_died_of_is_in_the_line_after_the_pattern():
    uncaught = "Uncaught exception in the thread Thread[main,5,main]. Job Master FAILED... "
    progress = told(BEGIN, uncaught)
    assert progress.died == "Thread[main,5,main]. Job Master FAILED..."
    progress.feed("java.lang.OutOfMemoryError: Java heap space")
    progress.feed("java.lang.IllegalStateException: another one")
    assert progress.died == "java.lang.OutOfMemoryError: Java heap space"
    progress = told(BEGIN, uncaught)
    progress.feed("INFO: something else")
    assert progress.died == "Thread[main,5,main]. Job Master FAILED..."


def test_when_a_worker_joined_and_how_many_they_are():
    at = "[2026-11-25 07:14:{} +0200] [INFO] [-] [JM] x.WorkerMonitor: {}"
    progress = Progress()
    for second, line in ((14, JOINED[0]), (20, JOINED[1]), (30, "WorkerID: 2 rejoined from failure."), (40, ALL)):
        progress.feed(at.format(second, line))
    assert progress.joined_at == {2: 1795583670.0, 0: 1795583660.0} and progress.all == 4
    assert told(*OLD[:2]).all == 4 and told(JOINED[0]).joined_at == {}
    progress.feed("[2026-11-99 07:14:14 +0200] WorkerID: 2 rejoined from failure.")
    assert progress.joined_at[2] == 1795583670.0


def test_a_healthy_log_has_no_trouble():
    assert trouble(RUN) == "" and trouble([]) == ""
