"""A bare address that there is none of: the error speaks of one that may still come, else says what is to be done."""

import argparse

import pytest
from twister2_job.cli.printing import print_addresses
from twister2_job.errors import NotExposedError, PendingError
from twister2_job.exposure.model import Address, JobAddresses, Worker

WAITS = Address("gateway", "worker", "TCP", "w", 80, service="TCPRoute/a", reason="the Gateway x has no address yet")
UNKNOWN = WAITS._replace(reason="the address of the Gateway x can't be read; set gateway.advertisedHost")
REFUSED = WAITS._replace(state="failed", reason="TCPRoute a is refused: no listener takes it (NotAllowedByListeners)")
CLOSED = WAITS._replace(state="reserved", reason="closed")
SUSPENDED = WAITS._replace(state="reserved", reason="no worker runs behind it: the job is suspended or smaller")


def error(*addresses, of=3, kind=PendingError, **options):
    """Return message and hint if a worker has these addresses, of which none is available."""
    report = JobAddresses("job", "data", 1, (), (Worker(of, 0, f"job-0-{of}", 0, addresses=addresses),))
    with pytest.raises(kind) as caught:
        print_addresses(report, argparse.Namespace(**{"output": "plain", "worker": None, "port": "", **options}))
    return caught.value.message, caught.value.hint


@pytest.mark.parametrize("others", [(REFUSED,), (CLOSED,), (UNKNOWN,), (REFUSED, CLOSED, SUSPENDED, UNKNOWN)])
def test_an_address_that_may_come_goes_before_all_others(others):
    message, hint = error(*others, WAITS)
    assert message == f"Job job: pending, {WAITS.reason}." and hint == "Try again in a moment."


def test_nobody_is_told_to_wait_for_what_stays_unknown():
    message, hint = error(REFUSED, UNKNOWN)
    assert UNKNOWN.reason in message and "gateway.advertisedHost" in hint and "moment" not in hint


@pytest.mark.parametrize("options", [{}, {"first": True}, {"worker": 3}, {"port": "worker"}])
def test_what_is_refused_is_not_exposed_and_its_cause_is_to_be_mended(options):
    message, hint = error(CLOSED, REFUSED, kind=NotExposedError, **options)
    assert message == f"Job job: failed, {REFUSED.reason}."
    assert "When the cause is mended, `twister2-job address job`" in hint and "moment" not in hint


@pytest.mark.parametrize("options", [{}, {"worker": 3}])
def test_a_closed_worker_is_not_exposed_and_the_command_that_opens_it_is_told(options):
    message, hint = error(CLOSED, kind=NotExposedError, **options)
    assert message == "Job job: the values close worker 3 (perWorker.overrides.3.closed)."
    assert hint == (
        "`twister2-job upgrade job --reset-then-reuse-values --set perWorker.overrides.3.closed=false` opens it."
    )


def test_a_worker_that_does_not_run_is_pending_and_no_moment_helps():
    message, hint = error(SUSPENDED, CLOSED)
    assert message == f"Job job: reserved, {SUSPENDED.reason}." and "`twister2-job status job`" in hint
