"""What a command that changed a job says of addresses that don't work yet."""

import argparse
import asyncio

import pytest
from twister2_job.cli.jobs import finish
from twister2_job.errors import PendingError
from twister2_job.exposure.model import Address, JobAddresses

UNREADABLE = Address(
    "gateway", "worker", "TCP", service="HTTPRoute/job-worker", host="w.example.com",
    reason="the listener's port of the Gateway gateways/public can't be read; set gateway.advertisedPort",
)  # fmt: skip
WAITING = Address("loadBalancer", "worker", "TCP", source="loadBalancer", service="job-loadbalancer", reason="it waits")
BLOCKED = WAITING._replace(
    state="failed", host="192.0.2.1", reason="the load balancer doesn't serve this port: PortBlocked"
)


class Job:
    async def try_publish(self, report):
        pass


def said(*addresses):
    """Return the message and the hint."""
    report = JobAddresses("job", "data", 1, addresses, ())
    with pytest.raises(PendingError) as caught:
        asyncio.run(finish(Job(), report, argparse.Namespace(output="json")))
    return caught.value.message, caught.value.hint


def test_an_address_that_will_come_can_be_watched():
    message, hint = said(WAITING)
    assert message == "The job job runs, and waits: job-loadbalancer: it waits."
    assert "`twister2-job address job --watch`" in hint


def test_nobody_is_told_to_watch_what_stays_unknown():
    message, hint = said(UNREADABLE)
    assert message == f"The job job runs, and an address is unknown: HTTPRoute/job-worker: {UNREADABLE.reason}."
    assert "--watch" not in hint and "gateway.advertisedPort" in hint and "read the Gateway" in hint


def test_what_may_still_come_goes_before_what_stays_unknown():
    message, hint = said(UNREADABLE, WAITING)
    assert "2 addresses" in message and "job-loadbalancer: it waits" in message and "--watch" in hint


def test_nobody_is_told_to_watch_what_is_refused():
    message, hint = said(BLOCKED)
    assert message == f"The job job runs, and an address doesn't work: job-loadbalancer: {BLOCKED.reason}."
    assert "--watch" not in hint and "`twister2-job address job`" in hint
