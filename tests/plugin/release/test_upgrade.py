"""Which revision's values count, and what a pending or a lost release means: decisions over Helm's history."""

import asyncio
from pathlib import Path

import pytest
from twister2_job.clients.helm import Revision
from twister2_job.clients.messages import translate
from twister2_job.clients.process import Result
from twister2_job.errors import BusyError, JobExistsError, OutOfTimeError, PortTakenError, ValuesError
from twister2_job.release import run_mark
from twister2_job.release.live import current
from twister2_job.release.operation import Request, Tools
from twister2_job.release.plan import keeps_values
from twister2_job.release.storage import Stored
from twister2_job.release.upgrade import Upgrade
from twister2_job.release.validation import reuse_hint
from twister2_job.twister2.workload import Twister2Workload


def history(*states):
    return [Revision(number, state, "twister2-job-0.1.0") for number, state in enumerate(states, 1)]


@pytest.mark.parametrize(
    ("states", "number"),
    [
        (["deployed"], 1),
        (["superseded", "deployed", "failed"], 2),
        (["superseded", "deployed", "pending-upgrade"], 2),
        (["superseded", "superseded", "pending-rollback"], 2),
        (["pending-install"], 1),
        (["failed", "failed"], 2),
    ],
)
def test_an_upgrade_keeps_the_values_of_the_deployed_revision(states, number):
    assert current(history(*states)).number == number


@pytest.mark.parametrize(
    ("arguments", "values", "keeps"),
    [
        ([], None, True),
        (["--reuse-values"], None, True),
        (["--reset-then-reuse-values", "--set", "a=b"], None, True),
        (["--set", "a=b"], None, False),
        (["--reset-values"], None, False),
        (["--reset-values"], {"a": 1}, False),
        ([], {"a": 1}, False),
    ],
)
def test_when_an_upgrade_keeps_values(arguments, values, keeps):
    assert keeps_values(Request("job", arguments=arguments, values=values)) is keeps


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Error: cannot re-use a name that is still in use", JobExistsError),
        ('Error: secrets "sh.helm.release.v1.job.v1" already exists', JobExistsError),
        ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", BusyError),
    ],
)
def test_whoever_was_quicker_is_told_apart(text, kind):
    """What another install made is not undone, so these must be told from every other failure."""
    assert type(translate(text, "helm")) is kind


def test_reuse_values_of_an_older_chart_has_its_own_remedy():
    error = ValuesError("perWorker is required", "Correct the values (-f, --set).")
    told = reuse_hint(error, Request("job", arguments=["--reuse-values", "--set", "a=b"]))
    assert "--reset-then-reuse-values" in told.hint
    assert reuse_hint(error, Request("job", arguments=["--set", "a=b"])) is error


class FakeHelm:
    """Answers like a Helm whose release has changed meanwhile; the real one can't be made to at the right moment."""

    def __init__(self, newest):
        self.newest, self.rolled_back = newest, []

    async def rollback(self, name, revision, *, timeout=300):
        self.rolled_back.append(revision)


class FakeTools(Tools):
    async def newest(self, name):
        return self.helm.newest


class FakeKubectl:
    async def run(self, *words, **options):
        return Result(0, '{"items": []}', "")

    async def namespace(self):
        return "default"


def failed(newest, error, *, live=1, built_on=1, rollback=False, applied=False):
    """Return what is told of a failed upgrade, and the revisions that were gone back to."""
    helm, said = FakeHelm(newest), []
    wanted = Request("job", rollback_on_failure=rollback, mark=MARK)
    work = Upgrade(FakeTools(helm, FakeKubectl(), said.append), wanted, Path("chart"), Twister2Workload())
    work.live, work.built_on, work._begun = live, built_on, True
    told = asyncio.run(work.undo_after(error, applied=applied))
    return " ".join([str(told), *said]), helm.rolled_back


MARK = run_mark.new(60)
REFUSED, LATE = ValuesError("No.", "Do."), OutOfTimeError("Late.")


def mine(number, status):
    return Stored(number, status, MARK.labels(number), 0)


def theirs(number, status):
    return Stored(number, status, run_mark.new(60).labels(number), 0)


def test_only_what_this_upgrade_made_is_gone_back_from():
    for newest in (theirs(2, "failed"), theirs(2, "pending-upgrade"), Stored(2, "failed", MARK.labels(1), 0)):
        text, back = failed(newest, REFUSED, rollback=True)
        assert back == [] and f"revision 2 ({newest.status})" in text and "refused revision" not in text
    text, back = failed(mine(2, "failed"), REFUSED, rollback=True)
    assert back == [1] and "Went back to revision 1" in text
    text, back = failed(mine(2, "failed"), REFUSED)
    assert back == [] and "what the refused revision did not change runs as revision 1 left it" in text


@pytest.mark.parametrize("error", [LATE, asyncio.CancelledError()])
@pytest.mark.parametrize("status", ["pending-upgrade", "failed", "deployed"])
def test_an_upgrade_that_was_cut_off_goes_back_whatever_helm_had_come_to(error, status):
    text, back = failed(mine(2, status), error)
    assert back == [1] and "Went back to revision 1" in text


def test_an_upgrade_whose_workers_are_late_stays():
    text, back = failed(mine(2, "deployed"), LATE, applied=True)
    assert back == [] and "revision 2 (deployed)" in text
    assert failed(mine(2, "deployed"), LATE, applied=True, rollback=True)[1] == [1]


def test_of_a_release_that_is_gone_it_is_said():
    text, back = failed(None, REFUSED)
    assert back == [] and text.startswith("No. Do.") and "was uninstalled by another run meanwhile" in text


def test_holders_are_named_once():
    from twister2_job.release.preflight import with_holders

    error = PortTakenError("Node port 30001 is used: 30001 by a/b.")
    assert asyncio.run(with_holders(None, error)) is error
