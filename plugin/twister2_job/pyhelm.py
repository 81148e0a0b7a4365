"""The one module that imports pyhelm3: its Client on a Command that runs Helm without a shell.

pyhelm3's own Command runs Helm under /bin/sh, so that ending it leaves Helm running, and it puts tokens on the command
line. Importing it takes 0.3 s: import this module only where a release is made.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from pyhelm3 import Chart, Client, Command, ReleaseRevision
from pyhelm3.errors import Error as HelmError

from .messages import log_command
from .process import run

__all__ = ["Chart", "Client", "ExecCommand", "HelmError", "ReleaseRevision", "new_client"]

log = logging.getLogger("twister2_job.helm")


class ExecCommand(Command):  # type: ignore[misc]
    """pyhelm3's Command with exec instead of a shell.

    Attributes:
        extra: Arguments for the end of an `upgrade`: the user's values and the connection, as they are.
    """

    extra: list[str]

    def __init__(self, **options: Any) -> None:
        """Take pyhelm3's options."""
        super().__init__(**options)
        self.extra = []

    async def run(self, command: list[str], input: bytes | None = None) -> bytes:
        """Run one Helm command.

        Raises:
            pyhelm3.errors.Error: Helm fails; `stderr` has its words.
        """
        arguments = [str(part) for part in command]
        if arguments[0] == "upgrade":
            arguments += self.extra
        log_command(log, [self._executable, *arguments])
        result = await run([self._executable, *arguments], stdin=input.decode() if input is not None else None)
        if result.code:
            raise HelmError(result.code, result.out.encode(), result.err.encode())
        for line in result.err.splitlines():
            log.info("helm: %s", line)  # pyhelm3 drops Helm's warnings.
        return (_without_manifest(result.out) if arguments[0] == "upgrade" else result.out).encode()


def _without_manifest(release: str) -> str:
    """Return a release as Helm printed it, less its manifest, which pyhelm3 would parse: 2 s for 1,000 Services."""
    return json.dumps({**json.loads(release), "manifest": ""})


def new_client(command: ExecCommand, path: str) -> Client:
    """Return pyhelm3's Client; it runs `helm version` and blocks meanwhile, so call it in a thread."""
    logging.getLogger("pyhelm3").setLevel(logging.CRITICAL)
    return Client(command, executable=path)
