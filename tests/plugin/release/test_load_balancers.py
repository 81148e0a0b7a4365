"""What an upgrade may not change at load balancers, and what it gives up with them."""

import copy

import pytest
from twister2_job.release.load_balancers import fixed_fields
from twister2_job.release.pin import live_numbers
from twister2_job.release.preflight import lost_ports

OWN = {"twister2-job/worker": "0"}


def service(name="job-loadbalancer", address="", labels=(), **spec):
    labels = {"twister2-job/exposure": "perWorker" if labels else "loadBalancer", **dict(labels)}
    points = {"loadBalancer": {"ingress": [{"ip": address}]}} if address else {}
    return {
        "kind": "Service", "metadata": {"name": name, "labels": labels}, "status": points,
        "spec": {"type": "LoadBalancer", "ports": [{"name": "worker", "port": 9000}], **spec},
    }  # fmt: skip


def test_another_class_is_refused_with_the_way_to_get_it():
    (problem,) = fixed_fields([service(loadBalancerClass="a")], [service(loadBalancerClass="b")])
    assert problem.startswith("loadBalancer.class: a of Service job-loadbalancer would become b, and Kubernetes does")
    assert "first set loadBalancer.enabled=false, then loadBalancer.enabled=true" in problem
    assert "gives up the load balancer's address" in problem


def test_a_class_for_a_load_balancer_without_one_is_refused_too():
    (problem,) = fixed_fields([service()], [service(loadBalancerClass="b")])
    assert "none of Service job-loadbalancer would become b" in problem


def test_taking_the_class_away_is_refused_unless_the_cluster_set_it():
    live, rendered = [service(loadBalancerClass="a")], [service()]
    (problem,) = fixed_fields(live, rendered, before=[service(loadBalancerClass="a")])
    assert "a of Service job-loadbalancer would become none" in problem
    assert fixed_fields(live, rendered, before=[service()]) == []


def test_the_workers_are_told_once():
    live = [service(f"job-w-{w}", labels=OWN, loadBalancerClass="a") for w in range(3)]
    wanted = [service(f"job-w-{w}", labels=OWN, loadBalancerClass="b") for w in range(3)]
    (problem,) = fixed_fields(live, wanted)
    assert problem.startswith("perWorker.loadBalancer.class: a of Service job-w-0 would become b")
    assert "first set perWorker.type=NodePort, then perWorker.type=LoadBalancer" in problem


def test_another_port_of_health_checks_is_refused():
    live = [service(healthCheckNodePort=30001)]
    (problem,) = fixed_fields(live, [service(healthCheckNodePort=30002)])
    assert problem.startswith("loadBalancer.healthCheckNodePort: 30001 of Service")
    assert fixed_fields(live, [service()], before=live) == []
    assert fixed_fields([service()], [service(healthCheckNodePort=30002)]) == []


@pytest.mark.parametrize("live", [[], [service(type="NodePort")]], ids=["new", "another type"])
def test_a_new_load_balancer_has_any_class(live):
    assert fixed_fields(live, [service(loadBalancerClass="b")]) == []
    assert fixed_fields([service(loadBalancerClass="b")], [service(loadBalancerClass="b")]) == []


def test_the_address_of_a_load_balancer_that_goes_is_named():
    live = [service(address="192.0.2.1"), service("job-w-0", "192.0.2.2", OWN)]
    shared, own = lost_ports(live, [])
    assert shared.startswith("job-loadbalancer (load balancer 192.0.2.1): this way in is given up")
    assert own.startswith("job-w-0 (load balancer 192.0.2.2): ")
    assert lost_ports(live, live) == []


def test_node_ports_outlive_a_change_between_node_port_and_load_balancer():
    ports = [{"name": "worker", "port": 9000, "nodePort": 31000}]
    balanced, plain = service(ports=ports), service(type="NodePort", ports=ports)
    assert lost_ports([plain], [balanced]) == lost_ports([balanced], [plain]) == []
    without = copy.deepcopy(balanced)
    without["spec"]["allocateLoadBalancerNodePorts"] = False
    assert "node port 31000" in lost_ports([plain], [without])[0]


def test_only_numbers_that_can_be_chosen_are_pinned():
    ports = [{"name": "worker", "port": 9000, "nodePort": 31000}]
    assert live_numbers([service(ports=ports)]) == {}
    assert live_numbers([service("job-w-0", labels=OWN, ports=ports)])["perWorker"] == {
        "enabled": True, "type": "LoadBalancer", "count": 1, "overrides": {"0": {"nodePorts": {"worker": 31000}}},
    }  # fmt: skip
