"""The table of addresses, from objects as kubectl returns them."""

import copy
import json
from importlib import resources

import jsonschema
import pytest
from twister2_job.cli.output import addresses_env, addresses_table, narrowed
from twister2_job.clients.resources import Cluster
from twister2_job.exposure.addresses import report
from twister2_job.exposure.model import Address
from twister2_job.exposure.workers import removed

SCHEMA = json.loads(resources.files("twister2_job").joinpath("address.schema.json").read_text())


def node(name, *addresses, ready="True"):
    return {
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses],
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


NODES = [
    node("node-1", ("InternalIP", "10.0.0.1"), ("InternalIP", "fd00::1"), ("Hostname", "node-1")),
    node("node-2", ("InternalIP", "10.0.0.2"), ("ExternalIP", "203.0.113.2")),
    node("node-3", ("InternalIP", "10.0.0.3"), ready="Unknown"),
]


def pod(ordinal, on, ready=True, group=0):
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"job-{group}-{ordinal}",
            "namespace": "data",
            "labels": {"twister2-job/group": str(group)},
        },
        "spec": {"nodeName": on, "containers": [{"name": "twister2-container-0"}]},
        "status": {
            "phase": "Running",
            "hostIP": "10.9.9.9",
            "hostIPs": [{"ip": "10.9.9.9"}, {"ip": "fd00::9"}],
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {"name": "twister2-container-0", "ready": ready, "restartCount": 0, "state": {"running": {}}}
            ],
        },
    }


def stateful_set(instances, group=0, first=0, per_pod=1):
    return {
        "kind": "StatefulSet",
        "metadata": {
            "name": f"job-{group}",
            "namespace": "data",
            "labels": {"twister2-job/group": str(group)},
            "annotations": {
                "twister2-job/first-worker": str(first),
                "twister2-job/instances": str(instances),
                "twister2-job/workers-per-pod": str(per_pod),
            },
        },
        "spec": {"replicas": instances},
    }


HEADLESS = {
    "kind": "Service",
    "metadata": {"name": "job", "namespace": "data", "annotations": {"twister2-job/mode": "echo"}},
    "spec": {"clusterIP": "None"},
}
NODE_PORT = {
    "kind": "Service",
    "metadata": {"name": "job-nodeport", "namespace": "data", "labels": {"twister2-job/exposure": "nodePort"}},
    "spec": {
        "type": "NodePort",
        "externalTrafficPolicy": "Cluster",
        "ports": [{"name": "worker", "port": 9000, "nodePort": 31000, "protocol": "TCP"}],
    },
}


def cluster(*objects, nodes=NODES, **service):
    exposure = copy.deepcopy(NODE_PORT)
    exposure["spec"].update(service.get("spec", {}))
    exposure["metadata"]["annotations"] = service.get("annotations", {})
    pods = objects or (pod(0, "node-1"), pod(1, "node-2"))
    return Cluster([HEADLESS, exposure, stateful_set(len(pods)), *pods], nodes)


def plain(found):
    return [address.address for address in found.shared if address.state == "available"]


def test_external_before_internal_and_only_ready_nodes():
    assert plain(report("job", cluster())) == [
        "203.0.113.2:31000",
        "10.0.0.1:31000",
        "10.0.0.2:31000",
        "[fd00::1]:31000",
    ]


def test_the_order_of_address_types_is_the_documented_one():
    kinds = ("Hostname", "InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS")
    everything = [node("node-1", *((kind, f"10.0.0.{number}") for number, kind in enumerate(kinds)))]
    found = report("job", cluster(pod(0, "node-1"), nodes=everything))
    best = found.shared[0]
    assert (best.source, best.host) == ("ExternalDNS", "10.0.0.4")
    order = ["ExternalDNS", "ExternalIP", "InternalDNS", "InternalIP", "Hostname"]
    sources = [address.source for address in found.shared]
    assert sources == [kind for kind in order if kind in sources]


def test_a_preferred_type_comes_first():
    found = report("job", cluster(annotations={"twister2-job/address-type": "InternalIP"}))
    assert found.shared[0].source == "InternalIP"
    assert report("job", cluster(), address_type="InternalIP").shared[0].source == "InternalIP"


def test_local_policy_lists_only_nodes_with_a_ready_worker():
    found = cluster(pod(0, "node-1"), pod(1, "node-2", ready=False), spec={"externalTrafficPolicy": "Local"})
    assert plain(report("job", found)) == ["10.0.0.1:31000", "[fd00::1]:31000"]


def test_without_the_right_to_read_nodes_host_ips_stand_in_and_say_so():
    found = report("job", cluster(pod(0, "node-1"), nodes=None))
    assert plain(found) == ["10.9.9.9:31000", "[fd00::9]:31000"] and len(found.warnings) == 1
    assert {address.source for address in found.shared} == {"podHostIP"}


