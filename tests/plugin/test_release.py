"""Which revision's values count, and what a pending or a lost release means: decisions over Helm's history."""

import asyncio

import pytest
from twister2_job.errors import BusyError, JobExistsError, PortTakenError, ValuesError
from twister2_job.guards import reuse_hint
from twister2_job.helm import Revision, current
from twister2_job.lifecycle import Lifecycle
from twister2_job.messages import translate
from twister2_job.prepare import Request, keeps_values


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

    def __init__(self, *states):
        self.states, self.rolled_back = states, []

    async def history(self, name):
        return history(*self.states)

    async def rollback(self, name, revision):
        self.rolled_back.append(revision)


def failed(states, *, live, before, rollback):
    """Return the error of a failed upgrade and the revisions that were gone back to."""
    lifecycle = Lifecycle.__new__(Lifecycle)
    lifecycle.helm = FakeHelm(*states)
    request = Request("job", rollback_on_failure=rollback)
    error = asyncio.run(lifecycle._failed_upgrade(ValuesError("No.", "Do."), request, live, before))
    return str(error), lifecycle.helm.rolled_back


def test_only_what_this_upgrade_changed_is_gone_back_from():
    """Revision 2 failed yesterday; today's upgrade was refused before Helm began."""
    text, back = failed(["deployed", "failed"], live=1, before=2, rollback=True)
    assert back == [] and "revision 2 (failed)" in text and "refused revision" not in text
    text, back = failed(["deployed", "failed", "failed"], live=1, before=2, rollback=True)
    assert back == [1] and "Went back to revision 1" in text
    text, back = failed(["deployed", "failed"], live=1, before=1, rollback=False)
    assert back == [] and "what the refused revision did not change runs as revision 1 left it" in text


def test_a_release_that_is_gone_keeps_the_error_as_it_is():
    assert failed([], live=0, before=0, rollback=False) == ("No. Do.", [])


def test_holders_are_named_once():
    from twister2_job.preflight import with_holders

    error = PortTakenError("Node port 30001 is used: 30001 by a/b.")
    assert asyncio.run(with_holders(None, error)) is error
