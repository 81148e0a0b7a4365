"""The images and jars of tests/images, and what a values file for them needs."""

from __future__ import annotations

import functools
import socket
import sys
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY, run

PACKAGE = "edu.iu.dsc.tws.examples"
SMALL = {
    "job": {"cpu": 0.1, "ram": 160, "master": {"cpu": 0.1, "ram": 128}},
    "image": {"repository": "localhost/twister2-job/twister2", "tag": "0.3.0-3"},
}


@functools.cache
def jar() -> Path:
    """Return the path of the jar with Twister2's own examples."""
    result = run(sys.executable, REPOSITORY / "tests/images/build.py", "--jar")
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())


def values(**more: Any) -> dict[str, Any]:
    """Return values for Twister2's own classes; the keys of `job` are added to those that keep it small."""
    return {**SMALL, **more, "job": {**SMALL["job"], **more.get("job", {})}}


def ask(host: str, port: int) -> dict[str, str]:
    """Ask Twister2's BasicK8sWorker who it is: {"workerID": "2", "port": "9002", ...}.

    It stays with a client until the client has closed, and ends for good if something is left unread: on a busy machine
    too the answer is waited for.
    """
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.settimeout(60)
        connection.shutdown(socket.SHUT_WR)
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert text.startswith("hello from the server:"), text
    pairs = (line.replace("hello from the server:", "").partition(":") for line in text.splitlines())
    return {key.strip(): value.strip().strip('"') for key, found, value in reversed([*pairs]) if found}
