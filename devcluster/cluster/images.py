"""Container images without a registry: made from files, kept in the cache as archives that containerd imports."""

from __future__ import annotations

import hashlib
import io
import json
import os
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
# What the packages bring and no pod needs.
UNNEEDED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/lib/python3.11/idlelib",
    "usr/lib/python3.11/test",
)
# Without .pyc files every Python that starts in a pod compiles what it imports. The files' times are not kept in an
# image, so a .pyc must not depend on them.
COMPILE = "/usr/bin/python3.11 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3.11".split()
RECIPE = "2"  # Part of the archive's name: count it up when the way an image is made changes.


def archive(image: str) -> Path:
    """Return where the archive of one of our images lies; its name holds a digest of how the image is made."""
    made_of: tuple[object, ...] = (PYTHON_PACKAGES, BUSYBOX_TOOLS, UNNEEDED, COMPILE)
    if image == settings.PAUSE_IMAGE:
        made_of = tuple(path.read_text() for path in sorted((settings.SOURCE / "pause").iterdir()))
    return place(image, made_of)


def place(image: str, made_of: object) -> Path:
    """Return where the archive of an image lies that is made of these things."""
    digest = hashlib.sha256(repr((RECIPE, image, made_of)).encode()).hexdigest()[:12]
    return settings.cache() / "images" / f"{image.rsplit('/', 1)[1].replace(':', '-')}-{digest}.tar"


def read_base(path: Path) -> dict[str, bytes]:
    """Return the layers of an archive that `write` made, the lowest first: their digests and contents."""
    with tarfile.open(path) as tar:
        described = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        layers: list[str] = described[0]["Layers"]
        return {name.split("/")[0]: tar.extractfile(name).read() for name in layers}  # type: ignore[union-attr]


def write(image: str, root: Path, target: Path, configuration: dict[str, object], base: Path | None = None) -> None:
    """Write the files below `root` as an image, in the archive format of `docker save`.

    They are its one layer, or the one on top of those of the archive `base`.
    """
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
    layers = read_base(base) if base else {}
    layers[hashlib.sha256(layer.getvalue()).hexdigest()] = layer.getvalue()
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": configuration,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in layers]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [image], "Layers": [f"{digest}/layer.tar" for digest in layers]}]
    files: dict[str, bytes] = {"config.json": json.dumps(described).encode()}
    files |= {f"{digest}/layer.tar": content for digest, content in layers.items()}
    files["manifest.json"] = json.dumps(manifest).encode()
    partial = target.with_suffix(f".{os.getpid()}")  # Two of us at once both end with a whole file.
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
                f"apt-get can't download the packages of an image ({done.stderr.strip().splitlines()[-1:]}). "
                "Run `apt-get update` and try again; the images are made of Debian 12's packages."
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
        for unneeded in UNNEEDED:
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
        run("chroot", root, *COMPILE)
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


def contents(path: Path) -> dict[str, str]:
    """Return the names of the images in an archive of `docker save`, each with the digest that Kubernetes calls its ID.

    An archive of another format has none that we could tell. Raises DevclusterError if the file is no archive.
    """
    try:
        with tarfile.open(path) as tar:
            if "manifest.json" not in tar.getnames():
                return {}
            described = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
            return {
                name: f"sha256:{hashlib.sha256(tar.extractfile(image['Config']).read()).hexdigest()}"  # type: ignore[union-attr]
                for image in described
                for name in image["RepoTags"] or []
            }
    except tarfile.TarError as error:
        raise DevclusterError(f"{path} is no image archive; make one with `docker save IMAGE -o FILE`.") from error


def load(node_command: Callable[..., list[str]], path: Path) -> bool:
    """Import an archive into a node, unless all that is in it is there already; tell whether it was imported.

    `node_command` makes the command that runs something in the node.
    """
    ctr = (settings.binaries() / "ctr", "-n", "k8s.io", "images")
    listed = [line.split() for line in run(*node_command(*ctr, "list")).splitlines()[1:]]
    there = {words[0]: words[2] for words in listed}  # containerd lists an image by its name and by its ID.
    wanted = contents(path)
    if wanted and all(name in there and there[name] == there.get(identity) for name, identity in wanted.items()):
        return False
    run(*node_command(*ctr, "import", path.resolve()), seconds=300)
    return True
