"""Where Helm keeps a release: a fake kubectl, since a release that comes between two looks can't be ordered."""

import asyncio
import time

import pytest
from twister2_job.clients.process import Result
from twister2_job.errors import BusyError, RefusedError
from twister2_job.release import operation, run_mark
from twister2_job.release.orphans import require_unowned
from twister2_job.release.storage import Stored, place_of

SECRET, CONFIGMAP = "secret/sh.helm.release.v1.job.v1", "configmap/sh.helm.release.v1.job.v1"


class Kubectl:
    def __init__(self, *places):
        self.out = "".join(f"{place}\n" for place in places)

    async def run(self, *words):
        assert "owner=helm,name=job" in words
        return Result(0, self.out, "")


@pytest.mark.parametrize(
    ("driver", "places", "found"),
    [
        ("", [], ("", False)),
        ("", [SECRET], (SECRET, True)),
        ("secrets", [CONFIGMAP], (CONFIGMAP, False)),
        ("configmap", [SECRET, CONFIGMAP], (CONFIGMAP, True)),
        ("ConfigMaps", [SECRET], (SECRET, False)),
        ("sql", [SECRET], (SECRET, False)),
    ],
)
def test_where_a_release_is_and_whether_helm_looks_there(monkeypatch, driver, places, found):
    monkeypatch.setenv("HELM_DRIVER", driver)
    assert asyncio.run(place_of(Kubectl(*places), "job")) == found


@pytest.mark.parametrize(("places", "error"), [([SECRET], BusyError), ([CONFIGMAP], RefusedError), ([], None)])
def test_a_release_that_has_just_come_is_another_runs_and_is_in_no_wrong_store(monkeypatch, places, error):
    monkeypatch.delenv("HELM_DRIVER", raising=False)
    made = [{"kind": "Service", "metadata": {"name": "job"}}]
    check = require_unowned(Kubectl(*places), "job", made, running=True)
    if error is None:
        asyncio.run(check)
        return
    with pytest.raises(error, match="in this moment" if error is BusyError else "HELM_DRIVER"):
        asyncio.run(check)


@pytest.mark.parametrize(
    ("status", "claimed", "expected"),
    [("pending-upgrade", False, True), ("pending-upgrade", True, False), ("deployed", False, False), ("", True, False)],
)
def test_a_remnant_is_taken_on_by_one_run_alone(monkeypatch, status, claimed, expected):
    """Who looks late sees another's claim, or a revision that is no remnant any more, or none."""
    long_ago = time.time() - 10_000
    labels = run_mark.new(300).claim(2) if claimed else {}
    stored = Stored(2, status, labels, long_ago, "secrets sh.helm.release.v1.job.v2") if status else None

    async def newest(*_):
        return stored

    async def claim(*_):
        return True

    monkeypatch.setattr(operation, "newest", newest)
    monkeypatch.setattr(operation, "claim", claim)
    tools = operation.Tools(None, None, print)
    assert asyncio.run(tools.take_over("job", run_mark.new(300))) is expected
