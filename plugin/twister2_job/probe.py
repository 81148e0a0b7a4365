"""Tries addresses from where the user stands: an HTTP GET that the echo worker answers with its identity."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .model import Address

LIMIT = 1.5
"""Seconds an address gets; all are tried side by side, so it bounds the whole try."""
PATIENCE = 3.0
"""Seconds in which failed addresses are asked again: kube-proxy opens a new node port up to a second late."""
MOST = 64
"""Addresses tried at most: a big cluster has hundreds, and the best come first."""


@dataclass(frozen=True)
class Answer:
    """What an address answered: the worker's ID (-1 if it did not say) after `seconds`, or a `failure`."""

    address: Address
    worker: int = -1
    seconds: float = 0.0
    failure: str = ""


async def ask(address: Address, limit: float = LIMIT) -> Answer:
    """Ask one address for its worker; `limit` in seconds."""
    started = time.monotonic()
    try:
        body = await asyncio.wait_for(_get(address.host, address.number), limit)
    except (asyncio.TimeoutError, TimeoutError):
        return Answer(address, failure="no answer")
    except OSError as error:
        return Answer(address, failure=reason(error))
    with contextlib.suppress(ValueError, TypeError, KeyError):
        reply = json.loads(body.rsplit(b"\n\n", 1)[-1].rsplit(b"\r\n\r\n", 1)[-1])
        return Answer(address, worker=int(reply["worker"]), seconds=time.monotonic() - started)
    return Answer(address, failure="" if body else "closed without a word", seconds=time.monotonic() - started)


def reason(error: OSError) -> str:
    """Return why a connection failed, in a few words."""
    refused = isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error)
    return "refused" if refused and error.errno in (None, 111, 61) else (error.strerror or str(error)).lower()


async def _get(host: str, number: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, number)
    try:
        writer.write(b"GET / HTTP/1.0\r\nHost: twister2-job\r\n\r\n")
        await writer.drain()
        return await reader.read(65536) + await reader.read(65536)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def ask_all(addresses: Sequence[Address], limit: float = LIMIT) -> list[Answer]:
    """Ask all available TCP addresses side by side, in the given order, the first `MOST` of them."""
    wanted = [a for a in addresses if a.state == "available" and a.protocol == "TCP" and a.host and a.number][:MOST]
    until = time.monotonic() + PATIENCE
    answers = list(await asyncio.gather(*(ask(a, limit) for a in wanted)))
    while any(answer.failure for answer in answers) and time.monotonic() < until:
        await asyncio.sleep(0.1)
        again = [index for index, answer in enumerate(answers) if answer.failure]
        for index, answer in zip(again, await asyncio.gather(*(ask(wanted[i], limit) for i in again)), strict=True):
            answers[index] = answer
    return answers
