#!/usr/bin/env python3
"""Make the images that the tests run Twister2 jobs with; print the paths of their archives, for `devcluster load`.

An archive lies in the cache, outside the checkout, under a name with a digest of all that it is made of; one that is
there is not made again. Usage: build.py [--jar] [twister2 | contract-worker ...]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(REPOSITORY / "devcluster"))

from cluster import images, install, settings  # noqa: E402
from cluster.processes import DevclusterError, run  # noqa: E402

IMAGES = {
    "twister2": "localhost/twister2-job/twister2:0.3.0-3",
    "contract-worker": "localhost/twister2-job/contract-worker:3",
}
# The files that make an image, besides the Python image it stands on.
SOURCES = {
    "twister2": (HERE / "twister2", HERE / "zookeeper", HERE / "unpack.sh"),
    "contract-worker": (
        HERE / "contract_worker",
        HERE / "unpack.sh",
        REPOSITORY / "charts/twister2-job/files/echo_worker.py",
    ),
}
PACKAGES = {
    "twister2": ("bash", "libtinfo6", "libstdc++6"),  # Java is C++.
    "contract-worker": ("bash", "libtinfo6", "python3-kazoo", "python3-six"),
}
# Of busybox; the Python image has the others.
MORE_TOOLS = ("basename", "cut", "dirname", "find", "gunzip", "gzip", "ln", "mktemp", "readlink", "seq", "sort", "tr")
EXAMPLES = "examples-java-0.3.0.jar"  # The job: it isn't part of the image, as in Twister2's own.
JDK = Path("/usr/lib/jvm/java-17-openjdk-amd64")
# A file that proves a package is there -> the Debian package.
TOOLS = {"/usr/bin/mvn": "maven", str(JDK / "bin/javac"): "openjdk-17-jdk-headless"}
JAVA_MODULES = (
    "java.base",
    "java.desktop",  # For its java.beans, which the yaml reader uses.
    "java.logging",
    "java.naming",
    "java.sql",
    "jdk.unsupported",
    "java.net.http",  # From here on for the adapter.
    "jdk.httpserver",
    "jdk.crypto.ec",
    "java.management",  # From here on for ZooKeeper.
    "java.security.sasl",
)


def say(text: str) -> None:
    """Tell what is being done; standard output is for the paths."""
    print(text, file=sys.stderr)


def files(name: str) -> list[Path]:
    """Return the files that an image is made of, in an order that doesn't change."""
    found = [path for source in SOURCES[name] for path in ([source] if source.is_file() else source.rglob("*"))]
    return sorted(path for path in found if path.is_file() and path.suffix != ".pyc")


def recipe(name: str) -> str:
    """Return the digest of all that decides what is in an image."""
    digest = hashlib.sha256(images.archive(settings.PYTHON_IMAGE).name.encode())
    for path in (Path(__file__), *files(name)):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def archive(name: str) -> Path:
    """Return where the archive of an image lies."""
    return settings.cache().parent / "test-images" / f"{name}-{recipe(name)}.tar"


def job_jar() -> Path:
    """Return where the jar with Twister2's own examples lies, once the image `twister2` is made."""
    return archive("twister2").with_suffix(f".{EXAMPLES}")


def get_jars(source: Path, target: Path) -> None:
    """Get the jars that a folder's pom.xml names from Maven Central."""
    pom = ("--batch-mode", "--quiet", "--strict-checksums", "--file", source / "pom.xml")
    run("mvn", *pom, "dependency:copy-dependencies", f"-DoutputDirectory={target}", seconds=900)


def java_files(folder: Path) -> Path:
    """Get what Twister2 0.3.0 needs from Maven Central and add what we wrote; return the folder of the jars."""
    source, jars, classes = HERE / "twister2", folder / "jars", folder / "classes"
    get_jars(source, jars)
    protoc = jars / "protoc-3.9.0-linux-x86_64.exe"
    protoc.chmod(0o755)
    (folder / "java").mkdir()
    protos = sorted((source / "proto").glob("*.proto"))
    run(protoc, f"--proto_path={source / 'proto'}", f"--java_out={folder / 'java'}", *protos)
    protoc.unlink()
    sources = [source / "Adapter.java", *(folder / "java").rglob("*.java")]
    run(JDK / "bin/javac", "-nowarn", "-classpath", f"{jars}/*", "-d", classes, *sources)
    with zipfile.ZipFile(jars / "twister2-job-adapter.jar", "w") as jar:
        for path in sorted(classes.rglob("*.class")):
            jar.write(path, path.relative_to(classes))
    return jars


