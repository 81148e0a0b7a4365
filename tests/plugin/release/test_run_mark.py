"""Whose a release is, and whether whoever made it may still be at work: the mark of a run."""

import os
import re
import subprocess
import sys
import time

import pytest
from twister2_job.release import run_mark
from twister2_job.release.run_mark import DEFAULT_TIMEOUT, ENDING, RUN, TIMEOUT, new, remaining, time_of

PRINT = "from twister2_job.release import run_mark; import json; print(json.dumps(run_mark.new(60).labels(3)))"
HERE = [sys.executable, "-c", PRINT]


def of_a_process_that_has_ended():
    import json

    return json.loads(subprocess.run(HERE, capture_output=True, text=True, check=True).stdout)


def test_only_the_run_itself_has_made_it():
    mine, other = new(60), new(60)
    assert mine.made(mine.labels(2), 2) and mine.made(mine.labels())
    assert not mine.made(other.labels(2), 2)
    assert not mine.made({}, 1) and not mine.made({RUN: "nonsense"}, 1) and not mine.made({RUN: f"{mine.text}."}, 0)


def test_a_mark_that_helm_handed_on_to_the_next_revision_is_nobodys():
    """`helm upgrade` and `helm rollback` keep the labels of the revision before."""
    mine = new(60)
    assert not mine.made(mine.labels(2), 3)
    assert remaining(mine.labels(2), time.time(), 3) == pytest.approx(DEFAULT_TIMEOUT, abs=2)


@pytest.mark.parametrize("timeout", [0.5, 300, 10**12, float(2**70)])
def test_kubernetes_takes_it_as_labels(timeout):
    mark = new(timeout)
    for labels in (mark.labels(), mark.labels(10**6)):
        for value in labels.values():
            assert len(value) <= 63 and re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", value), value
    assert re.fullmatch(r"[0-9a-f]{8}", mark.id)


def test_a_run_may_be_at_work_until_its_time_is_over():
    mark = new(60)
    assert remaining(mark.labels(1), time.time(), 1) == pytest.approx(60 + ENDING, abs=2)
    assert remaining(mark.labels(1), time.time() - 30, 1) == pytest.approx(30 + ENDING, abs=2)
    assert remaining(mark.labels(1), time.time() - 60 - ENDING, 1) == 0
    assert remaining(mark.labels(), time.time()) > 0


def test_what_a_process_of_this_machine_left_that_has_ended_is_left():
    labels = of_a_process_that_has_ended()
    assert labels[TIMEOUT] == "60" and remaining(labels, time.time(), 3) == 0


def test_a_process_that_was_killed_and_that_nobody_collected_has_ended():
    with subprocess.Popen([sys.executable, "-c", HERE[2] + "; import sys; sys.stdout.flush(); sys.stdin.read()"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
        import json

        labels = json.loads(process.stdout.readline())
        assert remaining(labels, time.time(), 3) > 0
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert remaining(labels, time.time(), 3) == 0


def test_of_other_machines_nobody_knows(monkeypatch):
    labels = of_a_process_that_has_ended()
    monkeypatch.setattr(run_mark, "_machine", lambda: "0" * 8)
    assert remaining(labels, time.time(), 3) == pytest.approx(60 + ENDING, abs=2)


def test_another_process_with_the_same_number_is_another():
    found = re.sub(r"\.(\d+)\.\d+\.3$", rf".{os.getpid()}.1.3", of_a_process_that_has_ended()[RUN])
    assert remaining({RUN: found, TIMEOUT: "60"}, time.time(), 3) == 0


def test_bare_helm_gets_the_time_that_it_gives_itself():
    assert remaining({}, time.time() - 100, 1) == pytest.approx(DEFAULT_TIMEOUT - 100, abs=2)
    assert remaining({}, time.time() - DEFAULT_TIMEOUT, 1) == 0


@pytest.mark.parametrize(
    "text", [f"2026-11-29T{time}" for time in ("12:00:00Z", "12:00:00.123456789Z", "13:00:00.5+01:00", "12:00:00")]
)
def test_times_as_helm_writes_them(text):
    assert time_of(text) == 1795953600


def test_a_time_that_is_none_is_the_present():
    assert time_of("yesterday") == pytest.approx(time.time(), abs=5)


def test_a_process_that_we_may_not_see_has_not_ended(monkeypatch):
    """/proc hides those of other users with hidepid, which this machine can't be made to do: the reading is faked."""
    labels = new(60).labels(3)
    monkeypatch.setattr(run_mark, "_started", lambda pid: 0)
    assert remaining(labels.copy(), time.time(), 3) == 0, "ours is seen: it is a zombie then"

    def refused(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert remaining(labels, time.time(), 3) > 0


def test_a_remnant_that_somebody_has_taken_on_is_none():
    mark, long_ago = new(60), time.time() - 10_000
    assert remaining(mark.labels(2), long_ago, 2) == 0
    assert remaining(mark.claim(2), long_ago, 2) > 0
