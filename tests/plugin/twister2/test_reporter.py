"""What is said of a job's events: each thing once, and of a big job not everything."""


from twister2_job.twister2.log_patterns import Progress
from twister2_job.twister2.reporter import MOST_LINES, Reporter

from tests.plugin.twister2.test_state import JOINED

# Words.


def test_a_big_job_has_no_line_for_each_worker():
    said, told = [], Progress()
    narrator = Reporter(said.append)
    for number in range(1000):
        event = told.feed(f"Worker: {number} joined the job.")
        narrator.event(event, told, 1000)
    assert len(said) == MOST_LINES and said[-1] == "worker 999 joined (1000 of 1000)"


def test_the_number_of_workers_is_never_less_than_have_joined():
    """A driver scales a job: the pods are looked at a little later than the log is read."""
    said, told = [], Progress()
    narrator = Reporter(said.append)
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
    narrator = Reporter(said.append)
    for line in ["Worker: 1 FAILED.", "WorkerID: 1 rejoined from failure."] * 2:
        narrator.event(told.feed(line), told, 2)
    assert said == [
        "worker 1 failed",
        "worker 1 joined again after a failure (restart 1)",
        "worker 1 failed",
        "worker 1 joined again after a failure (restart 2)",
    ]
