"""Container images without a registry: made from files, kept in the cache as archives that containerd imports."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import settings
from .processes import DevclusterError, run

# Debian 12's own Python 3.11 with what it links to, and a shell with the usual tools.
PYTHON_PACKAGES = (
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "libgcc-s1",
    "libssl3",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libffi8",
    "libexpat1",
    "libuuid1",
    "libcrypt1",
    "libsqlite3-0",
    "media-types",
    "netbase",
    "busybox-static",
)
BUSYBOX_TOOLS = (
    "sh",
    "cat",
    "ls",
    "cp",
    "mv",
    "rm",
    "mkdir",
    "echo",
    "env",
    "sleep",
    "true",
    "false",
    "grep",
    "sed",
    "head",
    "tail",
    "wc",
    "id",
    "ps",
    "kill",
    "touch",
    "date",
    "hostname",
    "ip",
    "wget",
    "nc",
    "nslookup",
    "tar",
    "mount",
    "df",
    "du",
    "stat",
    "test",
)
RECIPE = "1"  # Part of the archive's name: count it up when the way an image is made changes.


def archive(image: str) -> Path:
    """Return where the archive of one of our images lies."""
    digest = hashlib.sha256(repr((RECIPE, image, PYTHON_PACKAGES, BUSYBOX_TOOLS)).encode()).hexdigest()[:12]
    return settings.cache() / "images" / f"{image.rsplit('/', 1)[1].replace(':', '-')}-{digest}.tar"


def write(image: str, root: Path, target: Path, configuration: dict[str, object]) -> None:
    """Write the files below `root` as an image of one layer, in the archive format of `docker save`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path in sorted(root.rglob("*")):
            entry = tar.gettarinfo(path, str(path.relative_to(root)))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            if entry.isreg():
                with path.open("rb") as file:
                    tar.addfile(entry, file)
            else:
                tar.addfile(entry)
    content = layer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": configuration,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [image], "Layers": [f"{digest}/layer.tar"]}]
    files: dict[str, bytes] = {
        "config.json": json.dumps(described).encode(),
        f"{digest}/layer.tar": content,
        "manifest.json": json.dumps(manifest).encode(),
    }
    partial = target.with_suffix(".partial")
    with tarfile.open(partial, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    partial.replace(target)


def unpack_debian(packages: tuple[str, ...], root: Path) -> None:
    """Unpack Debian packages into `root`, where /bin, /lib and /sbin are links into /usr as in Debian itself."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["chmod", "755", folder], check=True)
        done = subprocess.run(
            ["apt-get", "download", "-o", "APT::Sandbox::User=root", *packages],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DevclusterError(
                f"apt-get can't download the packages of the Python image ({done.stderr.strip().splitlines()[-1:]}). "
                "Run `apt-get update` and try again; the image is made of Debian 12's packages."
            )
        for package in sorted(Path(folder).glob("*.deb")):
            data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
            extract = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory", str(root)]
            subprocess.run(extract, input=data, check=True)


def build_python() -> None:
    """Make the image that stands in for the official Python image, under its name."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        unpack_debian(PYTHON_PACKAGES, root)
        for unneeded in (
            "usr/share/doc",
            "usr/share/man",
            "usr/share/lintian",
            "usr/share/locale",
            "usr/lib/python3.11/idlelib",
        ):
            shutil.rmtree(root / unneeded, ignore_errors=True)
        for tool in BUSYBOX_TOOLS:
            path = root / "bin" / tool
            if not path.exists():
                path.symlink_to("busybox")
        (root / "usr/local/bin").mkdir(parents=True, exist_ok=True)
        for name in ("python", "python3", "python3.11"):
            (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3.11")
        (root / "usr/bin/python3").unlink(missing_ok=True)
        (root / "usr/bin/python3").symlink_to("python3.11")
        for name, mode in (
            ("tmp", 0o1777),
            ("etc", 0o755),
            ("root", 0o700),
            ("var/tmp", 0o1777),
            ("proc", 0o755),
            ("sys", 0o755),
            ("dev", 0o755),
        ):
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / name).chmod(mode)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
        (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
        environment = [
            "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
            "PYTHONDONTWRITEBYTECODE=1",
        ]
        write(settings.PYTHON_IMAGE, root, archive(settings.PYTHON_IMAGE), {"Env": environment, "Cmd": ["python3"]})


def build_pause() -> None:
    """Make the image whose one program holds a pod's namespaces."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(settings.binaries() / "pause", Path(folder) / "pause")
        write(
            settings.PAUSE_IMAGE,
            Path(folder),
            archive(settings.PAUSE_IMAGE),
            {"Entrypoint": ["/pause"], "User": "65535:65535"},
        )


def build(say: Callable[[str], None]) -> None:
    """Make the images that are not in the cache yet."""
    for image, make in ((settings.PAUSE_IMAGE, build_pause), (settings.PYTHON_IMAGE, build_python)):
        if not archive(image).exists():
            say(f"making the image {image}")
            make()


def load(node_command: Callable[..., list[str]], path: Path) -> None:
    """Import an archive into a node; `node_command` makes the command that runs something in it."""
    run(*node_command(settings.binaries() / "ctr", "-n", "k8s.io", "images", "import", path.resolve()), seconds=300)
