"""The worker groups: StatefulSets, ports, environment, labels, the headless Service."""

import json

import pytest

GROUPS = (
    "--set-json",
    'computeResources=[{"instances":1,"workersPerPod":2},{"instances":3}]',
    "--set-json",
    'additionalPorts=[{"name":"ui"},{"name":"beat","protocol":"UDP"}]',
)


def containers(stateful_set):
    return stateful_set["spec"]["template"]["spec"]["containers"]


def environment(container):
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def test_group_0_is_the_top_level_values(helm_template):
    stateful_set = helm_template.one("StatefulSet", "job-0", "--set", "instances=5")
    assert stateful_set["spec"]["replicas"] == 5
    assert stateful_set["spec"]["podManagementPolicy"] == "Parallel"
    assert stateful_set["spec"]["serviceName"] == "job"


def test_further_groups_inherit_what_they_do_not_set(helm_template):
    arguments = (
        "--set",
        "instances=4,resources.requests.cpu=1",
        "--set-json",
        'computeResources=[{"workersPerPod":2}]',
    )
    second = helm_template.one("StatefulSet", "job-1", *arguments)
    assert second["spec"]["replicas"] == 4
    assert [container["resources"] for container in containers(second)] == [{"requests": {"cpu": 1}}] * 2


def test_a_group_may_set_its_resources_to_nothing(helm_template):
    """An echo worker has what is its own then, which may be nothing too."""
    arguments = ("--set", "resources.requests.cpu=1", "--set-json", 'computeResources=[{"resources":{}}]')
    own = {"requests": {"cpu": "10m", "memory": "32Mi"}}
    for more, expected in (("args={a}", None), ("suspend=false", own), ("echo.resources.requests=null", None)):
        found = containers(helm_template.one("StatefulSet", "job-1", *arguments, "--set", more))[0]
        assert found.get("resources") == expected, more


def test_first_worker_ids_count_workers_and_not_pods(helm_template):
    sets = [helm_template.one("StatefulSet", f"job-{group}", *GROUPS) for group in range(3)]
    found = [stateful_set["metadata"]["annotations"]["twister2-job/first-worker"] for stateful_set in sets]
    assert found == ["0", "2", "4"]


def test_ports_are_those_that_twister2_computes(helm_template):
    """Worker port + container * (1 + additional ports); names differ within a pod."""
    pod = containers(helm_template.one("StatefulSet", "job-1", *GROUPS))
    ports = [[(port["name"], port["containerPort"], port["protocol"]) for port in one["ports"]] for one in pod]
    assert ports == [
        [("worker", 9000, "TCP"), ("ui", 9001, "TCP"), ("beat", 9002, "UDP")],
        [("worker-1", 9003, "TCP"), ("ui-1", 9004, "TCP"), ("beat-1", 9005, "UDP")],
    ]
    assert [environment(one)["WORKER_PORT"] for one in pod] == ["9000", "9003"]


def test_environment_is_the_one_that_twister2_reads(helm_template):
    found = environment(containers(helm_template.one("StatefulSet", "job-0"))[0])
    assert found == {
        "JOB_ID": "job",
        "POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "HOST_IP": {"fieldRef": {"fieldPath": "status.hostIP"}},
        "HOST_NAME": {"fieldRef": {"fieldPath": "spec.nodeName"}},
        "CONTAINER_NAME": "twister2-container-0",
        "WORKER_PORT": "9000",
        # Ours, not Twister2's: where a worker reads its own addresses outside.
        "TWISTER2_JOB_ADDRESSES_FILE": "/run/twister2-job/addresses.json",
    }


def test_outside_addresses_are_mounted_and_may_be_missing(helm_template):
    """Helm owns no key of the ConfigMap, and a pod starts without it."""
    assert "data" not in helm_template.one("ConfigMap", "job-addresses")
    spec = helm_template.one("StatefulSet", "job-0")["spec"]["template"]["spec"]
    volume = next(one for one in spec["volumes"] if one["name"] == "addresses")
    assert volume["configMap"] == {"name": "job-addresses", "optional": True}
    mount = next(one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "addresses")
    assert (mount["mountPath"], mount["readOnly"]) == ("/run/twister2-job", True)


