"""files/job_package.py, which every pod of a Twister2 job runs first: its `.job` file, its package, its errors."""

import ast
import base64
import hashlib
import importlib.util
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from twister2_job.twister2 import job_package as jobpackage

from tests.conftest import CHART, run
from tests.job_protobuf import protobuf

SCRIPT = CHART / "files" / "job_package.py"
VERMIN = Path(sys.executable).with_name("vermin")
specification = importlib.util.spec_from_file_location("job_package", SCRIPT)
job_package = importlib.util.module_from_spec(specification)
specification.loader.exec_module(job_package)

PLAN = {
    "job": "job-1", "jobName": "Größe", "namespace": "data", "class": "org.example.Worker", "driver": "",
    "groups": [
        {"instances": 2, "workersPerPod": 2, "cpu": 0.5, "ram": 1024, "disk": 0, "scalable": False},
        {"instances": 3, "workersPerPod": 1, "cpu": 1, "ram": 300, "disk": 1.5, "scalable": True},
    ],
    "config": {"a.size": 5, "a.rate": 1e-5, "a.on": True, "a.list": ["x", 1, 1e-7, [True]], "a.text": 'q"\\ü: #'},
    "additionalPorts": ["ui", "api"], "workerPort": 9100, "masterPort": 11011, "sha256": "", "source": "jar",
}  # fmt: skip


SHIPPED = json.loads((CHART / "files" / "twister2-config.json").read_text())
TCP_CHANNEL = "edu.iu.dsc.tws.comms.tcp.TWSTCPChannel"
# Set by the chart, whatever Twister2 ships.
OURS = {"kubernetes.namespace", "twister2.job.master.port", "kubernetes.worker.base.port", jobpackage.PORTS}


@pytest.fixture(autouse=True)
def image(tmp_path, monkeypatch):
    """The folder in which an image has Twister2's configuration; by default this one has none."""
    folder = tmp_path / "image" / "conf" / "common"
    monkeypatch.setattr(job_package, "COMMON", str(folder))
    return folder


def test_the_job_file_is_what_the_protobuf_library_reads():
    job = protobuf().FromString(job_package.encode_job(PLAN))
    assert (job.job_name, job.job_id, job.worker_class_name) == ("Größe", "job-1", "org.example.Worker")
    assert (job.driver_class_name, job.number_of_workers, job.job_format.job_file) == ("", 7, "job.jar")
    assert job.HasField("config") and job.job_format.type == 0
    found = [
        (r.cpu, r.ram_mega_bytes, r.disk_giga_bytes, r.instances, r.workers_per_pod, r.scalable, r.index)
        for r in job.compute_resource
    ]
    assert found == [(0.5, 1024, 0.0, 2, 2, False, 0), (1.0, 300, 1.5, 3, 1, True, 1)]


def test_zeros_that_twister2_writes_are_there():
    """Its client writes `scalable` and `index` even when they are 0, and an empty `config`."""
    data = job_package.encode_job(PLAN)
    assert b"\x30\x00\x38\x00" in data and b"\x3a\x00" in data


names = st.text(max_size=30)
groups = st.lists(
    st.fixed_dictionaries(
        {
            "instances": st.integers(0, 2**31 - 1),
            "workersPerPod": st.integers(1, 1000),
            "cpu": st.floats(0, 1e6),
            "ram": st.integers(0, 2**31 - 1),
            "disk": st.floats(0, 1e9),
            "scalable": st.booleans(),
        }
    ),
    max_size=4,
)


@given(names, names, names, groups)
def test_decoding_gives_back_what_was_encoded(name, job, driver, shapes):
    plan = {**PLAN, "jobName": name, "job": job, "driver": driver, "groups": shapes}
    found = job_package.decode_job(job_package.encode_job(plan))
    assert (found["job_name"], found["job_id"], found["driver"]) == (name, job, driver)
    assert [{key: one[key] for key in ("instances", "cpu", "ram", "disk", "scalable")} for one in found["groups"]] == [
        {key: one[key] for key in ("instances", "cpu", "ram", "disk", "scalable")} for one in shapes
    ]
    assert [one["index"] for one in found["groups"]] == list(range(len(shapes)))


