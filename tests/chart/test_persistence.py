"""`persistence`: a volume at /persistent for each pod, or one claim for all; `job.restore` begins at a checkpoint."""

import json
import re

import pytest
import yaml

from tests.chart.test_job_package import PLAN, job_package
from tests.conftest import CHART, OLDEST_AND_NEWEST, Template, select

BOTH = pytest.mark.parametrize("helm", [Template(version) for version in OLDEST_AND_NEWEST], ids=OLDEST_AND_NEWEST)
ON = ("--set", "persistence.enabled=true")
CLAIM = (*ON, "--set", "persistence.existingClaim=mine")
JOB = ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")
MODES = {"echo": (), "command": ("--set", "command={sleep}"), "twister2": JOB}
SKIP = "--skip-schema-validation"
PER_WORKER = "twister2.resource.persistent.volume.per.worker"
MASTER = "twister2.job.master.persistent.volume.size"
SET_PER_WORKER, SET_MASTER = ("job.config." + key.replace(".", "\\.") for key in (PER_WORKER, MASTER))
MOUNT = {"name": "persistent-volume", "mountPath": "/persistent"}


def sets(helm, *words):
    """Return the specs of the StatefulSets by name."""
    return {one["metadata"]["name"]: one["spec"] for one in select(helm.objects(*words), "StatefulSet")}


def mounts(spec):
    """Return for each container, but the one that makes the package, whether it has the volume."""
    return [MOUNT in one["volumeMounts"] for one in spec["template"]["spec"]["containers"]]


@BOTH
@pytest.mark.parametrize("mode", MODES)
def test_each_pod_has_a_claim_and_each_worker_the_volume(helm, mode):
    found = sets(helm, *MODES[mode], *ON, "--set", "workersPerPod=2,computeResources[0].instances=3")
    assert set(found) == {"job-0", "job-1"} | ({"job-jm"} if mode == "twister2" else set())
    for spec in found.values():
        (claim,) = spec["volumeClaimTemplates"]
        assert claim["metadata"] == {"name": "persistent-volume"}
        assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
        assert all(mounts(spec))
        assert "persistent-volume" not in {one["name"] for one in spec["template"]["spec"]["volumes"]}


@BOTH
@pytest.mark.parametrize("mode", MODES)
def test_one_claim_for_all_pods_has_no_templates(helm, mode):
    for spec in sets(helm, *MODES[mode], *CLAIM).values():
        assert not {"volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy"} & spec.keys()
        volumes = {one["name"]: one for one in spec["template"]["spec"]["volumes"]}
        assert volumes["persistent-volume"]["persistentVolumeClaim"] == {"claimName": "mine"}
        assert all(mounts(spec))


@BOTH
def test_nothing_of_it_is_there_while_it_is_off(helm):
    for mode in MODES.values():
        assert "persistent" not in json.dumps([*sets(helm, *mode).values()])
    assert "persistent" not in helm.one("ConfigMap", "job-package", *JOB)["data"]["plan.json"]


@BOTH
def test_claims_as_the_values_say(helm):
    found = sets(helm, "-f", str(CHART / "ci" / "job-persistence-values.yaml"))
    for name, size in (("job-0", "2Gi"), ("job-jm", "100Mi")):
        (claim,) = found[name]["volumeClaimTemplates"]
        assert claim["spec"]["resources"]["requests"]["storage"] == size
        assert claim["spec"]["storageClassName"] == "fast"
        assert claim["metadata"]["labels"] == {"example.com/team": "data"}
        assert claim["metadata"]["annotations"] == {"example.com/backup": "nightly"}
        assert found[name]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
    none = sets(helm, *ON, "--set", "persistence.storageClass=-,persistence.accessModes={ReadWriteOncePod}")
    claim = none["job-0"]["volumeClaimTemplates"][0]["spec"]
    assert claim["storageClassName"] == "" and claim["accessModes"] == ["ReadWriteOncePod"]


@BOTH
def test_labels_of_all_objects_are_not_in_claim_templates_which_can_not_change(helm):
    words = ("--set", "commonLabels.a=b,commonAnnotations.c=d,podLabels.e=f")
    assert sets(helm, *ON, *words)["job-0"]["volumeClaimTemplates"] == sets(helm, *ON)["job-0"]["volumeClaimTemplates"]


def settings(helm, *words):
    """Return the settings that the init container writes into the package."""
    plan = json.loads(helm.one("ConfigMap", "job-package", *JOB, *words)["data"]["plan.json"])
    return yaml.safe_load(job_package.configuration(plan, {})["kubernetes/core.yaml"])


@BOTH
def test_twister2_knows_of_the_volume(helm):
    """0.8.0 makes an IPersistentVolume only if the key is above 0; the number has a point, as Twister2 writes it."""
    for on in (ON, CLAIM):
        found = settings(helm, *on)
        assert (found[PER_WORKER], found[MASTER]) == (1.0, 1.0) and type(found[PER_WORKER]) is float
    assert not {PER_WORKER, MASTER} & settings(helm).keys()
    assert settings(helm, *ON, "--set-json", f"{SET_PER_WORKER}=2.5")[PER_WORKER] == 2.5


