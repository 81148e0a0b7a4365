"""Forwards a port of this machine to a port of a worker, through the API server: `kubectl port-forward`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from ..clients.connection import Connection
from ..clients.kubectl import Kubectl
from ..clients.resources import Cluster
from ..errors import (
    ForwardLostError,
    JobError,
    LocalPortError,
    NoClusterError,
    NotExposedError,
    PendingError,
    RefusedError,
    UsageError,
)
from ..exposure import workers as worker_table
from ..exposure.live import read_cluster
from ..exposure.mode import TWISTER2, mode
from ..exposure.model import Worker
from .tunnel import HOST, Tunnel, reserved_port, wait_until_gone

RECONNECT_LIMIT = 60.0
"""Seconds without success after which a broken forward fails: a pod is replaced in much less."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 3.0
"""Seconds before the first try to connect again, and the most before later ones, each twice the one before."""
STEADY = 10.0
"""Seconds that a forward must have worked for the pauses to start small again, so that tries don't follow at once."""
STRANGERS = (
    "Warning: where Twister2 itself listens on a job's worker port (TSet and task jobs), a few connections of other "
    "programs end the worker; that is what the job's additionalPorts are for."
)
PASSING = (PendingError, NoClusterError, RefusedError, LocalPortError)
"""Errors that may have passed at the next try; a missing job, worker, port or right does not come back by itself."""


@dataclass(frozen=True)
class Target:
    """A port of a worker: `number` is its port number in the pod, `uid` that of the pod."""

    worker: int
    pod: str
    uid: str
    port: str
    number: int


def find(job: str, cluster: Cluster, worker: int | None, port: str) -> Target:
    """Return the target of a forward to `port` of `worker`.

    Args:
        job: Name of the job.
        cluster: Its live objects.
        worker: Worker ID; None means the first worker that is ready.
        port: Name of the worker's port.

    Raises:
        NotExposedError: There is no such worker or port, or the port is not TCP.
        PendingError: The worker is not ready.
    """
    rows = worker_table.table(cluster.objects)
    if not rows:
        raise PendingError(
            f"Job {job} has no workers now: it is suspended, or being removed.", "`twister2-job status` shows it."
        )
    found = [w for w in rows if worker in (None, w.id)]
    if not found:
        there = ", ".join(str(w.id) for w in rows) if len(rows) < 10 else f"{rows[0].id} to {rows[-1].id}"
        raise NotExposedError(f"Job {job} has no worker {worker}.", f"Its workers are {there}.")
    chosen = next((w for w in found if w.ready), found[0])
    pods = [p for p in worker_table.of_kind(cluster.objects, "Pod") if p["metadata"]["name"] == chosen.pod]
    number = _number(job, chosen, pods[0], port) if pods else 0
    if not chosen.ready:
        which = "no worker is ready; " if worker is None else ""
        why = chosen.reason or "not ready yet"
        raise PendingError(f"Job {job}: {which}worker {chosen.id} ({chosen.pod}): {why}.", "Try again in a moment.")
    return Target(chosen.id, chosen.pod, pods[0]["metadata"]["uid"], port, number)


def _number(job: str, worker: Worker, pod: worker_table.Object, port: str) -> int:
    """Return the number of the worker's port `port`; container c names it `port-c`, container 0 just `port`."""
    suffix = f"-{worker.container}" if worker.container else ""
    name = f"{worker_table.CONTAINER}{worker.container}"
    containers = [c for c in pod["spec"]["containers"] if c["name"] == name]
    ports = {p.get("name", "").removesuffix(suffix): p for c in containers for p in c.get("ports") or []}
    if port not in ports:
        raise NotExposedError(
            f"Worker {worker.id} of job {job} has no port {port}.", f"Its ports are {', '.join(ports) or 'none'}."
        )
    if (protocol := ports[port].get("protocol", "TCP")) != "TCP":
        raise NotExposedError(
            f"Port {port} of worker {worker.id} is {protocol}, and only TCP can be forwarded.",
            f"`twister2-job upgrade {job} --set perWorker.enabled=true` gives each worker an address.",
        )
    return worker_table.number(ports[port]["containerPort"])


def _silent(text: str) -> None:
    """Ignore a message: the default of `say`."""