@given(st.binary(max_size=60))
def test_rubbish_is_refused_or_read_but_never_a_traceback(data):
    try:
        job_package.decode_job(data)
    except job_package.PackageError as error:
        assert "can't be read" in str(error)


@pytest.fixture
def jar(tmp_path):
    path = tmp_path / "some.jar"
    path.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 40)
    return path


def test_the_package_holds_job_jar_and_configuration(tmp_path, jar):
    job_package.write_package(PLAN, str(jar), str(tmp_path / "p.tar.gz"))
    with tarfile.open(tmp_path / "p.tar.gz", "r:gz") as tar:
        content = {entry.name: tar.extractfile(entry).read() for entry in tar}
        assert all((entry.uid, entry.gid, entry.isfile()) == (0, 0, True) for entry in tar)
    assert list(content) == [
        "twister2-job/job-1.job", "twister2-job/common/checkpoint.yaml", "twister2-job/common/core.yaml",
        "twister2-job/common/data.yaml", "twister2-job/common/logger.properties", "twister2-job/common/network.yaml",
        "twister2-job/common/resource.yaml", "twister2-job/common/task.yaml", "twister2-job/kubernetes/core.yaml",
        "twister2-job/kubernetes/network.yaml", "twister2-job/job.jar",
    ]  # fmt: skip
    assert content["twister2-job/job.jar"] == jar.read_bytes()
    core = yaml.safe_load(content["twister2-job/kubernetes/core.yaml"])
    assert core == {
        **PLAN["config"], "kubernetes.namespace": "data", "twister2.job.master.port": 11011,
        "kubernetes.secret.name": "twister2-openmpi-ssh-key", "twister2.checkpointing.store.fs.dir": "/persistent/",
        "twister2.checkpointing.request.timeout": 50000,
    }  # fmt: skip
    assert {key: type(value) for key, value in core.items()}["a.rate"] is float
    assert yaml.safe_load(content["twister2-job/kubernetes/network.yaml"]) == {
        "twister2.network.channel.class": "edu.iu.dsc.tws.comms.tcp.TWSTCPChannel",
        "kubernetes.worker.base.port": 9100,
        "twister2.resource.worker.additional.ports": ["ui", "api"],
    }


def settings_of(plan, folder, jar):
    """Return the settings that Twister2 reads from the package of a plan: later files win over earlier ones."""
    job_package.write_package(plan, str(jar), str(folder / "p.tar.gz"))
    return jobpackage.settings(job_package.read_package(str(folder / "p.tar.gz"))["files"])


def client(files=SHIPPED):
    """Return the settings in the package of Twister2's own client, which packs all that Twister2 ships."""
    return jobpackage.settings({path: yaml.safe_dump(values).encode() for path, values in files.items()})


def test_the_table_is_what_twister2_ships():
    """Counted in the files of its release; the spelling of some keys is Twister2's own."""
    assert {path: len(values) for path, values in SHIPPED.items()} == {
        "common/checkpoint.yaml": 1, "common/core.yaml": 3, "common/data.yaml": 6, "common/network.yaml": 53,
        "common/resource.yaml": 1, "common/task.yaml": 25, "kubernetes/checkpoint.yaml": 2,
        "kubernetes/network.yaml": 2, "kubernetes/resource.yaml": 4,
    }  # fmt: skip
    assert set(job_package.CLIENT_ONLY) < set(client()) and len(client()) == 97


def test_the_package_has_every_setting_of_the_clients_package(tmp_path, jar):
    """Of an image without a configuration: all but what is the client's own, with the same values and types."""
    found, expected = settings_of({**PLAN, "config": {}}, tmp_path, jar), client()
    for key in job_package.CLIENT_ONLY:
        del expected[key]
    assert {key: value for key, value in found.items() if key not in OURS} == expected
    assert {key: type(value) for key, value in found.items() if key in expected} == {
        key: type(value) for key, value in expected.items()
    }
    assert found["twister2.persistent.storage.root"] == "${HOME}/.twister2/jobs"


