"""Following a job's addresses: what is kept while the cluster can't be read, and watches that break off."""

import asyncio

import pytest
from twister2_job.clients.resources import Unread
from twister2_job.errors import JobError, NoClusterError, NoRightsError, RefusedError
from twister2_job.exposure import follow
from twister2_job.exposure.model import Address, JobAddresses

GOOD = JobAddresses("job", "data", 1, (Address("gateway", "worker", "TCP", "w", 80, "w:80", state="available"),), ())
LATER = GOOD._replace(revision=2)
GATEWAY = Unread("Gateway infra/web", "what it tells of addresses is missing", "storage is (re)initializing")
PARTLY = JobAddresses("job", "data", 1, (), (), unread=(GATEWAY,))


class Kubectl:
    """Its watches end at once, in the way that is asked for."""

    def __init__(self, error=None):
        self.error, self.watches = error, 0

    async def watch(self, kind, job):
        self.watches += 1
        if self.watches == 1 and self.error:
            raise self.error
        yield "ADDED", {}


def followed(monkeypatch, *reads, count):
    """Return the first reports, and what was said, if the reads find or raise these one after the other."""
    monkeypatch.setattr(follow, "NODES_EVERY", 0.01)
    monkeypatch.setattr(follow, "SETTLE", 0.0)
    left, said = list(reads), []

    async def read():
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    async def first():
        found = []
        async for one in follow.follow(Kubectl(), "job", read, said.append):
            found.append(one)
            if len(found) == count:
                return found
        return found

    return asyncio.run(asyncio.wait_for(first(), 10)), said


@pytest.mark.parametrize(
    "error",
    [NoClusterError("The job's httproutes can't be read: x."), RefusedError("kubectl: storage is (re)initializing.")],
    ids=["no answer", "refused for a moment"],
)
def test_a_read_that_fails_for_a_moment_takes_no_address_away(monkeypatch, error):
    found, said = followed(monkeypatch, GOOD, error, GOOD, LATER, count=2)
    assert found == [GOOD, LATER] and len(said) == 1 and "Trying again" in said[0]
    with pytest.raises(type(error)):
        followed(monkeypatch, error, count=1)


def test_a_right_that_is_lost_is_told(monkeypatch):
    with pytest.raises(NoRightsError):
        followed(monkeypatch, GOOD, NoRightsError("x"), count=2)


def test_a_gateway_that_cannot_be_read_for_a_moment_takes_no_address_away(monkeypatch):
    found, said = followed(monkeypatch, GOOD, PARTLY, PARTLY, GOOD, LATER, count=2)
    assert found == [GOOD, LATER]
    assert said == [f"{GATEWAY.sentence} What was known before stays meanwhile."]


def test_one_that_stays_unreadable_is_told_in_the_end_and_at_first(monkeypatch):
    monkeypatch.setattr(follow, "KEEP", 0.0)
    assert followed(monkeypatch, GOOD, PARTLY, count=2)[0] == [GOOD, PARTLY]
    assert followed(monkeypatch, PARTLY, count=1)[0] == [PARTLY]


@pytest.mark.parametrize(
    "error", [ValueError("cut"), KeyError("object"), OSError("pipe"), JobError("no namespace")], ids=repr
)
def test_a_watch_that_ends_in_the_middle_of_a_line_is_started_again(monkeypatch, error):
    monkeypatch.setattr(follow, "NODES_EVERY", 0.01)
    kubectl, changed = Kubectl(error), asyncio.Event()

    async def woken():
        task = asyncio.ensure_future(follow._wake(kubectl, "job", "Pod", changed))
        try:
            await asyncio.wait_for(changed.wait(), 3)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(woken())
    assert 2 <= kubectl.watches < 10, "with a pause between two"
