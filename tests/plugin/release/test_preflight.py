"""What is found before anything is changed. The parts that ask the API server are tested in tests/cluster."""

import copy

import pytest
from twister2_job.errors import PortTakenError, RefusedError, ValuesError
from twister2_job.release.preflight import Findings, lost_ports, moved_workers, quantity, swapped

from tests.conftest import HELM_VERSIONS, Template

GROUPS = '[{"instances":1,"workersPerPod":2},{"instances":1}]'


def rendered(*arguments, groups=GROUPS):
    return Template(HELM_VERSIONS[-1]).objects("--set-json", f"computeResources={groups}", *arguments)


def with_live_ports(objects, **ports):
    """Return the objects as the API server would show them: every node port has a number."""
    live = copy.deepcopy(objects)
    free = iter(range(31000, 32000))
    for service in live:
        if service["kind"] == "Service" and service["spec"].get("type") == "NodePort":
            for port in service["spec"]["ports"]:
                port.setdefault("nodePort", ports.get(service["metadata"]["name"].replace("-", "_"), next(free)))
    return live


def test_only_the_last_group_may_grow_or_shrink():
    live = rendered()
    assert moved_workers(live, rendered()) == []
    assert moved_workers(live, rendered(groups='[{"instances":1,"workersPerPod":2},{"instances":5}]')) == []
    (problem,) = moved_workers(live, rendered("--set", "instances=3"))
    assert problem.startswith("instances: 2 of the running job would become 3, and worker 2 would become worker 3")
    (problem,) = moved_workers(
        rendered(groups='[{"instances":1,"workersPerPod":2}]'), rendered("--set", "instances=4", groups="[]")
    )
    assert "worker 2 of the next group, which goes, would become one of this group" in problem
    assert moved_workers(live, rendered("--set", "instances=1", groups="[]")) == []
    (problem,) = moved_workers(live, rendered(groups='[{"instances":4,"workersPerPod":2},{"instances":1}]'))
    assert problem.startswith("computeResources[0].instances: 1 of the running job would become 4")


def test_a_group_behind_the_last_may_come_and_go():
    more = '[{"instances":1,"workersPerPod":2},{"instances":1},{"instances":7}]'
    assert moved_workers(rendered(), rendered(groups=more)) == []
    assert moved_workers(rendered(groups=more), rendered()) == []


def test_workers_per_pod_may_not_change():
    changed = '[{"instances":1,"workersPerPod":2},{"instances":1,"workersPerPod":3}]'
    (problem,) = moved_workers(rendered(), rendered(groups=changed))
    assert problem.startswith("computeResources[1].workersPerPod: 1 of the running job would become 3")


def test_services_that_go_are_named():
    live = rendered("--set", "perWorker.enabled=true")
    (told,) = lost_ports(live, rendered("--set", "perWorker.enabled=true,perWorker.count=3"))
    assert told.startswith("job-w-3, job-w-4: these Services") and "perWorker.count keeps them" in told
    assert lost_ports(live, live) == []
    (told,) = lost_ports(live, rendered())
    assert told.startswith("job-w-0, job-w-1, ") and told.endswith("perWorker.enabled=true keeps them.")


def test_a_shared_way_in_that_goes_is_named_with_its_numbers():
    ports = '[{"name":"ui"},{"name":"data"}]'
    more = ("--set-json", f"additionalPorts={ports}")
    live = rendered("--set", "nodePort.enabled=true", *more, groups="[]")
    for number, port in enumerate(next(s for s in live if s["metadata"]["name"] == "job-nodeport")["spec"]["ports"]):
        port["nodePort"] = 31000 + number
    (told,) = lost_ports(live, rendered(*more, groups="[]"))
    assert told.startswith("job-nodeport (node ports 31000, 31001, 31002): this way in is given up")
    fewer = ("--set", "nodePort.enabled=true,nodePort.ports={worker,ui}")
    (told,) = lost_ports(live, rendered(*fewer, *more, groups="[]"))
    assert told.startswith("job-nodeport (node port 31002): ")
    assert lost_ports(live, live) == []


def test_a_worker_whose_service_loses_its_node_port_is_named():
    live = rendered("--set", "perWorker.enabled=true,instances=1")
    for service in live:
        for port in service["spec"].get("ports", []) if service["metadata"]["name"] == "job-w-0" else []:
            port["nodePort"] = 31000
    assert lost_ports(live, live) == []
    (told,) = lost_ports(live, rendered("--set", "perWorker.enabled=true,perWorker.type=ClusterIP,instances=1"))
    assert told.startswith("job-w-0 (node port 31000): ")


def test_a_port_that_another_service_of_the_job_has_is_explained():
    on = ("--set", "perWorker.enabled=true")
    live = with_live_ports(rendered(*on), job_w_0=31500, job_w_1=31501)
    both = "perWorker.overrides.0.nodePorts.worker=31501,perWorker.overrides.1.nodePorts.worker=31500"
    problems = swapped(live, rendered(*on, "--set", both))
    assert list(problems) == [("job-w-0", 0), ("job-w-1", 0)]
    text = problems["job-w-0", 0]
    assert text.startswith("perWorker.overrides.0.nodePorts.worker") and "31501" in text and "job-w-1" in text
    own = "perWorker.overrides.0.nodePorts.worker=31500,perWorker.overrides.1.nodePorts.worker=31501"
    assert swapped(live, rendered(*on, "--set", own)) == {}


def test_the_shared_port_and_a_workers_can_not_change_places():
    live = with_live_ports(rendered("--set", "perWorker.enabled=true"), job_w_0=31500)
    wanted = ("--set-json", "computeResources=[]", "--set", "nodePort.enabled=true,nodePort.port=31500")
    (problem,) = swapped(live, rendered(*wanted)).values()
    assert problem.startswith(
        "nodePort.nodePorts.worker (or nodePort.port): node port 31500 is that of Service job-w-0"
    )


def test_all_problems_are_told_at_once_and_the_first_kind_decides():
    findings = Findings(values=["a: b; c"], taken=["d: e; f"], quota=["g"])
    error = findings.error()
    assert isinstance(error, ValuesError) and all(part in str(error) for part in ("a: b; c", "d: e; f", "g"))
    assert isinstance(Findings(taken=["x"], quota=["y"]).error(), PortTakenError)
    assert isinstance(Findings(quota=["y"]).error(), RefusedError)
    assert Findings().error() is None


@pytest.mark.parametrize(("text", "count"), [("3", 3), ("1k", 1000), ("5M", 5_000_000), (7, 7), ("100m", None)])
def test_quotas_are_read_as_kubernetes_writes_them(text, count):
    assert quantity(text) == count
