"""Finds values that an upgrade resets: if any value is given, Helm takes the chart's defaults for all others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from ..clients.helm import Helm
from ..clients.messages.text import listed
from ..errors import JobError
from .plan import KEEP

HINT = f"What an upgrade with values does not give goes back to the chart's defaults; with {KEEP} it stays as it is."


def dropped_paths(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of the values in `before` that are missing from `after`."""
    for key, value in before.items():
        if key not in after:
            yield path + key
        elif isinstance(value, dict) and isinstance(after[key], dict):
            yield from dropped_paths(value, after[key], f"{path}{key}.")


async def described(helm: Helm, name: str, before: int, after: int) -> str:
    """Return a sentence about the values that a revision reset to the chart's defaults; empty if there are none.

    Args:
        helm: The client.
        name: Name of the release.
        before: The revision whose values were in use until now.
        after: The new revision.
    """
    try:
        old, new = await asyncio.gather(helm.values(name, before), helm.values(name, after))
    except JobError:
        return ""  # The upgrade itself has succeeded.
    paths = list(dropped_paths(old, new))
    if not paths:
        return ""
    return (
        f"Not given, and so back at the chart's defaults: {listed(paths)}. "
        f"`helm get values {name} --revision {before}` shows what they were; "
        f"with {KEEP} an upgrade keeps what it does not give."
    )
