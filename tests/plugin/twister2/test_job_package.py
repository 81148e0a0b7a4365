"""Packages of Twister2's own client: read with the chart's script, turned into values, compared with the user's."""

import asyncio
import contextlib
import copy
import gzip
import io
import os
import random
import re
import sys
import tarfile
import time

import pytest
from twister2_job.errors import ChartError, UsageError, ValuesError
from twister2_job.twister2 import jar
from twister2_job.twister2 import job_package as jobpackage
from twister2_job.twister2.job_package import check, plan, read, settings

from tests.conftest import CHART, run

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
        (
            {"network": NETWORK + "kubernetes.worker.base.port: [9]"},
            "job",
            "data",
            "base.port of the package is no number",
        ),
        ({"core": CORE + "twister2.job.master.port: .inf"}, "job", "data", "master.port of the package is no number"),
        ({"network": NETWORK + "twister2.resource.worker.additional.ports: 5"}, "job", "data", "is no list of names"),
        (
            {"network": NETWORK + "twister2.resource.worker.additional.ports: [[a]]"},
            "job",
            "data",
            "is no list of names",
        ),
        ({"core": "[a, b]"}, "job", "data", "core.yaml of the package is no YAML with settings"),
        ({"core": "a: 2020-99-99"}, "job", "data", "core.yaml of the package is no YAML with settings"),
        ({"core": "[" * 2000}, "job", "data", "core.yaml of the package is no YAML with settings"),
        (
            {"core": "a" * 2**20 + "aa"},
            "job",
            "data",
            "'twister2-job/kubernetes/core.yaml' in the package has more than 1 MiB",
        ),
        ({"job": {"groups": []}}, "job", "data", "has no workers"),
        ({}, "other", "data", "is of the job job, not of other"),
        ({}, "job", "else", r"for the namespace data \(kubernetes.namespace\), not for else"),
        ({"core": ""}, "job", "data", "for the namespace default"),
        ({"network": ""}, "job", "data", "missing, which means OpenMPI"),
        ({"network": CHANNEL.replace("tcp.TWSTCP", "mpi.TWSMPI")}, "job", "data", "needs OpenMPI"),
        ({"network": "a: [b"}, "job", "data", "network.yaml of the package is no YAML with settings"),
    ],
)
def test_a_package_that_can_not_run_here_is_refused(package, more, job, namespace, said):
    with pytest.raises(UsageError, match=said):
        read(package(**more), CHART, job, namespace)


BOMBS = {
    "a file of settings of 2 GiB": ("settings", "has more than 1 MiB"),
    "a name of 2 GiB": ("name", "have more than 16 MiB"),
    "a jar of 5 GiB": ("jar", "unpacks to more than 4 GiB"),
    "20,000 empty files": ("files", "has more than 10000 files"),
    "nothing but headers": ("headers", "can't be (read|used)"),
}
BOMB = """
import gzip, io, sys, tarfile
kind, path = sys.argv[1:]
def header(name, size, type=tarfile.REGTYPE):
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, type
    return entry.tobuf(tarfile.GNU_FORMAT)
with gzip.open(path, "wb", 1) as file:
    if kind == "files":
        for part in range(100):
            file.write(b"".join(header(f"twister2-job/{part}/{n}", 0) for n in range(200)))
    elif kind == "headers":
        file.write((header("x", 512, b"g") + bytes(512)) * 5000)
    else:
        size = (5 if kind == "jar" else 2) << 30
        name = {"settings": "twister2-job/common/core.yaml", "jar": "twister2-job/job.jar", "name": "@LongLink"}[kind]
        file.write(header(name, size, tarfile.GNUTYPE_LONGNAME if kind == "name" else tarfile.REGTYPE))
        # Zeros that are packed already, as one member of gzip after the other.
        block = gzip.compress(bytes(2**26), 1)
if kind in ("settings", "jar", "name"):
    with open(path, "ab") as file:
        for _ in range(size >> 26):
            file.write(block)
"""
LOOK = """
import pathlib, resource, sys
from twister2_job.twister2 import jar, job_package as jobpackage
from twister2_job.errors import UsageError
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
try:
    jobpackage.read(sys.argv[1], pathlib.Path(sys.argv[2]), "job", "data")
except UsageError as error:
    print(error)
"""


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_package_that_unpacks_to_a_big_one_is_refused(tmp_path, bomb):
    kind, said = BOMBS[bomb]
    path = tmp_path / "package.tar.gz"
    assert run(sys.executable, "-c", BOMB, kind, path).returncode == 0 and path.stat().st_size < 30 * 2**20
    result = run(sys.executable, "-c", LOOK, path, CHART, timeout=120)
    assert re.search(said, result.stdout), result.stdout + result.stderr


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_package_is_refused_in_a_sentence(package, seed):
    path, chance = package(), random.Random(seed)
    with open(path, "rb") as file:
        packed = file.read()
    for _ in range(150):
        for good in (packed, gzip.decompress(packed)):
            broken = bytearray(good)
            for _ in range(chance.randint(1, 8)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            with open(path, "wb") as file:
                file.write(broken)
            with contextlib.suppress(UsageError):
                read(path, CHART, "job", "data")


def test_a_job_file_with_a_number_without_an_end(tmp_path, package):
    module = jobpackage.script(CHART)
    began = time.monotonic()
    with pytest.raises(module.PackageError, match="without an end"):
        module.decode_job(b"\xff" * 2**20)
    assert time.monotonic() - began < 2


def test_a_package_from_a_pipe_is_what_was_read_from_it(package):
    with open(package(), "rb") as file:
        content = file.read()
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    path = f"/dev/fd/{reader}"
    found = asyncio.run(jar.read(path, "package", ""))
    assert found == content and read(path, CHART, "job", "data", content=found).job["job_id"] == "job"
    os.close(reader)


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