def test_an_advertised_host_replaces_the_nodes():
    annotations = {"twister2-job/advertised-host": "w.example.com", "twister2-job/advertised-port": "443"}
    assert plain(report("job", cluster(annotations=annotations))) == ["w.example.com:443"]


@pytest.mark.parametrize(("own", "printed"), [({}, 7000), ({"twister2-job/advertised-port": "443"}, 443)])
def test_an_advertised_port_by_the_ports_name_gives_way_to_the_workers_own(own, printed):
    annotations = {"twister2-job/advertised-host": "w.example.com", "twister2-job/advertised-port-worker": "7000"} | own
    assert plain(report("job", cluster(annotations=annotations))) == [f"w.example.com:{printed}"]


def test_no_ready_worker_is_pending_with_the_reason():
    found = report("job", cluster(pod(0, "node-1", ready=False)))
    assert plain(found) == [] and {address.state for address in found.shared} == {"pending"}
    assert "job-0-0" in found.shared[0].reason


def test_a_pod_that_is_not_scheduled_breaks_nothing():
    waiting = pod(1, "node-1", ready=False)
    del waiting["spec"]["nodeName"]
    waiting["status"] = {"phase": "Pending", "conditions": []}
    assert plain(report("job", cluster(pod(0, "node-1"), waiting)))


def test_json_has_the_documented_fields_and_no_null():
    text = json.dumps(report("job", cluster()).to_dict())
    data = json.loads(text)
    assert set(data) == {"schemaVersion", "job", "namespace", "revision", "shared", "workers", "warnings"}
    assert data["schemaVersion"] == "v1" and "null" not in text
    jsonschema.validate(data, SCHEMA)
    assert data["shared"][0]["url"] == "http://203.0.113.2:31000"
    assert set(data["workers"][0]) == {"id", "group", "pod", "container", "node", "ready", "addresses"}


def test_worker_ids_count_over_groups():
    objects = [HEADLESS, stateful_set(1), stateful_set(2, group=1, first=1, per_pod=2), pod(0, "node-1")]
    second = pod(1, "node-2", group=1)
    second["spec"]["containers"].append({"name": "twister2-container-1"})
    found = report("job", Cluster([*objects, second], NODES))
    assert [(worker.id, worker.pod, worker.container) for worker in found.workers if worker.node] == [
        (0, "job-0-0", 0),
        (3, "job-1-1", 0),
        (4, "job-1-1", 1),
    ]


@pytest.mark.parametrize("exposed", [True, False])
def test_table_and_env(exposed):
    found = report("job", cluster() if exposed else Cluster([HEADLESS, stateful_set(1), pod(0, "node-1")], NODES))
    assert ("203.0.113.2:31000" in addresses_table(found)) is exposed
    assert ("no worker is exposed" in addresses_table(found)) is not exposed
    assert addresses_env(found) == ("TWISTER2_JOB_ADDRESS=203.0.113.2:31000" if exposed else "")
    assert bool(narrowed(found, worker=None, port="worker").all()) is exposed
    assert narrowed(found, worker=None, port="ui").all() == []


OWN = {
    "kind": "Service",
    "metadata": {"namespace": "data"},
    "spec": {
        "type": "NodePort",
        "externalTrafficPolicy": "Cluster",
        "clusterIPs": ["10.96.0.7", "fd00:96::7"],
        "ports": [
            {"name": "worker", "port": 9000, "nodePort": 31000, "protocol": "TCP"},
            {"name": "ui", "port": 9001, "nodePort": 31100, "protocol": "TCP"},
        ],
    },
}


def own(worker, pod_name, **spec):
    """Return the Service of one worker; node ports are 31000 and 31100 + its ID."""
    service = copy.deepcopy(OWN)
    labels = {"twister2-job/exposure": "perWorker", "twister2-job/worker": str(worker)}
    service["metadata"] |= {"name": f"job-w-{worker}", "labels": labels}
    service["spec"] |= {"selector": {"statefulset.kubernetes.io/pod-name": pod_name}, **spec}
    for port in service["spec"]["ports"]:
        port["nodePort"] += worker
    return service


def per_worker(*services, pods=None, nodes=NODES, instances=2):
    """Return the report of a job with Services of single workers."""
    pods = [pod(0, "node-1"), pod(1, "node-2")] if pods is None else pods
    return report("job", Cluster([HEADLESS, stateful_set(instances), *services, *pods], nodes))


def of(found, worker, port="worker"):
    """Return the addresses of one worker's port, with their states if not available."""
    row = next(one for one in found.workers if one.id == worker)
    return [a.address if a.state == "available" else a.state for a in row.addresses if a.port == port]


