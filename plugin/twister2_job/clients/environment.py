"""The environment that Helm and kubectl get: the user's, less what would change what they print or do for us.

Variables that say which cluster, how to reach it and how to log in stay as they are, and so do Helm's for its limits,
its storage and its plugins.
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
"""Variables, since a kubectl that knows no kuberc refuses the option; either is enough for one that does."""


class Inherited(NamedTuple):
    """What a child gets from us: its whole environment, and descriptors that its variables name."""

    env: Mapping[str, str]
    descriptors: tuple[int, ...] = ()


def _common() -> dict[str, str]:
    """Return our environment without colours, other languages and the Go runtime's own reports.

    What a shell tells a program that completes a line stays here: it holds the whole line, and a login program that
    completes lines by itself would take it for its own.
    """
    ours = (name for name in os.environ if name not in _COLOURS and not name.startswith(("_ARGCOMPLETE", "COMP_")))
    env = {name: os.environ[name] for name in ours}
    # Messages are read by their words. LC_ALL would win over LC_MESSAGES; of it the encoding stays, for login programs.
    if everything := env.pop("LC_ALL", ""):
        env["LC_CTYPE"] = everything
    env.pop("LANGUAGE", None)
    if settings := env.pop("GODEBUG", ""):
        if kept := ",".join(filter(None, map(_silent, settings.split(",")))):
            env["GODEBUG"] = kept
    return env | _SET


def _silent(setting: str) -> str:
    """Return a setting of GODEBUG without what makes Go print; others (of TLS, say) may be needed for the cluster."""
    name, _, value = setting.partition("=")
    if "trace" in name or "debug" in name or name == "scheddetail":
        return ""
    return f"{name}={value.rstrip('+0123456789')}" if name == "netdns" else setting


def of_helm() -> dict[str, str]:
    """Return the whole environment for Helm."""
    env = _common()
    env.pop("HELM_DEBUG", None)  # It puts lines into messages and into what is to be parsed.
    return env


def of_kubectl() -> dict[str, str]:
    """Return the whole environment for kubectl, without the user's kuberc (default options, aliases)."""
    return _common() | _NO_KUBERC


@contextlib.contextmanager
def with_token(token: str, kubeconfig: str) -> Iterator[Inherited]:
    """Yield what gives kubectl a token that no other user can read and that is gone when we are.

    kubectl takes a token only as an argument, which every user of the machine can read in the process list. So it is
    in a kubeconfig that kubectl merges with the real one: on Linux in memory, which children get as a descriptor;
    elsewhere in a temporary file of mode 0600.

    Args:
        token: The token.
        kubeconfig: Path or paths of the real kubeconfig.
    """
    import json

    user = {"name": TOKEN_USER, "user": {"token": token}}
    data = json.dumps({"apiVersion": "v1", "kind": "Config", "users": [user]}).encode()
    with _held(data) as (path, descriptors):
        yield Inherited(of_kubectl() | {"KUBECONFIG": path + os.pathsep + kubeconfig}, descriptors)


@contextlib.contextmanager
def _held(data: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield a path under which children read `data`, each from its start, and the descriptors that they must get."""
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
    """Return the descriptor of a file in memory; opening it by its number begins at its start.

    Its number is above those that shell scripts, maybe around kubectl, use for themselves.
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
