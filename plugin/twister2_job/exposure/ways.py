"""What a way in whose objects are no Services gets, to find their addresses: see `addresses.WAYS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .model import Address
from .workers import Object

EXPOSURE = "twister2-job/exposure"
"""Label of every object of an exposure: the exposure's name."""
WORKER = "twister2-job/worker"
"""Label of what leads to one worker: its ID."""
PORT = "twister2-job/port"
"""Label of an Ingress or a route: the name of the worker's port."""


class View(NamedTuple):
    """What a way in may look at.

    Attributes:
        base: Returns an object's address so far: way, port, protocol TCP, the object's name, and the state of the
            workers behind it with the reason. A way fills in the rest, and may only worsen an available state.
        others: Objects that are not the job's, such as Gateways.
    """

    base: Callable[[Object], Address]
    others: Sequence[Object]


Way = Callable[[Sequence[Object], View], Iterator[tuple[Object, Address]]]
"""Takes all objects of a way in, sorted by name, and yields each address together with the object that gives it."""
