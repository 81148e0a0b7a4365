"""Packages of Twister2's own client: read with the chart's script, turned into values, compared with the user's."""

import copy
import io
import tarfile

import pytest
from twister2_job import jobpackage
from twister2_job.errors import ChartError, UsageError, ValuesError
from twister2_job.jobpackage import check, plan, read, settings

from tests.conftest import CHART

PLAN = {
    "job": "job",
    "jobName": "A job",
    "namespace": "data",
    "class": "org.example.Main",
    "driver": "org.example.Driver",
    "groups": [
        {"instances": 2, "workersPerPod": 1, "cpu": 0.5, "ram": 512, "disk": 1.0, "scalable": False},
        {"instances": 1, "workersPerPod": 3, "cpu": 1.0, "ram": 256, "disk": 0.0, "scalable": True},
    ],
    "config": {},
    "additionalPorts": ["ui", "beat"],
    "workerPort": 9100,
    "masterPort": 11012,
    "sha256": "",
    "source": "package",
}
CHANNEL = "twister2.network.channel.class: edu.iu.dsc.tws.comms.tcp.TWSTCPChannel\n"
NETWORK = f"{CHANNEL}kubernetes.worker.base.port: 9100\ntwister2.resource.worker.additional.ports: [ui, beat]\n"
CORE = "kubernetes.namespace: data\ntwister2.job.master.port: 11012\n"


@pytest.fixture
def package(tmp_path):
    """Write a package as Twister2's client does; returns its path."""

    def write(network=NETWORK, core=CORE, job=None):
        content = jobpackage.script(CHART).encode_job({**PLAN, **(job or {})})
        files = {"job.job": content, "kubernetes/network.yaml": network.encode(), "kubernetes/core.yaml": core.encode()}
        path = tmp_path / "twister2-job.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(f"twister2-job/{name}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return str(path)

    return write


def test_all_of_it_becomes_values(package):
    found = read(package(), CHART, "job", "data")
    values = jobpackage.values(found, {"configMaps": ["job-jar-0"], "sha256": "abc"})
    assert (values["instances"], values["workersPerPod"], values["workerPort"]) == (2, 1, 9100)
    assert values["computeResources"] == [{"instances": 1, "workersPerPod": 3, "cpu": 1.0, "ram": 256, "disk": 0.0}]
    assert values["additionalPorts"] == [{"name": "ui"}, {"name": "beat"}]
    job = values["job"]
    assert (job["cpu"], job["ram"], job["disk"]) == (0.5, 512, 1.0) and not {"class", "name"} & set(job)
    assert job["driver"] == "org.example.Driver"
    assert job["master"] == {"port": 11012} and job["package"] == {"configMaps": ["job-jar-0"], "sha256": "abc"}


def test_defaults_of_a_package_that_says_nothing(package):
    found = read(package(network=CHANNEL, core=""), CHART, "job", "default")
    assert (found.worker_port, found.master_port, found.additional_ports) == (9000, 11011, [])


@pytest.mark.parametrize(
    ("more", "job", "namespace", "said"),
    [
        ({}, "other", "data", "is of the job job, not of other"),
        ({}, "job", "else", r"for the namespace data \(kubernetes.namespace\), not for else"),
        ({"core": ""}, "job", "data", "for the namespace default"),
        ({"network": ""}, "job", "data", "missing, which means OpenMPI"),
        ({"network": CHANNEL.replace("tcp.TWSTCP", "mpi.TWSMPI")}, "job", "data", "needs OpenMPI"),
        ({"network": "a: [b"}, "job", "data", "network.yaml of the package is no YAML"),
    ],
)
def test_a_package_that_can_not_run_here_is_refused(package, more, job, namespace, said):
    with pytest.raises(UsageError, match=said):
        read(package(**more), CHART, job, namespace)


def test_what_is_no_package(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"none")
    with pytest.raises(UsageError, match="can't be used"):
        read(str(tmp_path / "a.tar.gz"), CHART, "job", "data")


def test_a_chart_without_the_script(tmp_path, package):
    with pytest.raises(ChartError, match="has no files/job_package"):
        read(package(), tmp_path, "job", "data")


def test_the_files_of_kubernetes_win_and_later_files_win():
    files = {
        "common/network.yaml": b"a: 1\nb: 1\nc: 1",
        "common/checkpoint.yaml": b"d: 1",
        "kubernetes/task.yaml": b"a: 2",
        "kubernetes/core.yaml": b"a: 3\nb: 3",
        "kubernetes/empty.yaml": b"",
    }
    assert settings(files) == {"a": 3, "b": 3, "c": 1, "d": 1}


def test_values_that_say_the_same_are_no_contradiction(package):
    check(read(package(), CHART, "job", "data"), PLAN)


@pytest.mark.parametrize(
    ("path", "change", "both"),
    [
        ("instances", lambda p: p["groups"][0].update(instances=3), ("2", "3")),
        ("job.ram", lambda p: p["groups"][0].update(ram=1024), ("512", "1024")),
        ("computeResources[0].workersPerPod", lambda p: p["groups"][1].update(workersPerPod=1), ("3", "1")),
        ("number of groups", lambda p: p["groups"].pop(), ("1", "0")),
        ("additionalPorts", lambda p: p.update(additionalPorts=["ui"]), ("['ui', 'beat']", "['ui']")),
        ("workerPort", lambda p: p.update(workerPort=9000), ("9100", "9000")),
        ("job.master.port", lambda p: p.update(masterPort=1), ("11012", "1")),
    ],
)
def test_a_contradiction_is_told_with_its_path_and_both_values(package, path, change, both):
    mine = copy.deepcopy(PLAN)
    change(mine)
    with pytest.raises(ValuesError) as told:
        check(read(package(), CHART, "job", "data"), mine)
    line = next(line for line in str(told.value).splitlines() if path in line)
    assert f"the package has {both[0]}, your values have {both[1]}" in line and "Leave these values out" in str(
        told.value
    )


def test_all_contradictions_are_told_at_once(package):
    mine = copy.deepcopy(PLAN)
    mine["groups"][0]["instances"], mine["workerPort"] = 9, 9
    with pytest.raises(ValuesError) as told:
        check(read(package(), CHART, "job", "data"), mine)
    assert "instances" in str(told.value) and "workerPort" in str(told.value)


def test_the_plan_is_that_of_the_rendered_job():
    rendered = [{"kind": "ConfigMap", "metadata": {"name": "job-package"}, "data": {"plan.json": '{"job": "job"}'}}]
    assert plan("job", rendered) == {"job": "job"}
    with pytest.raises(ValuesError, match="no Twister2 job"):
        plan("job", [])