class Forward:
    """A port of 127.0.0.1 that leads to a worker's port during the block, and is connected again when it breaks.

    While the worker is away the port refuses connections; its number stays the same.

    Attributes:
        host: 127.0.0.1.
        port: The local port.
        target: The present or last target.
        failure: Why the forward has ended for good; None before that.
    """

    target: Target

    def __init__(
        self,
        connection: Connection,
        job: str,
        *,
        worker: int | None = None,
        port: str = "worker",
        local: int = 0,
        limit: float = RECONNECT_LIMIT,
        say: Callable[[str], None] = _silent,
        cluster: Cluster | None = None,
    ) -> None:
        """Prepare; nothing is contacted before the block is entered.

        Args:
            connection: Cluster and namespace.
            job: Name of the job.
            worker: Worker ID; None means the first worker that is ready, and then always that one.
            port: Name of the worker's port.
            local: Local port; 0 means a free one.
            limit: Seconds without success after which a broken forward fails.
            say: Is called with a sentence when the forward is made and when it breaks.
            cluster: The job's objects, if the caller has just read them.

        Raises:
            UsageError: `local` is no port number.
            KubectlMissingError: There is no kubectl.
            NoClusterError: The named kubeconfig doesn't exist.
        """
        if not 0 <= local <= 65535:
            raise UsageError(f"{local} is no port number.", "Take one from 1 to 65535, or 0 for a free one.")
        self.host, self.port, self.failure = HOST, local, None
        self._kubectl, self._job, self._limit, self._say = Kubectl(connection), job, limit, say
        self._worker, self._name, self._cluster = worker, port, cluster
        self._tunnel: Tunnel | None = None
        self._keeper: asyncio.Task[NoReturn] | None = None
        self._why = ""

    failure: JobError | None

    async def __aenter__(self) -> Forward:
        """Make the forward.

        Raises:
            JobNotFoundError: There is no such job.
            NotExposedError: There is no such worker or port, or the port is not TCP.
            PendingError: The worker is not ready.
            LocalPortError: The local port is taken.
            JobError: The API refuses or can't be reached.
        """
        cluster = self._cluster or await read_cluster(self._kubectl, self._job, nodes=False)
        try:
            await self._start(find(self._job, cluster, self._worker, self._name))
        except BaseException:
            await self._close()
            raise
        self._keeper = asyncio.ensure_future(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End kubectl."""
        while self._keeper and not self._keeper.done():
            self._keeper.cancel()  # More than once: asyncio.wait_for of Python 3.11 can lose one.
            await asyncio.wait({self._keeper}, timeout=10)
        if self._keeper and self.failure:
            self._keeper.exception()  # `failure` has it: asyncio need not log it too.
        await self._close()

    async def ended(self) -> NoReturn:
        """Wait until the forward has failed for good, and raise the error; without a failure never return.

        Raises:
            ForwardLostError: It broke and could not be made again in time.
            JobError: It can't be made again: the job, worker, port or right is missing.
        """
        assert self._keeper is not None, "only inside the block"
        await asyncio.shield(self._keeper)

    async def _close(self) -> None:
        if self._tunnel:
            await self._tunnel.close()

    async def _start(self, target: Target) -> None:
        """Start a forward to the target."""
        self._tunnel = await Tunnel.open(self._kubectl, target.pod, target.number, self.port)
        self.target, self.port, self._worker = target, self._tunnel.started.result(), target.worker
        self._say(f"Forwarding {HOST}:{self.port} -> worker {target.worker}, port {target.port} (pod {target.pod})")

    async def _keep(self) -> NoReturn:
        """Make the forward again whenever it breaks, until that fails for good."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            self._why = await self._wait_until_broken()
            await self._close()
            pause = FIRST_PAUSE if time.monotonic() - began > STEADY else pause
            which = f"worker {self.target.worker} (pod {self.target.pod})"
            self._say(f"Lost {which}: {self._why}; connecting again.")
            try:
                pause = await asyncio.wait_for(self._reconnect(pause), self._limit)
            except (asyncio.TimeoutError, TimeoutError):
                self.failure = ForwardLostError(
                    f"The forward to {which} broke and was not made again within {self._limit:g} s: {self._why}.",
                    f"`twister2-job status {self._job}` shows the workers.",
                )
                raise self.failure from None
            except JobError as error:
                self.failure = error
                raise

    async def _reconnect(self, pause: float) -> float:
        """Try to make the forward again, with growing pauses, and return the next pause."""
        while True:
            try:
                with reserved_port(self.port):
                    await asyncio.sleep(pause)
                    cluster = await read_cluster(self._kubectl, self._job, nodes=False)
                    target = find(self._job, cluster, self._worker, self._name)
                await self._start(target)
                return min(2 * pause, LONGEST_PAUSE)
            except PASSING as error:
                self._why, pause = error.message.rstrip("."), min(2 * pause, LONGEST_PAUSE)

    async def _wait_until_broken(self) -> str:
        """Wait until the forward no longer works, and return why."""
        assert self._tunnel is not None
        pod_watch = asyncio.ensure_future(wait_until_gone(self._kubectl, self.target.pod, self.target.uid))
        try:
            await asyncio.wait({self._tunnel.ended, pod_watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pod_watch.cancel()
            await asyncio.gather(pod_watch, return_exceptions=True)
        return self._tunnel.why() or "the pod is gone"


async def forward(
    connection: Connection,
    job: str,
    *,
    worker: int | None = None,
    port: str = "",
    local: int = 0,
    say: Callable[[str], None],
) -> NoReturn:
    """Forward a local port to a worker until cancelled.

    Args:
        connection: Cluster and namespace.
        job: Name of the job.
        worker: Worker ID; None means the first worker that is ready.
        port: Name of the worker's port; empty means `worker`.
        local: Local port; 0 means a free one.
        say: Is called with a sentence each time the forward is made and each time it breaks.

    Raises:
        ForwardLostError: The forward broke and could not be made again in time.
        JobError: As for `Forward`.
    """
    port = port or "worker"
    cluster = await read_cluster(Kubectl(connection), job, nodes=False)
    if port == "worker" and mode(job, cluster.objects) == TWISTER2:
        say(STRANGERS)
    async with Forward(connection, job, worker=worker, port=port, local=local, say=say, cluster=cluster) as way:
        await way.ended()