def test_a_package_that_wants_a_volume_is_told_where_none_is(tmp_path):
    (tmp_path / "a.jar").write_bytes(b"PK\x03\x04")
    plan = {**PLAN, "config": {PER_WORKER: 2.0}}
    job_package.write_package(plan, str(tmp_path / "a.jar"), str(tmp_path / "p.tar.gz"))
    package = job_package.read_package(str(tmp_path / "p.tar.gz"))
    with pytest.raises(job_package.PackageError, match=r"asks for a volume, and persistence\.enabled .* is false"):
        job_package.check_package(plan, package)
    job_package.check_package({**plan, "persistent": True}, package)


@pytest.mark.parametrize("number", [0.0, None])
def test_a_package_that_knows_of_no_volume_is_told_where_one_is(tmp_path, number):
    (tmp_path / "a.jar").write_bytes(b"PK\x03\x04")
    plan = {**PLAN, "config": {PER_WORKER: 0.0}}
    job_package.write_package(plan, str(tmp_path / "a.jar"), str(tmp_path / "p.tar.gz"))
    package = job_package.read_package(str(tmp_path / "p.tar.gz"))
    if number is None:
        key = PER_WORKER.encode()
        package["files"] = {name: text.replace(key, b"a") for name, text in package["files"].items()}
    said = "missing" if number is None else number
    told = f"its {PER_WORKER} is {said}, and persistence.enabled of the chart's values is true"
    with pytest.raises(job_package.PackageError, match=re.escape(told)):
        job_package.check_package({**PLAN, "persistent": True}, package)
    job_package.check_package(PLAN, package)


def test_the_job_masters_number_of_a_package_is_the_users(tmp_path):
    """Its log is a file at /persistent with a number above 0, and nothing else hangs on it."""
    (tmp_path / "a.jar").write_bytes(b"PK\x03\x04")
    for number in (0.0, 1.0):
        plan = {**PLAN, "config": {PER_WORKER: 1.0, MASTER: number}}
        job_package.write_package(plan, str(tmp_path / "a.jar"), str(tmp_path / "p.tar.gz"))
        job_package.check_package({**plan, "persistent": True}, job_package.read_package(str(tmp_path / "p.tar.gz")))


@BOTH
def test_restore_is_told_to_job_master_and_workers(helm):
    for words, told in (((*ON, "--set", "job.restore=true"), "true"), (ON, "false")):
        for spec in sets(helm, *JOB, *words).values():
            (container,) = spec["template"]["spec"]["containers"]
            assert {"name": "RESTORE_JOB", "value": told} in container["env"]


REFUSED = [
    ((*JOB, "--set", "job.restore=true"), "job.restore: a checkpoint is read from /persistent, and there is no volume"),
    ((*ON, "--set", "job.restore=true"), "job.restore: it is set, but job.class is not"),
    (("--set", "persistence.existingClaim=mine"), "persistence.existingClaim: it is set, but persistence.enabled is"),
    ((*CLAIM, "--set", "persistence.storageClass=fast"), "persistence.storageClass: it is for claims that the chart"),
    ((*CLAIM, "--set", "persistence.retention.whenDeleted=Delete"), "persistence.retention: it is for claims that the"),
    ((*CLAIM, "--set", "persistence.size=2Gi"), "persistence.size: it is for claims that the chart makes"),
    ((*CLAIM, "--set", "persistence.accessModes={ReadWriteMany}"), "persistence.accessModes: it is for claims that"),
    ((*CLAIM, *JOB, "--set", "persistence.jobMasterSize=2Gi"), "persistence.jobMasterSize: it is for claims that"),
    ((*ON, "--set", "persistence.jobMasterSize=2Gi"), "persistence.jobMasterSize: it is set, and only a Twister2 job"),
    *(
        (("--set", f"persistence.{value}"), f"persistence.{key}: it is set, but persistence.enabled is false; set pers")
        for key, value in {
            "storageClass": "storageClass=fast", "jobMasterSize": "jobMasterSize=2Gi", "labels": "labels.a=b",
            "annotations": "annotations.a=b", "retention": "retention.whenScaled=Delete", "size": "size=2Gi",
            "accessModes": "accessModes={ReadWriteMany}",
        }.items()
    ),
    (
        (*ON, *JOB, "--set", "job.restore=true,persistence.retention.whenScaled=Delete"),
        "job.restore: with persistence.retention.whenScaled=Delete the checkpoint is deleted when the job is suspended",
    ),
    ((*CLAIM, "--set", "persistence.labels.a=b"), "persistence.labels: it is for claims that the chart makes"),
    ((*JOB, "--set", f"{SET_PER_WORKER}=1"), f"job.config.{PER_WORKER}: it says that"),
    ((*JOB, *ON, "--set", f"{SET_MASTER}=0"), f"job.config.{MASTER}: with 0 Twister2"),
    (
        (*JOB, *ON, "--set", "job.config.twister2\\.checkpointing\\.restore\\.job=true"),
        "job.config.twister2.checkpointing.restore.job: the chart sets it; use job.restore instead",
    ),
    ((*ON, "--set", "persistence.labels.t2-job=x"), "persistence.labels: t2-job is the chart's own"),
    (
        (*ON, "--set-json", 'extraVolumes=[{"name":"persistent-volume","emptyDir":{}}]'),
        "extraVolumes[0].name: the pods have a volume persistent-volume of the chart's own",
    ),
    (
        (*ON, "--set-json", 'extraVolumeMounts=[{"name":"a","mountPath":"/persistent/"}]'),
        "extraVolumeMounts[0].mountPath: the pods have a volume mount /persistent of the chart's own",
    ),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("words", "sentence"), REFUSED, ids=[sentence.split(":")[0] for _, sentence in REFUSED])
