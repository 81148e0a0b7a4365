"""A job's own routes that can't be read: nobody is told that the job is not exposed, and a fault is tried again."""

import argparse
import asyncio
import json
import stat
import sys

import pytest
from twister2_job.cli.addresses import Publish
from twister2_job.cli.jobs import finish
from twister2_job.cli.output import addresses_table
from twister2_job.cli.printing import print_addresses
from twister2_job.clients import further
from twister2_job.clients.children import Result
from twister2_job.clients.connection import Connection
from twister2_job.clients.kubectl import Kubectl
from twister2_job.errors import NoClusterError, NotExposedError, PendingError
from twister2_job.exposure.addresses import report
from twister2_job.exposure.live import read_addresses
from twister2_job.exposure.snapshot import addresses
from twister2_job.reach.check import check, require

from .test_addresses import NODE_PORT, NODES, pod, stateful_set
from .test_ways import ABSENT, FAULTS, FORBIDDEN, HEADLESS_WITH, cluster, ingress

LASTING = {
    FORBIDDEN: ("you may not list them", "Ask for the right to list them"),
    ABSENT: ("this cluster does not serve networking.k8s.io/v1", "`kubectl api-versions` shows"),
}
REINITIALIZING = "Error from server (TooManyRequests): storage is (re)initializing"
LEADER = "Error from server: etcdserver: leader changed"


def unread(error, *objects):
    wanted = further.further([HEADLESS_WITH], "job")
    gateway = Result(1, "", 'Error from server (NotFound): gateways "web" not found')
    return report("job", further.extended(cluster(*objects), wanted, [Result(1, "", error), gateway]))


class Job:
    async def try_publish(self, report):
        pass


def asked(found, form="plain", **options):
    print_addresses(found, argparse.Namespace(output=form, **options))


@pytest.mark.parametrize("error", LASTING)
def test_what_cannot_be_read_is_not_called_unexposed(error, capsys):
    found, (why, help_) = unread(error), LASTING[error]
    ways = [
        lambda: asyncio.run(finish(Job(), found, argparse.Namespace(output="table"))),
        lambda: asyncio.run(check(found)),
        lambda: asked(found),
        lambda: asked(found, "table", worker=0, port="worker", first=False),
    ]
    for way in ways:
        with pytest.raises(PendingError, match="can't be read") as caught:
            way()
        assert why in caught.value.message and help_ in caught.value.hint
    table = addresses_table(found)
    assert "can't be read" in table and help_ in table
    assert "enabled=true" not in table + capsys.readouterr().out


def test_all_kinds_of_one_cause_are_named_together():
    kinds = "gateway.networking.k8s.io/v1/httproutes,gateway.networking.k8s.io/v1/tcproutes"
    metadata = {**HEADLESS_WITH["metadata"], "annotations": {"twister2-job/reads": kinds}}
    headless = {**HEADLESS_WITH, "metadata": metadata}
    wanted = further.further([headless], "job")
    found = report("job", further.extended(cluster(), wanted, [Result(1, "", ABSENT)] * 2))
    assert "httproutes and tcproutes" in addresses_table(found)


def test_a_worker_that_does_not_exist_is_told_all_the_same():
    with pytest.raises(NotExposedError, match="has no worker 7"):
        asked(unread(FORBIDDEN), worker=7)


def test_what_is_known_is_shown_and_the_rest_keeps_a_change_or_a_check_from_success(capsys):
    found = unread(FORBIDDEN, NODE_PORT)
    assert found.shared and "can't be read" not in addresses_table(found)
    asked(found)
    assert "203.0.113.2:31000" in capsys.readouterr().out
    with pytest.raises(PendingError, match="can't be read"):
        asyncio.run(finish(Job(), found, argparse.Namespace(output="table")))


def test_publish_is_no_success_either():
    class Publisher:
        def say(self, text):
            pass

        async def publish(self):
            return unread(FORBIDDEN)

    with pytest.raises(PendingError, match="can't be read"):
        asyncio.run(Publish().act_on(Publisher(), argparse.Namespace(watch=False)))


def test_a_check_of_what_answers_does_not_hide_what_is_unread():
    found = unread(FORBIDDEN, {**NODE_PORT, "spec": {**NODE_PORT["spec"], "ports": []}})
    one = report("job", cluster(ingress())).shared[0]
    result = asyncio.run(check(found._replace(shared=(one._replace(state="reserved", reason="closed"),))))
    assert not result.ok
    with pytest.raises(PendingError, match="can't be read"):
        require(result)


@pytest.mark.parametrize("error", [*FAULTS, REINITIALIZING, LEADER])
def test_a_fault_at_a_kind_of_the_jobs_own_is_an_error(error):
    with pytest.raises(NoClusterError, match="The job's ingresses can't be read: ") as caught:
        unread(error)
    assert error in caught.value.message and "Try again" in caught.value.hint


def program(tmp_path, faults, error):
    """Write a kubectl that fails as often to list Ingresses."""
    lists = {
        "pods,statefulsets": [stateful_set(1), pod(0, "node-1")], "/services": [HEADLESS_WITH], "/nodes": NODES,
        "/ingresses": [ingress()],
    }  # fmt: skip
    runs, path = tmp_path / "runs", tmp_path / "kubectl"
    path.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"lists, faults, error = {lists!r}, {faults}, {error!r}\n"
        "for part, items in lists.items():\n"
        "    if any(part in word for word in sys.argv[1:]):\n"
        "        if part == '/ingresses':\n"
        f"            open({str(runs)!r}, 'a').write('x')\n"
        f"            if os.path.getsize({str(runs)!r}) <= faults:\n"
        "                print(error, file=sys.stderr); sys.exit(1)\n"
        "        print(json.dumps({'items': items})); sys.exit()\n"
        "print('Error from server (NotFound): x not found', file=sys.stderr); sys.exit(1)\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path, runs


def by_snapshot():
    return addresses(Connection(namespace="data"), "job")


def by_asyncio():
    return asyncio.run(read_addresses(Kubectl(Connection(namespace="data")), "job"))


@pytest.mark.parametrize("read", [by_snapshot, by_asyncio])
@pytest.mark.parametrize(
    ("faults", "error", "runs"), [(1, REINITIALIZING, 2), (2, REINITIALIZING, 2), (9, FORBIDDEN, 1), (0, "", 1)],
    ids=["passes", "stays", "forbidden", "good"],
)  # fmt: skip
def test_a_fault_is_tried_once_more_and_what_lasts_is_not(tmp_path, monkeypatch, read, faults, error, runs):
    monkeypatch.setattr(further, "PAUSE", 0.01, raising=False)
    path, count = program(tmp_path, faults, error)
    monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(path))
    monkeypatch.setenv("KUBECONFIG", "/dev/null")
    if faults == 2:
        with pytest.raises(NoClusterError, match="The job's ingresses can't be read"):
            read()
    else:
        assert [a.host for a in read().shared] == ([] if error == FORBIDDEN else ["w.example.com"])
    assert len(count.read_text()) == runs


def test_the_report_has_no_further_field():
    found = unread(FORBIDDEN)
    assert "unread" not in json.dumps(found.to_dict()) and "can't be read" in found.to_dict()["warnings"][0]
