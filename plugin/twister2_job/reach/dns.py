"""Whether DNS leads the host of an address to where it must lead: to the load balancer or proxy that answers for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ..exposure.model import Address
from ..exposure.nodes import family
from .in_time import in_time
from .sockets import resolve

AT_ONCE = 16
"""The most lookups at once: each has a thread."""
WRONG_DNS = "wrong DNS record"

Places = set[str] | None
"""The IP addresses of a name: none if DNS does not know it, None if it did not say in time."""


async def misled(
    addresses: Sequence[Address], limit: float, known: Mapping[str, Places], seconds: float
) -> tuple[dict[str, str], list[str]]:
    """Return a clause for each host that DNS leads elsewhere, or knows not at all, and warnings of what is not known.

    Args:
        addresses: Any addresses; those without `leads_to` or whose host is an IP address are left out.
        limit: Seconds for each lookup.
        known: Names that have been looked up already.
        seconds: The time for all lookups.
    """
    wanted: dict[str, set[str]] = {}
    for address in addresses:
        if address.leads_to and address.host and not family(address.host):
            wanted.setdefault(address.host, set()).update(address.leads_to)
    names = wanted.keys() | set().union(*wanted.values())

    async def places(host: str) -> Places:
        try:
            return {str(place[0]) for _, place in await resolve(host, limit)}
        except (asyncio.TimeoutError, TimeoutError):
            return None
        except OSError:
            return set()

    found = {**known, **{name: {name} for name in names if family(name)}}
    found.update(await in_time(places, sorted(names - found.keys()), AT_ONCE, seconds))
    clauses = {}
    unsure: dict[str, str] = {}
    for host, targets in wanted.items():
        here, there = found.get(host), {target: found.get(target) for target in sorted(targets)}
        must = set().union(*(one or () for one in there.values()))
        to = " or ".join(there)
        if here is None:
            clauses[host] = f"no name server answers here for {host}, and DNS must lead it to {to}"
        elif not here:
            clauses[host] = f"DNS does not know {host} here, and must lead it to {to}"
        elif here & must:
            continue
        elif late := [target for target, one in there.items() if one is None]:
            unsure.setdefault(late[0], host)
        elif must:
            clauses[host] = f"DNS leads {host} to {', '.join(sorted(here))}, and must lead it to {to}"
    return clauses, [
        f"No name server told in time where {target} leads: whether DNS leads {host} there is not known."
        for target, host in unsure.items()
    ]
