"""All ways in side by side: opening or closing one changes no other's addresses, and touches no pod."""

import json

import pytest

from tests.cluster import gateways
from tests.cluster.conftest import eventually
from tests.cluster.test_ingress import CLASS, needs_ingress

HOST = "ways.example.com"
BY_HOST = {
    "nodePort": ["nodePort.enabled=true"],
    "loadBalancer": ["loadBalancer.enabled=true"],
    "perWorker": ["perWorker.enabled=true"],
    "ingress": ["ingress.enabled=true", f"ingress.className={CLASS}", f"ingress.host={HOST}"],
    "gateway": ["gateway.enabled=true", "gateway.ports.worker.route=HTTP", f"gateway.host={HOST}"],
    "ingress of workers": [
        "ingress.perWorker.enabled=true",
        "ingress.perWorker.hostTemplate=i{worker}.{job}.example.com",
    ],
    "gateway of workers": [
        "gateway.perWorker.enabled=true",
        "gateway.perWorker.hostTemplate=g{worker}.{job}.example.com",
    ],
}
BY_NUMBER = {
    "nodePort": ["nodePort.enabled=true"],
    "loadBalancer": ["loadBalancer.enabled=true"],
    "perWorker": [
        "perWorker.enabled=true",
        "perWorker.type=LoadBalancer",
        "perWorker.servicePortBase.worker=7000",
        "perWorker.loadBalancer.shareAddress=true",
        "perWorker.loadBalancer.shareAnnotation=metallb.io/allow-shared-ip",
    ],
    "ingress": [
        "ingress.enabled=true",
        f"ingress.className={CLASS}",
        "ingress.shared=false",
        "ingress.perWorker.enabled=true",
        "ingress.perWorker.pathTemplate=/{job}/{worker}",
    ],
    "gateway": [
        "gateway.enabled=true",
        "gateway.shared=false",
        "gateway.perWorker.enabled=true",
        "gateway.perWorker.listenerSet.enabled=true",
        "gateway.perWorker.listenerSet.portBase.worker=BASE",
    ],
}
NEEDED_BY = {
    "perWorker": ["ingress of workers", "gateway of workers"],
    "ingress": ["ingress of workers"],
    "gateway": ["gateway of workers"],
}

@pytest.fixture(autouse=True)
def controllers(kube):
    gateways.needed(kube, ("httproutes",))
    needs_ingress(kube)


@pytest.mark.parametrize("ways", [BY_HOST, BY_NUMBER], ids=["by_host", "by_number"])
def test_opening_and_closing_a_way_in_changes_no_other_and_no_pod(command, job, release, ways):
    """Each is closed and opened again while all others, but for those that need it, are open."""
    base = str(gateways.base())

    def options(closed):
        """Return Helm's options that open all ways in but these."""
        gateway = gateways.parent()[2:] if "gateway" not in closed else ()
        values = [value.replace("BASE", base) for way in ways if way not in closed for value in ways[way]]
        return [*gateway, *(word for value in values for word in ("--set", value))]

    def addresses():
        """Return the addresses, with the way in first."""
        report = json.loads(command("address", job, "-o", "json").stdout)
        shared = [(a["via"], a) for a in report["shared"]]
        rows = [a for worker in report["workers"] for a in worker["addresses"]]
        own = [(f"{a['via']} of workers" if f"{a['via']} of workers" in ways else a["via"], a) for a in rows]
        shown = ("service", "port", "host", "number", "state")
        return {(way, *(a[key] for key in shown)) for way, a in shared + own}

    def settled():
        found = addresses()
        return found if {a[0] for a in found} == set(ways) and {a[-1] for a in found} == {"available"} else None

    result = command("install", job, *options(()))
    assert result.returncode in (0, 3), result.stderr
    before, uids = eventually(settled, 90), release.uids()
    for way in ways:
        closed = [way, *(other for other in NEEDED_BY.get(way, ()) if other in ways)]
        if way == "perWorker" and ways is BY_NUMBER:
            closed += ["ingress", "gateway"]  # They lead to the workers' own Services.
        result = command("upgrade", job, *options(closed))
        assert result.returncode == 0, result.stderr
        others = {a for a in before if a[0] not in closed}
        assert addresses() == others, way
        result = command("upgrade", job, *options(()))
        assert result.returncode in (0, 3), result.stderr
        after = eventually(settled, 90)
        assert {a for a in after if a[0] not in closed} == others, way
        assert {a[:3] for a in after} == {a[:3] for a in before}, way
        assert release.uids() == uids, way
        before = after  # Kubernetes gives a new Service a new number.