def test_the_images_own_configuration_is_packed_as_it_is(tmp_path, jar, image):
    image.mkdir(parents=True)
    core = b"# ours\ntwister.python.bin: '${HOME}/python'\r\nkubernetes.namespace: wrong\n"
    (image / "core.yaml").write_bytes(core)
    (image / "network.yaml").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("twister2.network.buffer.size: 5\ntwister2.network.channel.class: x.Other\n")
    (image / "logger.properties").write_text("not the chart's")
    (image / "more.yaml").mkdir()
    found = settings_of({**PLAN, "config": {}}, tmp_path, jar)
    with tarfile.open(tmp_path / "p.tar.gz") as tar:
        content = {entry.name.removeprefix("twister2-job/"): tar.extractfile(entry).read() for entry in tar}
    assert {name for name in content if name.startswith("common/")} == {
        "common/core.yaml",
        "common/network.yaml",
        "common/logger.properties",
    }
    assert content["common/core.yaml"] == core and content["common/logger.properties"] != b"not the chart's"
    assert (found["twister.python.bin"], found["twister2.network.buffer.size"]) == ("${HOME}/python", 5)
    # What the chart sets, and what no image has.
    assert (found["kubernetes.namespace"], found[jobpackage.CHANNEL]) == ("data", TCP_CHANNEL)
    assert found["twister2.checkpointing.store.fs.dir"] == "/persistent/"
    assert "twister2.python.port" not in found  # The table's common files are for images without any.


@pytest.mark.parametrize("key", sorted(client()))
def test_a_setting_of_the_user_wins_over_every_file(tmp_path, jar, image, key):
    image.mkdir(parents=True)
    (image / "checkpoint.yaml").write_text(f"{key}: 1\n")  # The last one of its folder.
    assert settings_of({**PLAN, "config": {key: "mine"}}, tmp_path, jar)[key] == "mine"


ZOOKEEPER = "twister2.resource.zookeeper."


@pytest.mark.parametrize(
    ("config", "common", "time", "root"),
    [
        ({"server.addresses": "zk:2181"}, "", "1700000000000", "/twister2/1700000000000"),
        ({"server.addresses": "zk:2181", "root.node.path": "/mine/"}, "", "17", "/mine/17"),
        ({}, "server.addresses: 'zk:2181'\n{}root.node.path: /theirs", "17", "/theirs/17"),
        ({"root.node.path": "/mine"}, "server.addresses: zk:2181", "17", "/mine/17"),
        ({"server.addresses": "zk:2181"}, "", "0", None),
        ({"root.node.path": "/mine"}, "", "17", "/mine"),
        ({}, "", "17", None),
    ],
)
def test_each_run_has_a_znode_of_its_own(tmp_path, jar, image, config, common, time, root):
    """Its name is the job ID, it outlives the run, and Twister2 starts no run where there is one."""
    image.mkdir(parents=True)
    (image / "resource.yaml").write_text(ZOOKEEPER + common.format(ZOOKEEPER) if common else "a: b\n")
    plan = {**PLAN, "config": {ZOOKEEPER + key: value for key, value in config.items()}, "submissionTime": time}
    assert settings_of(plan, tmp_path, jar).get(ZOOKEEPER + "root.node.path") == root


def test_a_configuration_that_cant_be_read_is_a_sentence(init, image):
    (init.folder / "pieces" / "0000").write_bytes(b"PK\x03\x04")
    image.mkdir(parents=True)
    (image / "core.yaml").symlink_to("/proc/self/mem")  # Nobody can read its beginning.
    result = init.run(PLAN)
    assert result.returncode == 1 and result.stdout.count("\n") == 1, result.stdout + result.stderr
    assert f"Twister2's configuration in the image, {image}, can't be read" in result.stdout


