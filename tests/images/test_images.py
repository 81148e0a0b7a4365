"""The test images are what the tests on a cluster take them for. No cluster is needed; root is, for chroot."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, run
from tests.images import build
from tests.images.conftest import FILES, write_package

HERE = REPOSITORY / "tests" / "images"
INSIDE = """
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot --userspec=1000:1000 "$0" "$@"
"""


@pytest.fixture(scope="session")
def archives() -> dict[str, Path]:
    """The archives of both images; skips where they can't be made."""
    reason = ""
    if platform.system() != "Linux" or os.geteuid() != 0:
        reason = "the test images are made on Linux by root"
    elif not shutil.which("mvn") or not build.JDK.exists():
        reason = "the image of Twister2 needs `apt-get install maven openjdk-17-jdk-headless`"
    if reason:
        pytest.skip(reason)
    return {name: build.build(name) for name in build.IMAGES}


def described(archive: Path) -> dict[str, Any]:
    """Return the manifest of an archive, with the configuration that it names."""
    with tarfile.open(archive) as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())[0]
        return manifest | {"configuration": json.loads(tar.extractfile(manifest["Config"]).read())}


@pytest.fixture(scope="session")
def roots(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of both images, as a container sees them."""
    found = {}
    for name, archive in archives.items():
        found[name] = tmp_path_factory.mktemp(name)
        found[name].chmod(0o755)
        found[name].parent.chmod(0o755)
        with tarfile.open(archive) as tar:
            for layer in json.loads(tar.extractfile("manifest.json").read())[0]["Layers"]:
                with tarfile.open(fileobj=tar.extractfile(layer)) as files:
                    files.extractall(found[name], filter="fully_trusted")
    return found


def inside(root: Path, *command: str, **environment: str) -> list[str]:
    """Return the command that runs `command` in an image's files as user 1000, with /proc and /dev."""
    unshare = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", INSIDE, str(root)]
    words = [f"{key}={value}" for key, value in environment.items()]
    return [*unshare, "/usr/bin/env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", *words, *command]


def output(root: Path, *command: str) -> str:
    """Return what a command prints in an image; fails with its message."""
    done = run(*inside(root, *command))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


both = pytest.mark.parametrize("name", sorted(build.IMAGES))


# The archives.


@both
def test_an_archive_is_made_once(archives: dict[str, Path], name: str) -> None:
    began = time.monotonic()
    done = run(HERE / "build.py", name)
    assert done.stdout == f"{archives[name]}\n", done.stderr
    assert time.monotonic() - began < 2


@both
def test_an_archive_is_an_image_of_our_own_name_on_the_python_image(archives: dict[str, Path], name: str) -> None:
    found = described(archives[name])
    assert found["RepoTags"] == [build.IMAGES[name]]
    assert build.IMAGES[name].startswith("localhost/twister2-job/")
    assert found["configuration"]["config"]["WorkingDir"] == "/twister2"
    base = described(build.images.archive(build.settings.PYTHON_IMAGE))
    assert found["Layers"][:-1] == base["Layers"], "the layers below are shared, so that a node holds them once"


def test_an_unknown_image_is_named() -> None:
    done = run(HERE / "build.py", "nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr.splitlines()[-1]


# The files.


@both
def test_programs_that_the_chart_and_the_entry_script_call_are_there(roots: dict[str, Path], name: str) -> None:
    root = roots[name]
    assert output(root, "/bin/bash", "-c", "stat -c %s /twister2/init.sh").strip().isdigit()
    assert output(root, "/bin/bash", "-c", "echo x | gzip | gunzip; tar --help >&2; sleep 0.01").startswith("x")
    version = output(
        root, "python3", "-c", "import sys, json, tarfile, zlib, hashlib, ssl; print(sys.version_info[:2])"
    )
    assert eval(version) >= (3, 5)


@both
def test_no_file_gives_rights(roots: dict[str, Path], name: str) -> None:
    for path in roots[name].rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        assert not mode & (stat.S_ISUID | stat.S_ISGID), path
        writable = mode & stat.S_IWOTH and not mode & stat.S_ISVTX
        assert not writable, f"{path} can be written by everybody"
        assert path.lstat().st_uid == 0, path


@both
def test_python_starts_without_compiling(roots: dict[str, Path], name: str) -> None:
    said = output(roots[name], "python3", "-v", "-c", "import http.server, json, asyncio")
    assert re.findall(r"code object from '\S+\.py'", said) == [], "some module has no .pyc"
    assert "asyncio/__pycache__" in said


# Twister2 0.3.0.


def test_the_image_has_the_published_jars_but_not_the_job(roots: dict[str, Path]) -> None:
    names = {path.name for path in (roots["twister2"] / "twister2/lib").iterdir()}
    twister2 = {name for name in names if name.endswith("-0.3.0.jar")}
    assert len(twister2) == 26
    assert {"resource-scheduler-java-0.3.0.jar", "master-java-0.3.0.jar", "task-java-0.3.0.jar"} <= twister2
    assert build.EXAMPLES not in names
    assert build.job_jar().stat().st_size > 900_000


def test_java_uses_its_archive_of_classes(roots: dict[str, Path]) -> None:
    flags = ("-Xshare:on", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    assert 'openjdk version "17.' in output(roots["twister2"], "/opt/java/bin/java", *flags, "-version")


@contextlib.contextmanager
def started(root: Path, package: Path, container: str) -> Iterator[subprocess.Popen[str]]:
    """Run an image's entry script as the chart does, for the last container of group 1."""
    memory = root / "twister2-memory-dir"
    account = root / "var/run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True, exist_ok=True)
    (account / "namespace").write_text("there")
    names = f"localhost {socket.gethostname()} ours-jm.there.svc.cluster.local"
    (root / "etc/hosts").write_text(f"127.0.0.1 {names}\n")
    memory.mkdir()
    shutil.copy(package, memory)
    for path in (memory, memory / package.name):
        os.chown(path, 1000, 1000)
    environment = {
        "JOB_ID": "ours",
        "POD_NAME": "ours-1-0",
        "HOST_IP": "192.0.2.1",
        "HOST_NAME": "node",
        "CONTAINER_NAME": container,
        "CLASS_TO_RUN": "edu.iu.dsc.tws.rsched.schedulers.k8s.worker.K8sWorkerStarter",
        "JVM_MEMORY_MB": "64",
        "POD_MEMORY_VOLUME": "/twister2-memory-dir",
        "JOB_ARCHIVE_DIRECTORY": "twister2-job",
        "JOB_PACKAGE_FILENAME": package.name,
        "JOB_PACKAGE_FILE_SIZE": str(package.stat().st_size),
        "USER_JOB_JAR_FILE": "job.jar",
        "LOGGER_PROPERTIES_FILE": "common/logger.properties",
        "UPLOAD_METHOD": "client-to-pods",
        "WORKER_PORT": "9003",
    }
    command = inside(root, "/bin/bash", "-c", "cd /twister2 && exec ./init.sh", **environment)
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        ) as running:  # fmt: skip
            try:
                yield running
            finally:
                end(running)
    finally:
        shutil.rmtree(memory)


def end(running: subprocess.Popen[str]) -> None:
    """End a program and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)


def read_until(running: subprocess.Popen[str], *words: str, seconds: float = 15) -> str:
    """Return what a program prints until all words were in it; fails at its end or when the time is over."""
    timer = threading.Timer(seconds, end, [running])
    timer.start()
    said = ""
    for line in running.stdout or ():
        said += line
        if all(word in said for word in words):
            timer.cancel()
            return said
    raise AssertionError(f"{words} not in:\n{said}")


def test_twister2_reads_a_job_file_of_0_8_0_and_finds_its_own_id(roots: dict[str, Path], package: Path) -> None:
    root = roots["twister2"]
    with started(root, package, "twister2-container-0") as running:
        said = read_until(running, "workerID: 2", "workerPort: 9003", "NodeInfo for this worker")
        settings = (root / "twister2-memory-dir/twister2-job/kubernetes/checkpoint.yaml").read_text()
    assert "Job description file is loaded: /twister2-memory-dir/twister2-job/ours.job" in said
    assert 'nodeIP: "192.0.2.1"' in said
    assert 'twister2.job.id: "ours"\nkubernetes.namespace: "there"\n' in settings
    assert '"twister2.worker.additional.ports": ["web", "admin"]\n' in settings, "0.3.0's name for the key"


@contextlib.contextmanager
def registering(root: Path, package: Path) -> Iterator[tuple[socket.socket, bytes]]:
    """Be the job master that a worker registers with; gives the connection and the ID of its request."""
    with (
        socket.create_server(("127.0.0.1", 11011)) as master,
        started(root, package, "twister2-container-0"),
    ):
        master.settimeout(30)
        connection, _ = master.accept()
        with connection:
            connection.settimeout(15)
            yield connection, received(connection, "RegisterWorker")


def received(connection: socket.socket, kind: str) -> bytes:
    """Return the ID of the next message of a kind. A message: length, 0, ID, length of the name, name, the rest."""
    while True:
        body = exactly(connection, int.from_bytes(exactly(connection, 8)[:4], "big"))
        identity, _, rest = body.partition(b"twister2.jobmaster.")
        if rest.startswith(kind.encode() + bytes(3)):  # The worker's ID follows, a small number.
            return identity[:-4]


def exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += connection.recv(size - len(found)) or pytest.fail("the worker has closed the connection")
    return found


def send(connection: socket.socket, identity: bytes, kind: str, message: bytes = b"") -> None:
    """Send a worker a message of the job master."""
    name = f"twister2.jobmaster.{kind}".encode()
    body = identity + len(name).to_bytes(4, "big") + name + bytes(4) + message
    connection.sendall(len(body).to_bytes(4, "big") + bytes(4) + body)


REGISTERED = b"\x08\x02\x10\x01"  # A RegisterWorkerResponse: worker 2, true.


def test_a_worker_has_patience_with_a_busy_job_master(roots: dict[str, Path], package: Path) -> None:
    """0.3.0 by itself gives up after 1 s, and the job master takes no second registration of the same worker."""
    with registering(roots["twister2"], package) as (connection, identity):
        time.sleep(3)
        send(connection, identity, "RegisterWorkerResponse", REGISTERED)
        received(connection, "Ping")


def test_a_reply_to_a_ping_whose_id_is_not_noted_yet_ends_no_worker(roots: dict[str, Path], tmp_path: Path) -> None:
    settings = FILES["kubernetes/core.yaml"] + b"twister2.worker.ping.interval: 3000\n"
    job = {"job.jar": build.job_jar().read_bytes(), "kubernetes/core.yaml": settings}
    pinging = write_package(tmp_path, FILES | job)
    with registering(roots["twister2"], pinging) as (connection, identity):
        send(connection, bytes(len(identity)), "Ping")
        send(connection, identity, "RegisterWorkerResponse", REGISTERED)
        received(connection, "Ping")
        received(connection, "Ping")  # The first one is taken for answered.


def test_an_exception_that_nobody_catches_ends_a_worker(roots: dict[str, Path]) -> None:
    starter = "edu.iu.dsc.tws.rsched.schedulers.k8s.worker.K8sWorkerStarter"
    done = run(*inside(roots["twister2"], "/opt/java/bin/java", "-cp", "/twister2/lib/*", "Adapter", starter))
    assert done.returncode == 1
    first = done.stderr.splitlines()[0]
    assert first.startswith('Exception in thread "main" java.lang.NumberFormatException'), "there is no WORKER_PORT"


# The entry scripts.


@both
def test_the_second_container_waits_until_the_first_has_unpacked(
    roots: dict[str, Path], package: Path, name: str
) -> None:
    memory = roots[name] / "twister2-memory-dir"
    with started(roots[name], package, "twister2-container-1") as running:
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.5)
        assert not (memory / "twister2-job").exists()
        with tarfile.open(package) as tar:
            tar.extractall(memory, filter="data")
        (memory / "unpack-complete.txt").touch()
        read_until(running, "Loading configuration" if name == "twister2" else "KUBERNETES_SERVICE_HOST")


def test_a_package_by_another_way_is_refused(roots: dict[str, Path], package: Path) -> None:
    command = inside(
        roots["contract-worker"], "/bin/bash", "-c", "cd /twister2 && exec ./init.sh",
        UPLOAD_METHOD="webserver", POD_MEMORY_VOLUME="/tmp", JOB_ARCHIVE_DIRECTORY="twister2-job",
    )  # fmt: skip
    done = run(*command)
    assert done.returncode == 1
    assert done.stderr == "UPLOAD_METHOD is webserver; this image knows client-to-pods alone.\n"
