"""What must hold for every rendering: each of the chart's ci values files, with each Helm, and many combinations."""

import itertools
import re

import kubernetes_validate
import pytest
import yaml

from tests.chart import gateway_types
from tests.conftest import CI_VALUES, HELM_VERSIONS, KUBE_VERSION, Template, select

GOLDEN = CI_VALUES[0].parents[3] / "tests" / "chart" / "golden"
POD_NAME = "statefulset.kubernetes.io/pod-name"
CASES = pytest.mark.parametrize("values", CI_VALUES, ids=[path.stem for path in CI_VALUES])


def check(objects):
    """Assert all that must hold between the objects of one rendering."""
    names = [(found["kind"], found["metadata"]["name"]) for found in objects]
    assert len(set(names)) == len(names), "two objects have one name"
    assert all(len(name) <= 63 and re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) for _, name in names)
    pods = {found["metadata"]["name"]: found["spec"]["template"] for found in select(objects, "StatefulSet")}
    master = pods.pop("job-jm", None)
    services = {found["metadata"]["name"]: found["spec"] for found in select(objects, "Service")}
    for stateful_set in select(objects, "StatefulSet"):
        spec = stateful_set["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        assert services[spec["serviceName"]]["clusterIP"] == "None"
        ports = [port for one in spec["template"]["spec"]["containers"] for port in one.get("ports", [])]
        assert len({port["name"] for port in ports}) == len({port["containerPort"] for port in ports}) == len(ports)
    fixed = []
    own = services.pop("job-jm", None)
    assert bool(own) == bool(master)
    if own:
        labels = master["metadata"]["labels"].items()
        assert own["selector"].items() <= labels and own["clusterIP"] == "None"
        assert not any(service["selector"].items() <= labels for service in services.values()), "the master is open"
        assert not any(own["selector"].items() <= pod["metadata"]["labels"].items() for pod in pods.values())
    for service in services.values():
        chosen = [pod for pod in pods.values() if service["selector"].items() <= pod["metadata"]["labels"].items()]
        alone = service["selector"].get(POD_NAME)
        if alone:
            chosen = [pod for name, pod in pods.items() if alone.rpartition("-")[0] == name]
            assert len(chosen) == 1, "a worker's Service leads to no group"
        else:
            assert len(chosen) == len(pods), "a Service misses the workers of a group"
        for port in service.get("ports", []):
            fixed += [port["nodePort"]] if "nodePort" in port else []
            assert service.get("type") == "NodePort" or "nodePort" not in port
            for pod in chosen:
                numbers = [
                    entry["containerPort"] for one in pod["spec"]["containers"] for entry in one.get("ports", [])
                ]
                assert port["targetPort"] in numbers, "a Service leads to a port that no worker has"
        if service.get("type") == "NodePort" and not alone:
            assert all(
                len([c for c in pod["spec"]["containers"] if c["name"].startswith("twister2-")]) == 1 for pod in chosen
            )
    assert len(set(fixed)) == len(fixed), "a node port is given twice"


def nulls(value):
    """Tell whether a null is anywhere in a document."""
    if isinstance(value, dict):
        return any(nulls(inner) for inner in value.values())
    if isinstance(value, list):
        return any(nulls(inner) for inner in value)
    return value is None


@CASES
def test_every_helm_renders_the_golden_objects(helm_template, values):
    """`make golden` writes the files anew; the diff is then read by a person."""
    golden = [found for found in yaml.safe_load_all((GOLDEN / f"{values.stem}.yaml").read_text()) if found]
    rendered = helm_template.objects("-f", str(values))
    key = lambda found: (found["kind"], found["metadata"]["name"])  # noqa: E731
    assert sorted(rendered, key=key) == sorted(golden, key=key)


@CASES
def test_objects_fit_together(newest, values):
    objects = newest.objects("-f", str(values))
    check(objects)
    assert not nulls(objects)


@CASES
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_knows_every_field(newest, values, version):
    for found in newest.objects("-f", str(values)):
        if found["apiVersion"].startswith(gateway_types.GROUP):
            gateway_types.check(found)
        else:
            kubernetes_validate.validate(found, version, strict=True)


def combinations():
    """Yield values over group shapes, ports and the exposure; those that the rule of one worker a pod allows."""
    groups = ["[]", '[{"instances":1}]', '[{"workersPerPod":2},{"instances":3}]']
    ports = ["[]", '[{"name":"ui"}]', '[{"name":"ui"},{"name":"beat","protocol":"UDP"}]']
    jobs = ["suspend=false", "job.class=a.B,job.jar.url=http://a/b"]
    for group, port, per_pod, on, own, policy, job in itertools.product(
        groups, ports, (1, 2), ("true", "false"), ("true", "false"), ("Local", "Cluster"), jobs
    ):
        if on == "true" and (per_pod != 1 or "workersPerPod" in group):
            continue
        yield (
            "--set-json", f"computeResources={group}", "--set-json", f"additionalPorts={port}",
            "--set", f"workersPerPod={per_pod},nodePort.enabled={on},nodePort.externalTrafficPolicy={policy}",
            "--set", f"perWorker.enabled={own},perWorker.externalTrafficPolicy={policy},{job}",
        )  # fmt: skip


def test_combinations_fit_together(newest):
    seen = 0
    for arguments in combinations():
        check(newest.objects(*arguments))
        seen += 1
    assert seen == 192


IMMUTABLE = ("serviceName", "podManagementPolicy", "selector")


def test_upgrades_between_all_ci_values_are_possible(newest):
    """No step changes an immutable field of a StatefulSet, or a Service between headless and not."""
    renderings = [newest.objects("-f", str(path)) for path in CI_VALUES]
    for old, new in itertools.permutations(renderings, 2):
        for before in old:
            for after in select(new, before["kind"], before["metadata"]["name"]):
                if before["kind"] == "StatefulSet":
                    assert all(before["spec"][field] == after["spec"][field] for field in IMMUTABLE)
                if before["kind"] == "Service":
                    assert before["spec"].get("clusterIP") == after["spec"].get("clusterIP")


ON = {
    "nodePort": "nodePort.enabled=true",
    "perWorker": "perWorker.enabled=true,perWorker.nodePortBase.worker=30000",
    "loadBalancer": "loadBalancer.enabled=true",
    "gateway": "gateway.enabled=true,gateway.parentRefs[0].name=public",
    "ingress": "ingress.enabled=true,ingress.host=workers.example.com",
}
OWN = {
    "nodePort": {("Service", "job-nodeport")},
    "perWorker": {("Service", "job-w-0"), ("Service", "job-w-1"), ("NetworkPolicy", "job-perworker")},
    "loadBalancer": {("Service", "job-loadbalancer")},
    "gateway": {("TCPRoute", "job-worker")},
    "ingress": {("Ingress", "job-worker")},
}


def test_toggling_an_exposure_touches_nothing_else(helm_template):
    """Switched on and off, only the exposure's own objects come and go: no pod template changes by a byte."""
    # The test's pod lives for the time of `helm test`; the job's policy names the ports of the shared ways in; Gateway
    # and Ingress share a Service.
    volatile = {("Pod", "job-test"), ("NetworkPolicy", "job"), ("Service", "job-clusterip")}

    def kept(*exposures):
        found = helm_template.objects(*(word for one in exposures for word in ("--set", ON[one])))
        named = {(one["kind"], one["metadata"]["name"]): one for one in found}
        assert named.keys() >= set().union(*(OWN[one] for one in exposures))
        # What the wrapper has to read follows the ways in.
        named["Service", "job"]["metadata"]["annotations"].pop("twister2-job/reads", None)
        return {key: one for key, one in named.items() if key not in volatile}

    off, everything = kept(), kept(*OWN)
    assert not off.keys() & set().union(*OWN.values())
    for one in OWN:
        own = {key: everything[key] for key in OWN[one]}
        assert kept(one) == off | own
        assert everything == kept(*(OWN.keys() - {one})) | own


def test_pods_meet_the_restricted_standard(newest):
    for values in CI_VALUES:
        for found in newest.objects("-f", str(values)):
            pod = (
                found["spec"]["template"]["spec"]
                if found["kind"] == "StatefulSet"
                else found["spec"]
                if found["kind"] == "Pod"
                else None
            )
            if pod is None:
                continue
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            for container in [*pod["containers"], *pod.get("initContainers", [])]:
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
                assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


@pytest.mark.parametrize("version", HELM_VERSIONS)
def test_rendering_twice_gives_the_same_bytes(version):
    first = Template(version).run("-f", str(CI_VALUES[0])).stdout
    assert first == Template(version).run("-f", str(CI_VALUES[0]), "--set", "global.unused=1").stdout
    assert KUBE_VERSION and first