def test_the_channel_of_the_user_wins(tmp_path, jar):
    plan = {**PLAN, "config": {"twister2.network.channel.class": "x.UCX"}}
    files = job_package.configuration(plan, {})
    assert yaml.safe_load(files["kubernetes/network.yaml"])["twister2.network.channel.class"] == "x.UCX"
    assert "channel" not in files["kubernetes/core.yaml"]


def test_reading_a_package(tmp_path, jar):
    job_package.write_package(PLAN, str(jar), str(tmp_path / "p.tar.gz"))
    found = job_package.read_package(str(tmp_path / "p.tar.gz"))
    assert found["job"]["job_id"] == "job-1" and set(found["files"]) == {
        *(path for path in SHIPPED if path.startswith("common/")),
        "kubernetes/core.yaml",
        "kubernetes/network.yaml",
    }
    (tmp_path / "cut.tar.gz").write_bytes((tmp_path / "p.tar.gz").read_bytes()[:300])
    (tmp_path / "rubbish").write_bytes(b"no archive")
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
        pass
    for name, word in (("cut.tar.gz", "can't be read"), ("rubbish", "can't be read"), ("empty.tar.gz", "no file")):
        with pytest.raises(job_package.PackageError, match=word):
            job_package.read_package(str(tmp_path / name))


# The script, but with half a second of patience, no pause between two requests, and another folder for the image's.
IMPATIENT = """
import importlib.util, sys, time
specification = importlib.util.spec_from_file_location("job_package", sys.argv[1])
script = importlib.util.module_from_spec(specification)
specification.loader.exec_module(script)
script.PATIENCE, time.sleep, script.COMMON = 0.5, lambda seconds: None, sys.argv[2]
sys.exit(script.main(sys.argv[3:]))
"""


