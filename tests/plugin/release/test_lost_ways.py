"""What an upgrade says of the routes, ListenerSets and Ingresses that it gives up."""

import asyncio
import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
from twister2_job.clients.helm import Revision
from twister2_job.release import run_mark, upgrade
from twister2_job.release.lost_ways import lost_ways
from twister2_job.release.operation import Request

from tests.conftest import HELM_VERSIONS, Template

GATEWAY = "gateway.enabled=true,gateway.parentRefs[0].name=public,gateway.parentRefs[0].namespace=gateways"
OWN = "perWorker.enabled=true,perWorker.type=ClusterIP,gateway.shared=false,gateway.perWorker.enabled=true"
PORTS = "gateway.perWorker.listenerSet.enabled=true,gateway.perWorker.listenerSet.portBase.worker=20000"
HTTP = "gateway.ports.worker.route=HTTP,gateway.host=a.example.com"
INGRESS = "ingress.enabled=true,ingress.host=all.example.com"


def rendered(*values):
    return Template(HELM_VERSIONS[-1]).objects(*(("--set", ",".join(values)) if values else ()))


@pytest.mark.parametrize(
    ("way", "named"),
    [
        (INGRESS, "Ingress job-worker (all.example.com/)"),
        (GATEWAY, "TCPRoute job-worker"),
        (f"{GATEWAY},{HTTP}", "HTTPRoute job-worker (a.example.com)"),
    ],
    ids=["ingress", "tcp", "http"],
)
def test_closing_a_shared_way_is_said(way, named):
    live = rendered(way)
    told = f"{named}: this way in is given up; nobody holds its hosts or ports for a later one."
    assert lost_ways(live, rendered()) == [told]
    assert lost_ways(live, live) == [] and lost_ways(rendered(), live) == []


def test_closing_the_ways_to_single_workers_is_said_with_what_keeps_them():
    live = rendered(GATEWAY, OWN, PORTS)
    (told,) = lost_ways(live, rendered())
    assert "TCPRoute job-w-0-worker" in told and "ListenerSet job-0 (port 20000, port 20001)" in told
    assert told.endswith("single workers are given up; gateway.perWorker.enabled=true would keep them.")
    (told,) = lost_ways(live, rendered(GATEWAY, OWN, PORTS, "instances=1"))
    assert "TCPRoute job-w-1-worker" in told and "ListenerSet job-0 (port 20001)" in told and "w-0" not in told
    assert told.endswith("given up; the same number, ports and hosts would keep them.")


def test_another_host_gives_the_old_one_up():
    (told,) = lost_ways(rendered(INGRESS), rendered(INGRESS, "ingress.host=new.example.com"))
    assert told.startswith("Ingress job-worker (all.example.com/): this way in is given up")


OWN_BY_PORT = (GATEWAY, OWN, PORTS)
AT = "at the Gateway gateways/public"


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (
            OWN_BY_PORT,
            "gateway.perWorker.listenerSet.portBase.worker=20001",
            f"ListenerSet job-0 (port 20000, port 20001 for worker-1 by TCP {AT})",
        ),
        (
            OWN_BY_PORT,
            "gateway.parentRefs[0].name=internal",
            f"ListenerSet job-0 (port 20000 for worker-0 by TCP {AT}, port 20001 for worker-1 by TCP {AT})",
        ),
        ((GATEWAY, HTTP), "gateway.parentRefs[0].name=internal", f"HTTPRoute job-worker (a.example.com {AT})"),
        (
            (GATEWAY, "gateway.ports.worker.sectionName=tcp"),
            "gateway.ports.worker.sectionName=tcp2",
            f"TCPRoute job-worker ({AT} listener tcp)",
        ),
        (
            (INGRESS, "ingress.className=nginx"),
            "ingress.className=traefik",
            "Ingress job-worker (all.example.com/ by HTTP of class nginx)",
        ),
        (
            (INGRESS, "ingress.tls.enabled=true,ingress.tls.secretName=tls"),
            "ingress.tls.enabled=false,ingress.tls.secretName=",
            "Ingress job-worker (all.example.com/ by HTTPS of the default class)",
        ),
    ],
    ids=["other numbers", "ListenerSet's Gateway", "route's Gateway", "listener", "class", "TLS"],
)
def test_what_leads_elsewhere_is_said(before, after, named):
    (told,) = lost_ways(rendered(*before), rendered(*before, after))
    assert told.startswith(f"{named}: ")


def test_a_protocol_that_is_given_up_is_said():
    live = rendered(*OWN_BY_PORT)
    both = copy.deepcopy(live)
    (listeners,) = [one["spec"]["listeners"] for one in both if one["kind"] == "ListenerSet"]
    listeners.append({"name": "udp-0", "port": 20000, "protocol": "UDP"})
    (told,) = lost_ways(both, live)
    assert told.startswith(f"ListenerSet job-0 (port 20000 for udp-0 by UDP {AT}): ")


def test_a_listener_that_moves_to_another_set_is_not_lost():
    live = rendered(GATEWAY, OWN, PORTS)
    moved = [{**one, "metadata": {**one["metadata"], "name": one["metadata"]["name"].replace("job-0", "job-7")}}
             if one["kind"] == "ListenerSet" else one for one in live]  # fmt: skip
    assert lost_ways(live, moved) == []


def test_an_upgrade_says_it_from_the_revision_that_it_builds_on(monkeypatch):
    """The live objects of further kinds are not read for an upgrade."""
    said, before = [], rendered(INGRESS)
    prepared = SimpleNamespace(
        history=[Revision(1, "deployed", "twister2-job-0.1.0")], live=[], rendered=rendered(), values=None,
        arguments=[], given={}, manifest=before, by_server=True,
    )  # fmt: skip

    async def done(*_arguments, **_options):
        return prepared

    for module, name in ((upgrade, "prepare"), (upgrade.preflight, "check"), (upgrade.dry_run, "check")):
        monkeypatch.setattr(module, name, done)
    helm = SimpleNamespace(change=done)
    tools = SimpleNamespace(helm=helm, kubectl=None, say=said.append)
    workload = SimpleNamespace(check_upgrade=lambda *_arguments: None)
    request = Request("job", mark=run_mark.new(60), arguments=[])
    asyncio.run(upgrade.Upgrade(tools, request, Path("chart"), workload).run())
    assert [text for text in said if "Ingress job-worker" in text] == lost_ways(before, rendered())