def fill_twister2(root: Path) -> None:
    """Put Java, Twister2 0.3.0 and the entry script into an image's files, and ZooKeeper, which a test starts."""
    java = root / "opt/java"
    java.parent.mkdir()
    jlink = (
        "--no-man-pages",
        "--no-header-files",
        "--strip-java-debug-attributes",
        "--add-modules",
        ",".join(JAVA_MODULES),
    )
    run(JDK / "bin/jlink", *jlink, "--output", java, seconds=300)
    os.utime(java / "lib/modules", (0, 0))  # As in the image: Java compares it with what -Xshare:dump saw.
    run(java / "bin/java", "-Xshare:dump", seconds=300)
    shutil.copytree(HERE / "twister2/conf", root / "twister2/conf")
    for name in ("init.sh", "kubeconfig"):
        shutil.copy(HERE / "twister2" / name, root / "twister2" / name)
    with tempfile.TemporaryDirectory() as folder:
        jars = java_files(Path(folder))
        shutil.move(jars / EXAMPLES, job_jar())
        shutil.copytree(jars, root / "twister2/lib")
    get_jars(HERE / "zookeeper", root / "opt/zookeeper")


def fill_contract_worker(root: Path) -> None:
    """Put the contract worker into an image's files."""
    shutil.copytree(
        HERE / "contract_worker", root / "twister2/contract_worker", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(REPOSITORY / "charts/twister2-job/files/echo_worker.py", root / "twister2/contract_worker")
    shutil.move(root / "twister2/contract_worker/init.sh", root / "twister2/init.sh")


FILL: dict[str, Callable[[Path], None]] = {"twister2": fill_twister2, "contract-worker": fill_contract_worker}


def build(name: str) -> Path:
    """Make an image unless it is in the cache; return the path of its archive."""
    target = archive(name)
    if target.exists() and (name != "twister2" or job_jar().exists()):
        return target
    say(f"making the image {IMAGES[name]} ...")
    install.install_packages(say, {**install.PACKAGES, **TOOLS})
    if not images.archive(settings.PYTHON_IMAGE).exists():
        images.build_python()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        images.unpack_debian(PACKAGES[name], root)
        for unneeded in images.UNNEEDED:
            shutil.rmtree(root / unneeded, ignore_errors=True)
        for tool in MORE_TOOLS:
            (root / "usr/bin" / tool).symlink_to("busybox")
        (root / "twister2").mkdir()
        shutil.copy(HERE / "unpack.sh", root / "twister2")
        FILL[name](root)
        environment = ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        configuration: dict[str, object] = {"Env": environment, "WorkingDir": "/twister2", "Cmd": ["/bin/bash"]}
        base = images.archive(settings.PYTHON_IMAGE)
        images.write(IMAGES[name], root, target, configuration, base)
    for old in target.parent.glob(f"{name}-*"):
        if not old.name.startswith(target.stem):
            old.unlink()
    return target


def main(words: list[str]) -> int:
    """Print one path a line; return the exit code."""
    parser = argparse.ArgumentParser(prog="build.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jar", action="store_true", help="print the path of the jar with Twister2's examples instead")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"{' or '.join(IMAGES)}; by default both")
    arguments = parser.parse_args(words)
    if unknown := [name for name in arguments.images if name not in IMAGES]:
        parser.error(f"there is no image {unknown[0]}, but {' and '.join(IMAGES)}")
    try:
        if arguments.jar:
            build("twister2")
            print(job_jar())
        else:
            for name in arguments.images or IMAGES:
                print(build(name))
    except (DevclusterError, OSError, subprocess.CalledProcessError) as failure:
        print(f"build.py: the image can't be made: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