def test_contradictions_are_refused_with_path_and_remedy(helm, words, sentence):
    assert sentence in helm.refuses(*words)
    assert sentence in helm.refuses(*words, SKIP)


@BOTH
@pytest.mark.parametrize("size", ["0", "0Gi", "1 Gi", "1GB", "-1Gi", "1Gi "])
def test_a_size_that_is_none_is_refused(helm, size):
    for path in ("size", "jobMasterSize"):
        words = ("--set-string", f"persistence.{path}={size}")
        assert "a size above 0, such as 1Gi or 500Mi" in helm.refuses(*words)
        assert f"persistence.{path}: " in helm.refuses(*words, SKIP)


@pytest.mark.parametrize("size", ["1", "0.5Gi", ".5Gi", "1.5Ti", "500M", "5k"])
def test_sizes_that_kubernetes_takes(newest, size):
    claim = sets(newest, *ON, "--set-string", f"persistence.size={size}")["job-0"]["volumeClaimTemplates"][0]
    assert claim["spec"]["resources"]["requests"]["storage"] == size


@BOTH
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("persistence.retention.whenScaled=Keep", "'Retain', 'Delete'"),
        ("persistence.accessModes={ReadOnlyMany}", "'ReadWriteOnce', 'ReadWriteMany', 'ReadWriteOncePod'"),
        ("persistence.accessModes=null,persistence.mountPath=/x", "mountPath"),
        # The API server takes these with the StatefulSet, and refuses each claim and pod afterwards.
        ("persistence.existingClaim=A", "existingClaim"),
        ("persistence.labels.a=b c", "labels"),
    ],
)
def test_the_schema_says_what_may_stand_there(helm, words, hint):
    assert hint.replace("'", "") in helm.refuses(*ON, "--set", words).replace("'", "").replace('"', "")


@BOTH
@pytest.mark.parametrize(
    ("value", "told"),
    [
        *(
            (f"accessModes={modes}", "persistence.accessModes: [")
            for modes in ("[]", '["x"]', "[7]", "[null]", '["ReadOnlyMany"]', '["ReadWriteOncePod","ReadWriteOnce"]')
        ),
        ('retention.whenDeleted="Keep"', "persistence.retention.whenDeleted: Keep is neither Retain nor Delete; write"),
        ('retention.whenScaled="Keep"', "persistence.retention.whenScaled: Keep is neither Retain nor Delete; write"),
    ],
)
def test_what_no_claim_can_be_is_told_without_the_schema_too(helm, value, told):
    words = (*ON, "--set-json", f"persistence.{value}")
    assert told in helm.refuses(*words, SKIP)
    assert helm.refuses(*words)


@pytest.mark.parametrize("modes", ["ReadWriteOncePod", "ReadWriteMany", "ReadWriteOnce,ReadWriteMany"])
def test_access_modes_of_volumes_that_pods_write(newest, modes):
    words = ("--set", f"persistence.accessModes={{{modes}}}")
    claim = sets(newest, *ON, *words, SKIP)["job-0"]["volumeClaimTemplates"][0]
    assert claim["spec"]["accessModes"] == modes.split(",")


@BOTH
@pytest.mark.parametrize(
    "words",
    [
        ("--set", "job.config.twister2\\.persistent\\.storage\\.type=hdfs"),
        (
            "--set-json", 'extraVolumes=[{"name":"a","persistentVolumeClaim":{"claimName":"b"}}]',
            "--set-json", 'extraVolumeMounts=[{"name":"a","mountPath":"/persistent"}]',
            "--set", f"{SET_PER_WORKER}=1",
        ),
        (
            *ON, "--set", "persistence.retention.whenScaled=Delete",
            "--set", "job.config.twister2\\.persistent\\.storage\\.type=hdfs",
        ),
    ],
)  # fmt: skip
def test_a_store_of_the_users_own_does_for_restore(helm, words):
    assert sets(helm, *JOB, *words, "--set", "job.restore=true")
