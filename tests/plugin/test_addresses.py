"""The table of addresses, from objects as kubectl returns them."""

import copy
import json

import pytest
from twister2_job.addresses import Cluster, report
from twister2_job.output import addresses_env, addresses_table, chosen


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
    fields = {
        "via",
        "port",
        "protocol",
        "host",
        "number",
        "address",
        "url",
        "family",
        "node",
        "source",
        "service",
        "state",
    }
    assert all(set(address) == fields | {"reason"} for address in data["shared"])
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
    assert bool(chosen(found, worker=None, port="worker")) is exposed
    assert chosen(found, worker=None, port="ui") == []