def test_each_worker_has_the_addresses_of_its_own_node():
    found = per_worker(own(0, "job-0-0"), own(1, "job-0-1"))
    assert found.shared == ()
    assert of(found, 0) == ["10.0.0.1:31000", "[fd00::1]:31000"] and of(found, 0, "ui")[0] == "10.0.0.1:31100"
    assert of(found, 1) == ["203.0.113.2:31001", "10.0.0.2:31001"]
    jsonschema.validate(found.to_dict(), SCHEMA)


def test_other_ready_nodes_stand_in_for_a_node_that_is_not_ready():
    found = per_worker(own(0, "job-0-0"), pods=[pod(0, "node-3")], instances=1)
    assert of(found, 0) == ["203.0.113.2:31000", "10.0.0.1:31000", "10.0.0.2:31000", "[fd00::1]:31000"]


def test_with_the_local_policy_only_the_workers_node_counts():
    local = own(0, "job-0-0", externalTrafficPolicy="Local")
    assert of(per_worker(local, pods=[pod(0, "node-3")], instances=1), 0) == ["pending"]
    assert of(per_worker(local, instances=1), 0) == ["10.0.0.1:31000", "[fd00::1]:31000"]


def test_reserved_services_are_named_with_the_pod_that_will_come():
    found = per_worker(own(0, "job-0-0"), own(2, "job-0-2"))
    row = next(one for one in found.workers if one.id == 2)
    assert (row.reserved, row.group, row.pod, row.container, row.ready) == (True, 0, "job-0-2", 0, False)
    assert {(a.state, a.number) for a in row.addresses} == {("reserved", 31002), ("reserved", 31102)}
    assert "suspended or smaller" in row.addresses[0].reason
    jsonschema.validate(found.to_dict(), SCHEMA)


def test_a_worker_without_a_service_is_in_the_table_without_addresses():
    found = per_worker(own(0, "job-0-0"))
    assert [(one.id, bool(one.addresses)) for one in found.workers] == [(0, True), (1, False)]


def test_without_the_right_to_read_nodes_the_workers_pod_tells_its_host():
    found = per_worker(own(0, "job-0-0"), own(1, "job-0-1"), pods=[pod(0, "node-1")], nodes=None)
    assert of(found, 0) == ["10.9.9.9:31000", "[fd00::9]:31000"] and of(found, 1) == ["pending"]
    assert len(found.warnings) == 1


def test_cluster_ips_are_listed_with_their_name_in_the_cluster():
    service = own(0, "job-0-0", type="ClusterIP")
    service["spec"]["ports"] = [{"name": "worker", "port": 9000, "protocol": "TCP"}]
    found = per_worker(service, instances=1)
    assert of(found, 0) == ["job-w-0.data.svc:9000", "10.96.0.7:9000", "[fd00:96::7]:9000"]
    row = found.workers[0]
    assert [(a.source, a.family) for a in row.addresses] == [
        ("serviceDNS", ""),
        ("clusterIP", "IPv4"),
        ("clusterIP", "IPv6"),
    ]
    jsonschema.validate(found.to_dict(), SCHEMA)


def test_one_worker_and_env():
    found = per_worker(own(0, "job-0-0"), own(1, "job-0-1"), own(2, "job-0-2"))
    assert [a.address for a in narrowed(found, worker=1, port="ui").all()] == ["203.0.113.2:31101", "10.0.0.2:31101"]
    assert addresses_env(found).splitlines() == [
        "TWISTER2_JOB_WORKER_0_ADDRESS=10.0.0.1:31000",
        "TWISTER2_JOB_WORKER_0_UI_ADDRESS=10.0.0.1:31100",
        "TWISTER2_JOB_WORKER_1_ADDRESS=203.0.113.2:31001",
        "TWISTER2_JOB_WORKER_1_UI_ADDRESS=203.0.113.2:31101",
    ]


def test_the_schema_names_the_fields_of_an_address():
    assert set(SCHEMA["definitions"]["address"]["properties"]) == Address("nodePort", "worker", "TCP").to_dict().keys()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**per_worker(own(0, "job-0-0")).to_dict(), "revision": None}, SCHEMA)


def test_a_job_of_which_only_ending_pods_are_left_is_removed():
    ending = {"kind": "Pod", "metadata": {"name": "job-0-0", "deletionTimestamp": "2026-11-30T12:00:00Z"}}
    running = {"kind": "Pod", "metadata": {"name": "job-0-1"}}
    assert removed([]) and removed([ending])
    assert not removed([ending, running]) and not removed([ending, {"kind": "StatefulSet", "metadata": {}}])
