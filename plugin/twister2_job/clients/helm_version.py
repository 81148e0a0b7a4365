"""Finds the version of Helm; the answer is stored in a file, since asking takes longer than most of our commands."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any

from ..errors import HelmMissingError
from .children import Result
from .connection import INSTALL_HELM
from .environment import of_helm
from .process import run

Version = tuple[int, int, int]

OLDEST: Version = (3, 17, 0)
"""The oldest version of Helm that this package supports."""
LIMIT = 10.0
"""Seconds that Helm may take to print its version."""

_VERSION = re.compile(r"\bv(\d+)\.(\d+)(?:\.(\d+))?")
_PROGRAMS = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""The first bytes of programs on Linux and macOS; an unchanged script may run another Helm later."""


async def helm_version(path: str) -> Version:
    """Return the version of the Helm at `path`.

    Args:
        path: What `connection.find_helm` returned.

    Raises:
        HelmMissingError: It doesn't run, doesn't say its version, or is older than `OLDEST`.
    """
    identity = _identity(path)
    version = _stored_version(identity) if identity else None
    if version is None:
        version = await _ask(path)
        if identity:
            _store(identity, version)
    if version < OLDEST:
        raise HelmMissingError(
            f"Helm at {path} is version {'.'.join(map(str, version))}; 3.17 or later is needed.", INSTALL_HELM
        )
    return version


async def _ask(path: str) -> Version:
    """Ask Helm itself."""
    why = ""
    try:
        done = await run([path, "version", "--short"], env=of_helm(), timeout=LIMIT, grace=1.0)
    except TimeoutError:
        why = f"it did not say its version within {LIMIT:.0f} s"
    except OSError as error:
        why = error.strerror or str(error)
    else:
        # Helm 2 looks for its server after printing its version, and fails.
        if (found := _VERSION.search(done.out)) and (done.code == 0 or int(found[1]) < OLDEST[0]):
            return int(found[1]), int(found[2]), int(found[3] or 0)
        why = _failure(done)
    raise HelmMissingError(f"Helm at {path} doesn't run: {why}.", INSTALL_HELM)


def _failure(done: Result) -> str:
    """Return why Helm's output has no version."""
    said = " ".join((done.err.strip() or done.out.strip()).split())[:200].rstrip(".")
    if done.code < 0:
        return f"it was ended by signal {-done.code}"
    if done.code:
        return said or f"it ends with exit code {done.code}"
    return f"`helm version` says {said!r}, which is no version" if said else "`helm version` says nothing"


def _identity(path: str) -> dict[str, Any] | None:
    """Return the facts of the file that a stored answer must match; None if the answer may change without the file.

    That is so for scripts, and for programs that start one of several others (of version managers, of snap).
    """
    real = os.path.realpath(path)
    try:
        with open(real, "rb") as file:
            begin, status = file.read(4), os.fstat(file.fileno())
    except OSError:
        return None
    if begin not in _PROGRAMS or "helm" not in os.path.basename(real):
        return None
    return {"path": real, "size": status.st_size, "mtime": status.st_mtime_ns, "ctime": status.st_ctime_ns}


def _answer_path(identity: dict[str, Any]) -> str:
    """Return the path of the file for an answer; an empty string if there is no place for it."""
    from hashlib import sha256

    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):
        home = os.path.expanduser("~/.cache")
    if not os.path.isabs(home):
        return ""  # There is neither HOME nor an entry in the user database.
    name = sha256(identity["path"].encode(errors="surrogateescape")).hexdigest()[:16]
    return os.path.join(home, "twister2-job", f"helm-version-{name}.json")


def _stored_version(identity: dict[str, Any]) -> Version | None:
    """Return the stored answer if there is one for exactly this file."""
    try:
        with open(_answer_path(identity), "rb") as file:
            kept = json.loads(file.read(10_000))
        major, minor, patch = kept.pop("version")
        return (int(major), int(minor), int(patch)) if kept == identity else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _store(identity: dict[str, Any], version: Version) -> None:
    """Store an answer; if that fails, Helm is asked again next time."""
    place = _answer_path(identity)
    part = f"{place}.{os.getpid()}"
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        try:
            with open(part, "w") as file:
                json.dump({**identity, "version": version}, file)
            os.replace(part, place)
        except OSError:
            os.unlink(part)
