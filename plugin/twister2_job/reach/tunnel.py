"""One run of `kubectl port-forward`, and a watch that ends when its pod is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections import deque
from collections.abc import Iterator
from typing import Any

from ..clients.kubectl import Kubectl
from ..clients.messages import Step, own_words, translate
from ..clients.process import Process, stream
from ..errors import JobError, KubectlMissingError, LocalPortError, NoClusterError, PendingError

HOST = "127.0.0.1"
START_LIMIT = 30.0
"""Seconds within which kubectl must forward."""
GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for kubectl: it has nothing to finish."""
LONGEST_PAUSE = 60.0
"""The most seconds between two watches that end at once, as they do without the right to watch."""

_FORWARDING = re.compile(rf"Forwarding from {re.escape(HOST)}:(\d+) -> ")


class Tunnel:
    """A local port that leads to a port of a pod until one of them breaks.

    Attributes:
        started: The local port, once kubectl forwards.
        ended: Done when kubectl has ended.
    """

    def __init__(self, process: Process, pod: str, number: int) -> None:
        """Read kubectl's output; `open` starts kubectl.

        Args:
            process: The running kubectl, its two outputs in one pipe.
            pod: Name of the pod.
            number: Port number in the pod.
        """
        self._process, self._pod, self._number = process, pod, number
        self._lines: deque[str] = deque(maxlen=20)
        self.started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.ensure_future(self._read())

    @classmethod
    async def open(cls, kubectl: Kubectl, pod: str, number: int, local: int) -> Tunnel:
        """Run kubectl and return when it forwards.

        Args:
            kubectl: The client.
            pod: Name of the pod.
            number: Port number in the pod.
            local: Local port; 0 means a free one.

        Raises:
            LocalPortError: The local port is taken, or not allowed.
            PendingError: The pod doesn't run.
            NoClusterError: kubectl took longer than `START_LIMIT` seconds.
            JobError: The API refuses or can't be reached.
        """
        argv = kubectl.argv("port-forward", f"pod/{pod}", f"{local or ''}:{number}", "--address", HOST)
        with kubectl.connection.kubectl_environment() as inherited:
            try:
                # In a session of its own: otherwise Ctrl-C in a terminal would end kubectl before we handle it.
                process = Process(
                    argv, env=inherited.env, errors="output", pass_fds=inherited.descriptors, session=True, lasting=True
                )
            except OSError as error:
                raise KubectlMissingError(f"kubectl at {kubectl.path} doesn't run: {error.strerror}.") from None
            tunnel = cls(process, pod, number)
            try:
                await tunnel._start(local)
            except BaseException:
                await tunnel.close()
                raise
        return tunnel

    async def _start(self, local: int) -> None:
        """Wait until kubectl forwards."""
        either: set[asyncio.Future[Any]] = {self.started, self.ended}
        await asyncio.wait(either, timeout=START_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        if self.started.done():
            return
        if self.ended.done():
            raise self._refusal(local)
        raise NoClusterError(
            f"kubectl did not reach pod {self._pod} within {START_LIMIT:g} s.", "Check the network and the VPN."
        )

    async def _read(self) -> None:
        """Read kubectl's output to its end: it prints a line for each connection, and would block if nobody read."""
        await self._process.connect()
        async for line in self._process.stdout:
            text = line.decode(errors="replace")
            if (match := _FORWARDING.match(text)) and not self.started.done():
                self.started.set_result(int(match[1]))
            elif not text.startswith("Handling connection"):
                self._lines.append(text)
        await self._process.wait()

    def _refusal(self, local: int) -> JobError:
        """Return the error for a kubectl that ended before it forwarded."""
        text = "".join(self._lines)
        if found := re.search(r"unable to create listener: .*: bind: ([^\]\n]*)", text):
            why = "is used by another program" if "in use" in found[1] else f"can't be opened: {found[1]}"
            return LocalPortError(f"Local port {local} {why}.", "Choose another, or none to get a free one.")
        if "NotFound" in text or "pod is not running" in text:
            return PendingError(f"Pod {self._pod} doesn't run: {own_words(text)}.", "Try again in a moment.")
        return translate(text, "kubectl", Step.READ)

    def why(self) -> str:
        """Return why kubectl has ended, or an empty string while it hasn't."""
        if not self.ended.done():
            return ""
        text = "".join(self._lines)
        if "connection refused" in text:
            return f"nothing listens on port {self._number} in the pod"
        return own_words(text) or "kubectl ended"

    async def close(self) -> None:
        """End kubectl with its whole process group: it may be a script around the real one."""
        exited = asyncio.ensure_future(self._process.wait())
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                # When the whole program ends, asyncio cancels `ended` before kubectl has ended.
                if not (self.ended.done() and self._process.returncode is not None):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(self._process.pid, number)
                    await asyncio.wait({self.ended, exited}, timeout=GRACE)
            await exited
        finally:  # Also if this call is cancelled.
            self.ended.cancel()
            self._process.close()


@contextlib.contextmanager
def reserved_port(port: int) -> Iterator[None]:
    """Reserve a local port without listening on it: clients that connect meanwhile are refused.

    Otherwise another program could get the port, or a client that keeps trying could connect to itself.
    """
    with socket.socket() as endpoint:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            endpoint.bind((HOST, port))
        yield


async def wait_until_gone(kubectl: Kubectl, pod: str, uid: str) -> None:
    """Return when the pod with this UID is gone, or when another pod has its name.

    `kubectl port-forward` itself notices only at the next connection, which then breaks.

    Args:
        kubectl: The client.
        pod: Name of the pod.
        uid: UID of the pod.
    """
    argv = kubectl.argv(
        "get", "pods", "--field-selector", f"metadata.name={pod}", "--watch", "--output-watch-events",
        "-o", r'jsonpath={.type} {.object.metadata.uid}{"\n"}',
    )  # fmt: skip
    pause = 1.0
    while True:  # The API server ends watches now and then.
        with kubectl.connection.kubectl_environment() as inherited:
            async with stream(argv, env=inherited.env, pass_fds=inherited.descriptors) as reader:
                async for line in reader:
                    kind, _, seen = line.decode().strip().partition(" ")
                    if seen and (kind == "DELETED" or seen != uid):
                        return
                    pause = 1.0
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
