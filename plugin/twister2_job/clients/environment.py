"""The environment for Helm and kubectl: the user's, without variables that would change what they print or do for us.

Variables about the cluster, the way to it and the login stay unchanged, and so do Helm's for its limits, its storage
and its plugins.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

TOKEN_USER = "twister2-job-token"

_COLOURS = ("CLICOLOR_FORCE", "FORCE_COLOR", "HELM_COLOR", "KUBECOLOR_FORCE_COLORS", "KUBECOLOR_PAGING")
_SET = {"LC_MESSAGES": "C", "NO_COLOR": "1"}
_NO_KUBERC = {"KUBERC": "off", "KUBECTL_KUBERC": "false"}
"""Variables, not an option, which a kubectl without kuberc would refuse; a kubectl with it needs only one of them."""


class Inherited(NamedTuple):
    """The whole environment of a child process, and the descriptors that its variables name."""

    env: Mapping[str, str]
    descriptors: tuple[int, ...] = ()


def _common() -> dict[str, str]:
    """Return our environment without colours, other languages and the Go runtime's own reports.

    The variables with which a shell asks for a completion are left out too: a login program that supports completion
    would answer that request itself.
    """
    ours = (name for name in os.environ if name not in _COLOURS and not name.startswith(("_ARGCOMPLETE", "COMP_")))
    env = {name: os.environ[name] for name in ours}
    # Messages are parsed, so they must be in English. LC_ALL overrides LC_MESSAGES; its encoding stays, for logins.
    if everything := env.pop("LC_ALL", ""):
        env["LC_CTYPE"] = everything
    env.pop("LANGUAGE", None)
    if settings := env.pop("GODEBUG", ""):
        if kept := ",".join(filter(None, map(_silent, settings.split(",")))):
            env["GODEBUG"] = kept
    return env | _SET


def _silent(setting: str) -> str:
    """Return a setting of GODEBUG unless it makes Go print; others (of TLS, say) may be needed for the cluster."""
    name, _, value = setting.partition("=")
    if "trace" in name or "debug" in name or name == "scheddetail":
        return ""
    return f"{name}={value.rstrip('+0123456789')}" if name == "netdns" else setting


def of_helm() -> dict[str, str]:
    """Return the whole environment for Helm."""
    env = _common()
    env.pop("HELM_DEBUG", None)  # It adds lines to messages and to output that is parsed.
    return env


def of_kubectl() -> dict[str, str]:
    """Return the whole environment for kubectl, without the user's kuberc (default options, aliases)."""
    return _common() | _NO_KUBERC


@contextlib.contextmanager
def with_token(token: str, kubeconfig: str) -> Iterator[Inherited]:
    """Yield an environment that gives kubectl a token which no other user can read and which is gone when we end.

    kubectl takes a token only as an argument, which all users of the machine can read in the process list. So it is put
    into a kubeconfig that kubectl merges with the real one: on Linux a file in memory, which children get as a
    descriptor; elsewhere a temporary file of mode 0600.

    Args:
        token: The token.
        kubeconfig: Path or paths of the real kubeconfig.
    """
    import json

    user = {"name": TOKEN_USER, "user": {"token": token}}
    data = json.dumps({"apiVersion": "v1", "kind": "Config", "users": [user]}).encode()
    with _as_file(data) as (path, descriptors):
        yield Inherited(of_kubectl() | {"KUBECONFIG": path + os.pathsep + kubeconfig}, descriptors)


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield a path at which children read `data`, each from its start, and the descriptors that they must inherit."""
    try:
        descriptor = _in_memory(data)
    except (AttributeError, OSError):  # Not Linux, or a sandbox that forbids it.
        import tempfile

        handle, path = tempfile.mkstemp(prefix="twister2-job-", suffix=".kubeconfig")  # mkstemp makes it 0600.
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            yield path, ()
        finally:
            os.unlink(path)
        return
    try:
        yield f"/dev/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _in_memory(data: bytes) -> int:
    """Return the descriptor of a file in memory; each open of it by its number starts at its beginning.

    Its number is higher than those that shell scripts, such as one around kubectl, use themselves.
    """
    import fcntl

    low = os.memfd_create("twister2-job")
    try:
        descriptor = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10)
    finally:
        os.close(low)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    return descriptor
