"""The only module that imports pyhelm3: its Command, run by our process runner.

pyhelm3's own Command runs Helm under /bin/sh, so that ending it leaves Helm running, and shows tokens to all users.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from types import ModuleType
from typing import Any

Run = Callable[[Sequence[str], "str | None"], Coroutine[Any, Any, str]]
"""Runs Helm with arguments and a text for its standard input, and returns what it printed."""


@functools.cache
def load() -> type[Any]:
    """Return pyhelm3's class Command.

    The package also imports its models, and these pydantic: 0.3 s of processor time for what is not used here. So only
    its module `command` is imported, and removed from `sys.modules`: a later import of pyhelm3 gets the whole package.
    """
    if whole := sys.modules.get("pyhelm3"):
        found: type[Any] = whole.Command
        return found
    specification = importlib.util.find_spec("pyhelm3")
    if not specification or not specification.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'pyhelm3'", name="pyhelm3")
    package = ModuleType("pyhelm3")
    package.__path__ = list(specification.submodule_search_locations)
    sys.modules["pyhelm3"] = package
    try:
        from pyhelm3.command import Command
    finally:
        for name in ("pyhelm3", "pyhelm3.command", "pyhelm3.errors"):
            sys.modules.pop(name, None)
    found = Command
    return found


def new_command(run: Run, executable: str) -> Any:
    """Return pyhelm3's Command with `install` and `upgrade` as this package needs them.

    Args:
        run: Runs Helm for one cluster and namespace, and raises JobError when it fails.
        executable: Path of Helm.
    """

    class ExecCommand(load()):  # type: ignore[misc]
        """pyhelm3's Command with our runner instead of a shell, and our errors instead of pyhelm3's."""

        async def run(self, command: list[str], input: bytes | None = None) -> bytes:
            """Run one Helm command and return what it printed."""
            text = await run([str(part) for part in command], input.decode() if input is not None else None)
            return text.encode()

        async def install(self, name: str, chart: str, values: Any, *options: str) -> dict[str, Any]:
            """Install a release; pyhelm3's `upgrade --install` would upgrade a release that another run just made."""
            return await self._change("install", name, chart, values, *options)

        async def upgrade(self, name: str, chart: str, values: Any, *options: str) -> dict[str, Any]:
            """Upgrade an existing release; a missing one is not installed."""
            return await self._change("upgrade", name, chart, values, *options)

        async def _change(self, verb: str, name: str, chart: str, values: Any, *options: str) -> dict[str, Any]:
            words = [verb, name, chart, "--output", "json", "--values", "-", *options]
            text = await self.run(words, json.dumps(values or {}).encode())
            found: dict[str, Any] = json.loads(text[text.index(b"{") :])  # Lines about a pulled chart may come first.
            return found

    return ExecCommand(executable=executable)