def test_labels_are_twister2s_and_the_recommended_ones(helm_template):
    stateful_set = helm_template.one("StatefulSet", "job-0")
    expected = {"app": "twister2", "t2-job": "job", "t2-wss": "job", "app.kubernetes.io/version": "0.8.0"}
    assert expected.items() <= stateful_set["metadata"]["labels"].items()
    pod = stateful_set["spec"]["template"]["metadata"]["labels"]
    assert {"app": "twister2", "t2-job": "job", "t2-wp": "job", "twister2-job/group": "0"}.items() <= pod.items()


def test_nothing_that_changes_with_the_chart_reaches_a_pod(helm_template):
    pod = helm_template.one("StatefulSet", "job-0", "--set", "nodePort.enabled=true")["spec"]["template"]
    text = json.dumps(pod)
    assert "helm.sh/chart" not in text and "0.8.0" not in text and "nodePort" not in text and "checksum" not in text


def test_headless_service_is_always_there(helm_template):
    for arguments in ((), ("--set", "nodePort.enabled=true"), ("--set", "suspend=true")):
        service = helm_template.one("Service", "job", *arguments)
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["publishNotReadyAddresses"] is True


def test_suspend_runs_no_worker_and_remembers_the_size(helm_template):
    stateful_set = helm_template.one("StatefulSet", "job-0", "--set", "suspend=true,instances=3")
    assert stateful_set["spec"]["replicas"] == 0
    assert stateful_set["metadata"]["annotations"]["twister2-job/instances"] == "3"


def test_workers_get_no_token(helm_template):
    assert helm_template.one("ServiceAccount", "job")["automountServiceAccountToken"] is False
    assert (
        helm_template.one("StatefulSet", "job-0")["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    )


@pytest.mark.parametrize(
    ("arguments", "name", "made"),
    [
        ((), "job", 1),
        (("--set", "serviceAccount.name=mine"), "mine", 1),
        (("--set", "serviceAccount.create=false"), "default", 0),
        (("--set", "serviceAccount.create=false,serviceAccount.name=mine"), "mine", 0),
    ],
)
def test_service_account_name(newest, arguments, name, made):
    objects = newest.objects(*arguments)
    assert len([found for found in objects if found["kind"] == "ServiceAccount"]) == made
    pod = next(found for found in objects if found["kind"] == "StatefulSet")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == name


def test_echo_worker_runs_only_without_a_command(helm_template):
    echo = containers(helm_template.one("StatefulSet", "job-0"))[0]
    assert echo["image"] == "docker.io/library/python:3.11-slim-bookworm"
    assert echo["readinessProbe"] == {"tcpSocket": {"port": 9000}, "periodSeconds": 1}
    own = ("--set", "command={sleep},args={forever}")
    container = containers(helm_template.one("StatefulSet", "job-0", *own))[0]
    assert (container["command"], container["args"]) == (["sleep"], ["forever"])
    assert container["image"] == "docker.io/twister2/twister2-k8s:0.8.0"
    assert "readinessProbe" not in container
    assert "job-echo" not in {found["metadata"]["name"] for found in helm_template.objects(*own)}


def test_image_tag_and_digest(newest):
    digest = "sha256:" + "a" * 64
    arguments = ("--set", f"command={{x}},image.repository=r,image.tag=t,image.digest={digest}")
    assert containers(newest.one("StatefulSet", "job-0", *arguments))[0]["image"] == f"r@{digest}"
    assert containers(newest.one("StatefulSet", "job-0", "--set", "command={x},image.tag=t"))[0]["image"].endswith(":t")


def test_no_exposure_and_no_second_configmap_carries_t2_job(all_ci_objects):
    from tests.conftest import CI_VALUES

    for path in CI_VALUES:
        for found in all_ci_objects(path):
            second = found["kind"] == "ConfigMap" and found["metadata"]["name"] != "job"
            if second or "twister2-job/exposure" in found["metadata"].get("labels", {}):
                assert "t2-job" not in found["metadata"].get("labels", {}), f"{path.name}: {found['metadata']['name']}"
