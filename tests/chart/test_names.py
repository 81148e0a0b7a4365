"""A string stays the string, and each key is there once: odd names, and what the user gives beside the chart's."""

import json

import pytest
import yaml

from tests.conftest import CI_VALUES, KUBECTL, OLDEST_AND_NEWEST, Template, run, select

ODD = ["on", "y", "no", "null", "true", "123", "1e3", "0x10", "1.0", "2026-11-29"]
ANY = [*ODD, "1_000", ".5", "~", " a", "a ", " #", "a: b", "{{ a }}", "- a", "\n", "a\n\n", "", "'", '"', "\t", "\\"]
TWISTER2 = ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")
BOTH = pytest.mark.parametrize("helm", [Template(version) for version in OLDEST_AND_NEWEST], ids=OLDEST_AND_NEWEST)


class Once(yaml.SafeLoader):
    """Refuses a mapping with a key that is there twice."""

    def construct_mapping(self, node, deep=False):
        """Read a mapping."""
        keys = [key.value for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"a key is there twice: {keys}"
        return super().construct_mapping(node, deep)


def objects(helm, values, name="job", *words):
    """Render with values given as data; no key of the rendering is there twice."""
    given = [word for key, value in values.items() for word in ("--set-json", f"{key}={json.dumps(value)}")]
    result = helm.run(*given, *words, name=name)
    assert result.returncode == 0, result.stderr
    return [found for found in yaml.load_all(result.stdout, Loader=Once) if found]


def pod(found, name="job-0"):
    (stateful_set,) = select(found, "StatefulSet", name)
    return stateful_set["spec"]["template"]


@BOTH
@pytest.mark.parametrize("name", ["on", "y", "no", "null", "true", "e1", "off"])
def test_a_job_may_have_a_name_that_yaml_reads_as_something_else(helm, name):
    for more in ((), TWISTER2):
        found = objects(
            helm, {"nodePort.enabled": True, "perWorker.enabled": True}, name, "--namespace", "12345", *more
        )
        for one in found:
            assert isinstance(one["metadata"]["name"], str) and one["metadata"]["name"].startswith(name)
            assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == name
        assert select(found, "Service", name)
        template = pod(found, f"{name}-0")
        assert template["spec"]["serviceAccountName"] == name
        assert {"name": "JOB_ID", "value": name} in template["spec"]["containers"][0]["env"]
        for binding in select(found, "RoleBinding"):
            assert binding["subjects"][0]["namespace"] == "12345" and isinstance(binding["roleRef"]["name"], str)


@BOTH
@pytest.mark.parametrize("text", ODD)
def test_a_name_stays_that_name(helm, text):
    values = {
        "serviceAccount": {"name": text}, "priorityClassName": text, "runtimeClassName": text,
        "podLabels": {"a": text}, "nodeSelector": {"a": text}, "imagePullSecrets": [{"name": text}],
        "image": {"tag": text}, "headless": {"labels": {"b": text}}, "commonLabels": {"c": text},
        "job": {"class": "a.B", "jar": {"urlSecret": {"name": text, "key": text}}},
    }  # fmt: skip
    found = objects(helm, values)
    template = pod(found)
    container, spec = template["spec"]["containers"][0], template["spec"]
    assert [spec[key] for key in ("serviceAccountName", "priorityClassName", "runtimeClassName")] == [text] * 3
    assert template["metadata"]["labels"]["a"] == spec["nodeSelector"]["a"] == text
    assert spec["imagePullSecrets"] == [{"name": text}] and container["image"].endswith(f":{text}")
    (url,) = [one for one in spec["initContainers"][0]["env"] if one["name"] == "TWISTER2_JOB_URL"]
    assert url["valueFrom"]["secretKeyRef"] == {"name": text, "key": text}
    (headless,) = select(found, "Service", "job")
    assert headless["metadata"]["labels"]["b"] == text
    assert all(one["metadata"]["labels"]["c"] == text for one in found)


@BOTH
@pytest.mark.parametrize("text", ANY)
def test_a_text_stays_that_text(helm, text):
    values = {
        "podAnnotations": {"a": text}, "env": [{"name": "A", "value": text}], "command": [text], "args": [text],
        "headless": {"annotations": {"a": text}}, "commonAnnotations": {"b": text},
        "extraVolumeMounts": [{"name": "tmp", "mountPath": "/a", "subPath": text}],
        "podSecurityContext": {"sysctls": [{"name": "a", "value": text}]},
    }  # fmt: skip
    found = objects(helm, values)
    template = pod(found)
    container = template["spec"]["containers"][0]
    assert {"name": "A", "value": text} in container["env"] and container["command"] == container["args"] == [text]
    assert template["metadata"]["annotations"] == {"a": text}
    assert (
        container["volumeMounts"][-1]["subPath"] == template["spec"]["securityContext"]["sysctls"][0]["value"] == text
    )
    assert all(one["metadata"]["annotations"]["b"] == text for one in found)


@BOTH
@pytest.mark.parametrize("name", ["on", "y", "null", "true", "e1"])
def test_a_port_may_have_such_a_name(helm, name):
    values = {
        "additionalPorts": [{"name": name}], "nodePort": {"enabled": True, "nodePorts": {name: 30001}},
        "perWorker": {"enabled": True},
    }  # fmt: skip
    found = objects(helm, values)
    assert [port["name"] for port in pod(found)["spec"]["containers"][0]["ports"]] == ["worker", name]
    assert f"{name}=9001" in pod(found)["spec"]["containers"][0]["args"]
    for service in select(found, "Service")[1:] if select(found, "Service")[0]["metadata"]["name"] == "job" else []:
        assert [port["name"] for port in service["spec"]["ports"]] == ["worker", name]
    (shared,) = select(found, "Service", "job-nodeport")
    assert shared["spec"]["ports"][1] | {"nodePort": 30001} == shared["spec"]["ports"][1]


def test_an_image_with_a_blank_and_a_hash_is_not_cut_off(newest):
    found = objects(newest, {"image": {"repository": "a/b #c"}, "command": ["d"]}, "job", "--skip-schema-validation")
    assert pod(found)["spec"]["containers"][0]["image"] == "a/b #c:0.8.0"


@BOTH
def test_numbers_keep_their_digits(helm):
    groups = [{"instances": 10000}] * 99
    found = objects(
        helm, {"instances": 10000, "computeResources": groups, "podSecurityContext": {"runAsUser": 1000650000}}
    )
    (last,) = select(found, "StatefulSet", "job-99")
    assert last["metadata"]["annotations"]["twister2-job/first-worker"] == "990000"
    assert last["spec"]["template"]["spec"]["containers"][0]["args"][0] == "990000"
    assert last["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 1000650000
    found = objects(helm, {"instances": 10000, "workersPerPod": 100, "computeResources": [{}]})
    (last,) = select(found, "StatefulSet", "job-1")
    assert last["metadata"]["annotations"]["twister2-job/first-worker"] == "1000000"
    assert last["spec"]["template"]["spec"]["containers"][0]["args"][0] == "1000000"


LABELS = ("podLabels", "headless.labels", "nodePort.labels", "perWorker.labels", "commonLabels")
IDENTITY = (
    "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by", "helm.sh/chart", "t2-job", "t2-wp", "twister2-job/worker", "twister2-job/group",
    "statefulset.kubernetes.io/pod-name", "controller-revision-hash",
)  # fmt: skip


@pytest.mark.parametrize("key", IDENTITY)
@pytest.mark.parametrize("path", [*LABELS, "perWorker.overrides"])
def test_labels_by_which_the_job_is_found_are_refused_with_their_path(newest, path, key):
    value = {"1": {"labels": {key: "x"}}} if path.endswith("overrides") else {key: "x"}
    where = "perWorker.overrides.1.labels" if path.endswith("overrides") else path
    told = newest.refuses("--set", "perWorker.enabled=true", "--set-json", f"{path}={json.dumps(value)}")
    assert f"{where}: {key} is the chart's own" in told


@pytest.mark.parametrize("key", ["twister2-job/mode", "twister2-job/advertised-host", "meta.helm.sh/release-name"])
@pytest.mark.parametrize("path", ["headless.annotations", "nodePort.annotations", "commonAnnotations"])
def test_annotations_that_are_the_charts_are_refused_with_their_path(newest, path, key):
    told = newest.refuses("--set-json", f"{path}={json.dumps({key: 'x'})}")
    assert f"{path}: {key} is the chart's or Helm's own" in told


@BOTH
@pytest.mark.parametrize("more", [(), TWISTER2], ids=["echo", "twister2"])
def test_other_labels_of_the_user_take_the_place_of_the_charts(helm, more):
    mine = {"app": "mine", "app.kubernetes.io/version": "7"}
    values = {
        "podLabels": {"app": "mine"}, "headless": {"labels": mine}, "nodePort": {"enabled": True, "labels": mine},
        "perWorker": {"enabled": True, "labels": mine, "overrides": {"1": {"labels": {"app": "other"}}}},
    }  # fmt: skip
    found = objects(helm, values, "job", *more)
    assert pod(found)["metadata"]["labels"]["app"] == "mine"
    for name in ("job", "job-nodeport", "job-w-0"):
        (service,) = select(found, "Service", name)
        assert mine.items() <= service["metadata"]["labels"].items()
    (service,) = select(found, "Service", "job-w-1")
    assert service["metadata"]["labels"]["app"] == "other"


@BOTH
def test_common_labels_and_annotations_are_on_every_object_and_in_no_pod_template(helm):
    common = {"commonLabels": {"team": "data", "app": "ours"}, "commonAnnotations": {"note": "1", "other": "2"}}
    own = {"headless": {"annotations": {"note": "mine"}, "labels": {"team": "own"}}}
    found = objects(helm, {**common, **own, "nodePort.enabled": True, "perWorker.enabled": True}, "job", *TWISTER2)
    plain = objects(helm, {"nodePort.enabled": True, "perWorker.enabled": True}, "job", *TWISTER2)
    for one in found:
        labels, notes = one["metadata"]["labels"], one["metadata"]["annotations"]
        assert labels["app"] == "ours" and notes["other"] == "2"
        mine = one["kind"] == "Service" and one["metadata"]["name"] == "job"
        assert (labels["team"], notes["note"]) == (("own", "mine") if mine else ("data", "1"))
    assert [pod([s], s["metadata"]["name"]) for s in select(found, "StatefulSet")] == [
        pod([s], s["metadata"]["name"]) for s in select(plain, "StatefulSet")
    ]


@BOTH
def test_labels_and_annotations_of_single_workers_may_hold_placeholders(helm):
    text = "{worker}-{pod}.{job}.{namespace}"
    values = {
        "perWorker": {
            "enabled": True, "labels": {"number": "{worker}"}, "annotations": {"host": text},
            "overrides": {"1": {"annotations": {"own": "1{worker}"}}},
        }
    }  # fmt: skip
    found = objects(helm, values, "job", "--namespace", "data")
    for worker in range(2):
        (service,) = select(found, "Service", f"job-w-{worker}")
        assert service["metadata"]["labels"]["number"] == str(worker)
        assert service["metadata"]["annotations"]["host"] == f"{worker}-job-0-{worker}.job.data"
    assert service["metadata"]["annotations"]["own"] == "11"


def lists(newest, *more):
    """Return the names that the chart's own pods have, by the values path beside which they stand."""
    found = objects(newest, {"workersPerPod": 2}, "job", *more)
    spec = pod(found)["spec"]
    containers = [*spec["containers"], *spec.get("initContainers", [])]
    return {
        "env": {one["name"] for container in containers for one in container["env"]},
        "extraVolumes": {one["name"] for one in spec["volumes"]} - {"tmp"},
        "extraVolumeMounts": {one["mountPath"] for c in containers for one in c["volumeMounts"]} - {"/tmp"},
        "sidecars": {container["name"] for container in spec["containers"]},
    }


@pytest.mark.parametrize("more", [(), TWISTER2], ids=["echo", "twister2"])
def test_what_the_charts_own_pods_have_is_refused_beside_it(newest, more):
    kinds = lists(newest, *more)
    assert all(kinds.values())
    for path, names in kinds.items():
        key = "mountPath" if path == "extraVolumeMounts" else "name"
        for name in names:
            item = {key: name, "name": name if key == "name" else "x", **({"image": "a"} if path == "sidecars" else {})}
            told = newest.refuses("--set", "workersPerPod=2", *more, "--set-json", f"{path}={json.dumps([item])}")
            assert f"{path}[0].{key}: the pods have a " in told and name in told
    assert "/etc/twister2-job is" not in told


@BOTH
def test_a_volume_tmp_and_a_mount_at_tmp_take_the_place_of_the_charts(helm):
    for more in ((), TWISTER2):
        volume = {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}
        found = objects(helm, {"extraVolumes": [volume]}, "job", *more)
        for stateful_set in select(found, "StatefulSet"):
            assert [v for v in stateful_set["spec"]["template"]["spec"]["volumes"] if v["name"] == "tmp"] == [volume]
        mount = {"name": "tmp", "mountPath": "/tmp/", "subPath": "a"}
        found = objects(helm, {"extraVolumeMounts": [mount]}, "job", *more)
        for stateful_set in select(found, "StatefulSet"):
            container = stateful_set["spec"]["template"]["spec"]["containers"][0]
            assert [m for m in container["volumeMounts"] if m["mountPath"].startswith("/tmp")] == [mount]


@pytest.mark.parametrize(
    ("path", "items", "told"),
    [
        ("env", [{"name": "A"}, {"name": "A"}], "env[1].name: A is there twice, in env[0].name too"),
        ("extraVolumes", [{"name": "a"}, {"name": "a"}], "extraVolumes[1].name: a is there twice"),
        (
            "extraVolumeMounts",
            [{"mountPath": "/a"}, {"mountPath": "/a/"}],
            "extraVolumeMounts[1].mountPath: /a is there",
        ),
        ("sidecars", [{"name": "a"}, {"name": "a"}], "sidecars[1].name: a is there twice"),
        ("imagePullSecrets", [{"name": "a"}, {"name": "a"}], "imagePullSecrets[1].name: a is there twice"),
        ("initContainers", [{"name": "job-package"}], "initContainers[0].name: the pods have a container job-package"),
        ("env", [{"value": "a"}], "env[0].name: it is missing"),
        ("extraVolumeMounts", [{"mountPath": "/a"}], "extraVolumeMounts[0].name: it is missing; name a volume"),
    ],
)
def test_a_name_that_is_there_twice_is_refused_with_both_paths(newest, path, items, told):
    assert told in newest.refuses("--skip-schema-validation", "--set-json", f"{path}={json.dumps(items)}")


@BOTH
def test_a_mount_needs_a_volume_that_all_pods_have(helm):
    volumes = {
        (): ("tmp", "echo", "addresses"),
        TWISTER2: ("tmp", "twister2-volatile-dir"),
        ("--set", "persistence.enabled=true"): ("persistent-volume",),
        ("--set", "extraVolumes[0].name=mine"): ("mine",),
    }
    every = {name for names in volumes.values() for name in names}
    for more, names in volumes.items():
        for name in every:
            mount = ("--set-json", f"extraVolumeMounts={json.dumps([{'name': name, 'mountPath': '/a'}])}", *more)
            if name in names or (name in volumes[()] and more != TWISTER2):
                objects(helm, {}, "job", *mount)
            else:
                told = helm.refuses(*mount)
                assert f"extraVolumeMounts[0].name: there is no volume {name} in the pods; add it to" in told


def test_a_container_of_two_lists_is_refused(newest):
    one = json.dumps([{"name": "a", "image": "b"}])
    told = newest.refuses("--set-json", f"sidecars={one}", "--set-json", f"initContainers={one}")
    assert "initContainers[0].name: the pods have a container a" in told


@pytest.mark.parametrize("values", CI_VALUES, ids=[path.stem for path in CI_VALUES])
def test_no_key_is_there_twice(newest, values):
    assert [found for found in yaml.load_all(newest.run("-f", str(values)).stdout, Loader=Once) if found]


def test_kustomize_takes_every_rendering(newest, tmp_path):
    if not KUBECTL:
        pytest.skip("needs kubectl")
    for values in CI_VALUES:
        (tmp_path / "all.yaml").write_text(newest.run("-f", str(values)).stdout)
        (tmp_path / "kustomization.yaml").write_text("resources: [all.yaml]\n")
        done = run(KUBECTL, "kustomize", tmp_path)
        assert done.returncode == 0 and "kind: StatefulSet" in done.stdout, done.stderr


def test_the_first_port_is_the_first_that_the_user_names(newest):
    values = {
        "additionalPorts": [{"name": "a"}, {"name": "b"}],
        "nodePort": {"enabled": True, "port": 30001, "ports": ["b", "worker"], "nodePorts": {"worker": 30002}},
    }
    (service,) = select(objects(newest, values), "Service", "job-nodeport")
    assert [(port["name"], port["nodePort"]) for port in service["spec"]["ports"]] == [("b", 30001), ("worker", 30002)]


@BOTH
@pytest.mark.parametrize("number", [0x7F, 0x80, 0x85, 0x9F, 0xFFFE, 0xFFFF])
def test_a_character_that_would_be_lost_is_refused(helm, number):
    told = helm.refuses("--set-json", f"command={json.dumps(['a' + chr(number)])}")
    own = "yaml: control characters are not allowed"  # Of Helm before 3.18.
    assert "command: a text in it holds a character that is lost" in told or own in told


@BOTH
@pytest.mark.parametrize("number", [0, 7, 0x1F, 0xA0, 0x2028, 0xFEFF, 0xFDD0, 0x1F600])
def test_other_characters_arrive(helm, number):
    assert pod(objects(helm, {"command": [f"a{chr(number)}b"]}))["spec"]["containers"][0]["command"] == [
        f"a{chr(number)}b"
    ]
