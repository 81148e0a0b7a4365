"""Whether DNS leads the host of an address to where it must lead: to the load balancer or proxy that answers for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..exposure.model import Address
from ..exposure.nodes import family
from .sockets import resolve


async def misled(addresses: Sequence[Address], limit: float) -> dict[str, str]:
    """Return a clause for each host that DNS leads elsewhere, or knows not at all.

    Args:
        addresses: Any addresses; those without `leads_to` or whose host is an IP address are left out.
        limit: Seconds for each lookup.
    """
    wanted: dict[str, set[str]] = {}
    for address in addresses:
        if address.leads_to and address.host and not family(address.host):
            wanted.setdefault(address.host, set()).update(address.leads_to)
    names = sorted(wanted.keys() | {target for targets in wanted.values() for target in targets})
    turn = asyncio.Semaphore(16)

    async def places(host: str) -> set[str]:
        async with turn:
            try:
                return {str(place[0]) for _, place in await resolve(host, limit)}
            except (OSError, asyncio.TimeoutError, TimeoutError):
                return set()

    found = dict(zip(names, await asyncio.gather(*map(places, names)), strict=True))
    clauses = {}
    for host, targets in wanted.items():
        must = set().union(*(found[target] for target in targets))
        to = " or ".join(sorted(targets))
        if not found[host]:
            clauses[host] = f"DNS does not know {host} here, and must lead it to {to}"
        elif must and not found[host] & must:
            clauses[host] = f"DNS leads {host} to {', '.join(sorted(found[host]))}, and must lead it to {to}"
    return clauses
