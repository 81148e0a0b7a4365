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
        return Answer(address, failure=(error.strerror or str(error)).lower())
    with contextlib.suppress(ValueError, TypeError, KeyError):
        reply = json.loads(body.rsplit(b"\n\n", 1)[-1].rsplit(b"\r\n\r\n", 1)[-1])
        return Answer(address, worker=int(reply["worker"]), seconds=time.monotonic() - started)
    return Answer(address, failure="" if body else "closed without a word", seconds=time.monotonic() - started)


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
    wanted = [a for a in addresses if a.state == "available" and a.protocol == "TCP" and a.host and a.number]
    return list(await asyncio.gather(*(ask(a, limit) for a in wanted[:MOST])))
