"""A change waits a moment for the Gateway's controller, and for nothing that can't come."""

import asyncio
import time

import pytest
from twister2_job.clients.resources import Cluster
from twister2_job.errors import NoClusterError
from twister2_job.exposure import live
from twister2_job.exposure.addresses import report
from twister2_job.exposure.balancers import late

from .test_addresses import NODES, pod, stateful_set
from .test_gateway import (
    HEADLESS,
    OURS,
    gateway,
    listener_set,
    route,
)
from .test_gateway_conditions import LISTENERS


class FakeKubectl:
    """Returns one state of the cluster after the other; the last one for ever."""

    def __init__(self, *states):
        self.states, self.reads = list(states), 0

    async def cluster(self, job, nodes=True):
        self.reads += 1
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def state(*objects):
    return Cluster([HEADLESS, stateful_set(1), pod(0, "node-1"), *objects], NODES, [gateway("192.0.2.7")], [])


GIVEN, EARLY = (listener_set(), route(ref=OURS)), (listener_set((), ()), route(ref=OURS, conditions=()))


def test_a_change_waits_a_moment_for_the_gateways_controller(monkeypatch):
    monkeypatch.setattr(live, "PAUSE", 0.01)
    for early in (EARLY, (listener_set(*LISTENERS["NotAllowed"][:2]), route(ref=OURS))):
        kubectl = FakeKubectl(state(*early), state(*early), state(*GIVEN))
        found = asyncio.run(live.settled_addresses(kubectl, "job", state(*early)))
        assert [one.state for one in found.all()] == ["available"] and kubectl.reads == 3


def test_the_wait_has_an_end(monkeypatch):
    monkeypatch.setattr(live, "PAUSE", 0.01)
    monkeypatch.setattr(live, "PATIENCE", 0.2)
    found = asyncio.run(live.settled_addresses(FakeKubectl(state(*EARLY)), "job", state(*EARLY)))
    assert "no controller has taken ListenerSet job-0" in found.all()[0].reason


def test_nobody_waits_for_many_for_which_controllers_take_longer(monkeypatch):
    monkeypatch.setattr(live, "MANY", 2)
    many = state(listener_set((), ()), route(ref=OURS, conditions=()), route("UDPRoute", ref=OURS, conditions=()))
    kubectl = FakeKubectl(many)
    found = asyncio.run(live.settled_addresses(kubectl, "job", many))
    assert [one.state for one in found.all()] == ["pending"] * 2 and not kubectl.reads


class BrokenKubectl:
    """Fails at each read, or never ends it."""

    def __init__(self, hangs):
        self.hangs, self.reads = hangs, 0

    async def cluster(self, job, nodes=True):
        self.reads += 1
        if self.hangs:
            await asyncio.sleep(60)
        raise NoClusterError("The cluster did not answer.", "Check the network.")


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
def test_a_read_that_fails_after_the_change_is_done_only_ends_the_wait(monkeypatch, hangs):
    monkeypatch.setattr(live, "PAUSE", 0.01)
    monkeypatch.setattr(live, "PATIENCE", 0.2)
    kubectl, begun = BrokenKubectl(hangs), time.monotonic()
    found = asyncio.run(live.settled_addresses(kubectl, "job", state(*EARLY)))
    assert (kubectl.reads, [one.state for one in found.all()]) == (1, ["pending"])
    assert time.monotonic() - begun < 5


def test_nobody_waits_for_what_the_user_may_not_read():
    kubectl = FakeKubectl()
    forbidden = Cluster([HEADLESS, stateful_set(1), pod(0, "node-1"), *GIVEN], NODES, [], [])
    found = asyncio.run(live.settled_addresses(kubectl, "job", forbidden))
    assert kubectl.reads == 0 and late(found.all()) == found.all()


def test_a_refused_address_is_one_that_the_user_hears_of():
    bad = state(listener_set(*LISTENERS["NotAllowed"][:2]), route(ref=OURS))
    (refused,) = late(report("job", bad).all())
    assert refused.state == "failed"
    assert late(report("job", state(*GIVEN)).all()) == []


def test_a_job_without_such_ways_in_is_not_read_again():
    plain = {**HEADLESS, "metadata": {"name": "job", "namespace": "data"}}
    kubectl = FakeKubectl()
    asyncio.run(live.settled_addresses(kubectl, "job", Cluster([plain, stateful_set(1), pod(0, "node-1")], NODES)))
    assert kubectl.reads == 0
