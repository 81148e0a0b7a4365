"""Connects code to a worker: at an address that answers from this machine, else through the API server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, TypeVar

from ..clients.connection import Connection
from ..clients.interrupt import interruptible
from ..clients.kubectl import Kubectl
from ..errors import PendingError, UnansweredError
from ..exposure.addresses import report
from ..exposure.live import read_cluster
from ..exposure.model import Address, JobAddresses
from ..exposure.nodes import INSIDE_ONLY, host_port
from .forward import Forward
from .sockets import resolve
from .tls import failure, handshake, speaks_tls
from .tunnel import GRACE

T = TypeVar("T")

LIMIT = 1.5
"""Seconds within which an address must answer; all are tried at the same time, so this limits the whole choice."""
TLS_LIMIT = 5.0
"""The same for a handshake: no forward takes the place of an address that is late."""
HEAD_START = 0.2
"""Seconds to wait for a better address after a worse one has answered."""
MOST = 16
"""The most addresses tried: the best come first, and if none answers, a firewall likely blocks the others too."""


class _Pair(NamedTuple):
    host: str
    port: int


class Endpoint(_Pair):
    """The host and port to connect to: `host, port = endpoint`.

    Attributes:
        host: DNS name or IP address.
        port: Port number.
        via: The way to the worker: nodePort, perWorker, loadBalancer, ... as in `Address`, or portForward.
        url: The address as a URL, which tells the path behind a proxy for HTTP; empty for a forward.
        tls: The context with which it was found to speak TLS; None if no TLS was asked for.
    """

    via: str = ""
    url: str = ""
    tls: ssl.SSLContext | None = None

    def __new__(cls, host: str, port: int, via: str = "", url: str = "", tls: ssl.SSLContext | None = None) -> Endpoint:
        """Make an endpoint; what comes behind the port is not an item of the tuple."""
        made = super().__new__(cls, host, port)
        made.via, made.url, made.tls = via, url, tls
        return made

    @property
    def address(self) -> str:
        """Return `host:port`, with brackets around an IPv6 address."""
        return host_port(self.host, self.port)


@contextlib.asynccontextmanager
async def connect(
    connection: Connection,
    job: str,
    worker: int | None,
    port: str,
    say: Callable[[str], None],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Endpoint]:
    """Yield the endpoint to connect to; see `AsyncJob.connect`."""
    cluster = await read_cluster(Kubectl(connection), job)
    if address := await choose(report(job, cluster), worker, port, tls):
        yield Endpoint(address.host, address.number, address.via, address.url, tls)
        return
    async with Forward(connection, job, worker=worker, port=port, say=say, cluster=cluster) as way:
        try:
            yield Endpoint(way.host, way.port, "portForward")
        except OSError as error:
            if way.failure:  # The error of a refused connection does not name the pod and the reason.
                raise way.failure from error
            raise


async def choose(
    found: JobAddresses, worker: int | None, port: str, tls: ssl.SSLContext | None = None
) -> Address | None:
    """Return the address to connect to, or None if only a forward can reach the worker.

    Args:
        found: The job's addresses.
        worker: Worker ID; None means any worker.
        port: Name of the worker's port.
        tls: Take only an address that speaks TLS, with a certificate that is right for this context; then it is never
            None, and what can't be tried is not taken.

    Raises:
        UnansweredError: No address speaks TLS as asked for: a forward has another name, so there is none.
        PendingError: There are addresses, none of them is available, and the port can't be forwarded.
    """
    own = [a for w in found.workers if worker in (None, w.id) for a in w.addresses]
    named = [a for a in (own if worker is not None else [*found.shared, *own]) if a.port == port]
    available = [a for a in named if a.state == "available" and a.host and a.number]
    # A Twister2 worker that itself listens on its worker port is killed by connections of other protocols.
    fragile = found.mode == "twister2" and port == "worker"
    if tls:
        usable = [a for a in available if a.protocol == "TCP" and (speaks_tls(a) or not fragile)][:MOST]
        failures: dict[Address, str] = {}
        if chosen := await _first_that_answers(usable, tls, failures):
            return chosen
        raise _no_tls(found.job, port, available, usable, failures)
    # Behind a proxy for HTTP no other protocol reaches the worker.
    usable = sorted((a for a in available if not speaks_tls(a)), key=lambda a: a.by_url)
    datagrams = any(a.protocol != "TCP" for a in named)
    if not datagrams and not fragile:
        return await _first_that_answers(usable[:MOST], None, {})
    if not os.environ.get("KUBERNETES_SERVICE_HOST"):  # Kubernetes sets it in every pod.
        usable = [a for a in usable if a.source not in INSIDE_ONLY]
    if datagrams and not usable and (waiting := [a for a in named if a.state != "available"]):
        first = waiting[0]
        raise PendingError(f"Port {port} of job {found.job}: {first.state}, {first.reason}.", "Try again in a moment.")
    return usable[0] if usable else None


def _no_tls(
    job: str, port: str, available: Sequence[Address], tried: Sequence[Address], failures: Mapping[Address, str]
) -> UnansweredError:
    """Return the error for a job none of whose addresses speaks TLS as asked for."""
    if not available:
        return UnansweredError(
            f"Port {port} of job {job} has no address that is available.", f"`twister2-job address {job}` shows why."
        )
    if tried:
        first = next(iter(failures), tried[0])
        why = failures.get(first, "it does not answer")
        hint = f"`twister2-job check {job}` shows each address and its certificate."
    else:
        first = available[0]
        other = first.protocol != "TCP"
        why = f"it is of {first.protocol}" if other else "it is not tried, since a stranger can kill a Twister2 worker"
        hint = "Leave out tls, or expose a port over TLS: through an Ingress, or a Gateway's HTTPS or TLS listener."
    return UnansweredError(
        f"No address of port {port} of job {job} speaks TLS as asked for; {first.address}: {why}.", hint
    )


async def _first_that_answers(
    addresses: Sequence[Address], tls: ssl.SSLContext | None, failures: dict[Address, str]
) -> Address | None:
    """Return the first address that accepts a connection, or a later one if those before it don't answer in time.

    Args:
        addresses: The addresses, best first.
        tls: How they must speak TLS, if at all.
        failures: Gets the reason of each that speaks no such TLS.
    """
    tasks = [asyncio.ensure_future(_answers(address, tls, failures)) for address in addresses]
    until = time.monotonic() + (TLS_LIMIT if tls else LIMIT)
    try:
        while True:
            answered = [i for i, task in enumerate(tasks) if task.done() and task.result()]
            waiting = [task for task in tasks[: answered[0] if answered else None] if not task.done()]
            until = min(until, time.monotonic() + HEAD_START) if answered else until
            if not waiting or time.monotonic() >= until:
                return addresses[answered[0]] if answered else None
            await asyncio.wait(waiting, timeout=until - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answers(address: Address, tls: ssl.SSLContext | None, failures: dict[Address, str]) -> bool:
    """Tell whether an address accepts a TCP connection in time, and speaks the TLS that is asked for."""

    async def connected() -> bool:
        if tls:
            await handshake(address.host, address.number, tls, TLS_LIMIT, within=TLS_LIMIT)
            return True
        for _, place in await resolve(address.host, LIMIT):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(place[0], address.number)
                writer.close()
                return True
        return False

    try:
        return await asyncio.wait_for(connected(), TLS_LIMIT if tls else LIMIT)
    except ssl.SSLError as error:
        failures[address] = failure(error)
        return False
    except (OSError, asyncio.TimeoutError, TimeoutError):
        return False


@contextlib.contextmanager
def in_thread(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter and leave an asynchronous context manager from synchronous code.

    Its event loop runs in a thread of its own during the block, so that it goes on meanwhile, and works even if the
    caller's thread has a running loop (a notebook).
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="twister2-job", daemon=True)
    thread.start()

    def finish(work: Coroutine[Any, Any, Any]) -> Any:
        with interruptible() as interruption:
            future = asyncio.run_coroutine_threadsafe(interruption.guard(work), loop)
            try:
                return future.result()
            except BaseException:  # Only our waiting has ended: the work must end too, or its kubectl would go on.
                future.cancel()
                raise

    try:
        value: T = finish(manager.__aenter__())
        try:
            yield value
        except BaseException as error:
            if not finish(manager.__aexit__(type(error), error, error.__traceback__)):
                raise
        else:
            finish(manager.__aexit__(None, None, None))
    finally:
        with interruptible():  # Ctrl-C does not cut this short: it has a time limit of its own.
            asyncio.run_coroutine_threadsafe(_wait_for_other_tasks(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _wait_for_other_tasks() -> None:
    """Wait for the end of all other tasks of this loop: after Ctrl-C they are ending their kubectl."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        _, pending = await asyncio.wait(others, timeout=2 * GRACE + 1)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()  # As `asyncio.run` does: some have a running kubectl.