class Init:
    """Runs the script as the init container does."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "pieces").mkdir()
        (folder / "memory").mkdir()

    def run(self, plan, *options, **environment):
        plan_file, memory = self.folder / "plan.json", self.folder / "memory"
        plan_file.write_text(json.dumps(plan))
        environment = environment or {"TWISTER2_JOB_PIECES": str(self.folder / "pieces")}
        words = (SCRIPT, job_package.COMMON, plan_file, memory, *options)
        return run(sys.executable, "-c", IMPATIENT, *words, env=environment)


@pytest.fixture
def init(tmp_path):
    return Init(tmp_path)


def test_pieces_are_joined_in_order_and_the_environment_is_told(init, jar):
    data = jar.read_bytes()
    for number in range(11):
        (init.folder / "pieces" / f"{number:04}").write_bytes(data[number * 1000 : (number + 1) * 1000])
    (init.folder / "pieces" / "..data").symlink_to("elsewhere")
    result = init.run({**PLAN, "sha256": hashlib.sha256(data).hexdigest()})
    assert result.returncode == 0, result.stdout + result.stderr
    package = init.folder / "memory" / "job-1.tar.gz"
    with tarfile.open(package) as tar:
        assert tar.extractfile("twister2-job/job.jar").read() == data
    told = subprocess.run(
        ["sh", "-c", f'. {init.folder}/memory/package.env; sh -c \'echo "$JOB_PACKAGE_FILE_SIZE $USER_JOB_JAR_FILE"\''],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.split() == [str(package.stat().st_size), "job.jar"]
    assert sorted(p.name for p in (init.folder / "memory").iterdir()) == ["job-1.tar.gz", "package.env"]


def test_a_wrong_jar_is_refused_with_a_sentence(init):
    (init.folder / "pieces" / "0000").write_bytes(b"<html>not found</html>")
    result = init.run(PLAN)
    assert (result.returncode, result.stdout.count("\n")) == (1, 1) and "is no jar" in result.stdout
    result = init.run({**PLAN, "sha256": "0" * 64})
    assert result.returncode == 1 and "job.jar.sha256 is 0000" in result.stdout


def test_a_package_must_be_of_this_job(init, jar):
    job_package.write_package(PLAN, str(jar), str(init.folder / "pieces" / "0000"))
    same = {**PLAN, "source": "package"}
    assert init.run(same).returncode == 0
    assert "USER_JOB_JAR_FILE=job.jar" in (init.folder / "memory" / "package.env").read_text()
    result = init.run({**same, "job": "other"})
    assert result.returncode == 1 and "its job ID is job-1, and the release is other" in result.stdout
    result = init.run({**same, "namespace": "other", "masterPort": 12000})
    assert (
        result.returncode == 1 and "its kubernetes.namespace is data, and the chart's values say other" in result.stdout
    )
    assert "its twister2.job.master.port is 11011" in result.stdout
    result = init.run({**same, "groups": PLAN["groups"][:1]})
    assert result.returncode == 1 and "its groups are 2 pods with 2 workers, 3 pods with 1 workers" in result.stdout
    result = init.run({**same, "driver": "org.example.Driver"})
    told = "its driver is missing, and job.driver of the chart's values is org.example.Driver"
    assert result.returncode == 1 and told in result.stdout


def test_the_job_of_a_package_is_published_as_it_is(init, jar, monkeypatch):
    """Twister2's client may have written more into it than we know of, such as the workers' directories."""
    job_package.write_package(PLAN, str(jar), str(init.folder / "pieces" / "0000"))
    (init.folder / "plan.json").write_text(json.dumps({**PLAN, "jobName": "another", "source": "package"}))
    published = []
    monkeypatch.setattr(job_package, "publish", lambda plan, job: published.append(job))
    monkeypatch.setenv("TWISTER2_JOB_PIECES", str(init.folder / "pieces"))
    words = [str(init.folder / "plan.json"), str(init.folder / "memory")]
    assert job_package.main(words) == 0 and published == []
    assert job_package.main([*words, "--publish"]) == 0
    assert published == [job_package.encode_job(PLAN)]


def test_it_needs_no_more_than_python_3_5(tmp_path):
    """Twister2's published image has Ubuntu 16.04's Python."""
    ast.parse(SCRIPT.read_text(), feature_version=(3, 5))
    (tmp_path / "newer.py").write_text("print(f'{1}')")
    for script, code in ((SCRIPT, 0), (tmp_path / "newer.py", 1)):
        result = run(VERMIN, "-t=3.5-", "--violations", "--no-tips", script)
        assert result.returncode == code, result.stdout


def test_python_and_openmpi_packages_are_refused(tmp_path, jar):
    job_package.write_package(PLAN, str(jar), str(tmp_path / "p.tar.gz"))
    package = job_package.read_package(str(tmp_path / "p.tar.gz"))
    job_package.check_package(PLAN, package)
    python = {**package, "job": {**package["job"], "type": 2}}
    for wrong, word in ((python, "Python job"), ({**package, "files": {}}, "OpenMPI job")):
        with pytest.raises(job_package.PackageError, match=word):
            job_package.check_package(PLAN, wrong)
    assert job_package.decode_job(b"\x42\x02\x08\x02")["type"] == 2


def test_the_job_object_is_the_job_file(init, jar, monkeypatch, tmp_path):
    """`--publish` writes what Twister2's scaler replaces; a failure is told and is no failure of the job."""
    sent = {}

    class Opener:
        def open(self, request, **_):
            sent.update(json.loads(request.data))
            return open(jar, "rb")

    (tmp_path / "token").write_text("t")
    monkeypatch.setattr(job_package, "ACCOUNT", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(job_package.ssl, "create_default_context", lambda **_: None)
    monkeypatch.setattr(job_package.urllib.request, "build_opener", lambda *_: Opener())
    job_package.publish(PLAN, job_package.encode_job(PLAN))
    assert base64.b64decode(sent["data"]["TWISTER2_JOB_OBJECT"]) == job_package.encode_job(PLAN)
