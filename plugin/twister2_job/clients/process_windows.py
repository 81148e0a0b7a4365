"""The process runner for systems without posix_spawn (Windows), where children don't end with their parent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from .children import Result, result


async def run(
    argv: Sequence[str], *, env: Mapping[str, str] | None, stdin: bytes | None, timeout: float | None
) -> Result:
    """Run a program to its end; see `process.run`."""
    null, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, env=env, stdin=null if stdin is None else pipe, stdout=pipe, stderr=pipe
    )
    talk = asyncio.ensure_future(process.communicate(stdin))
    try:
        await asyncio.wait({talk}, timeout=timeout)
        if not talk.done():
            raise TimeoutError(f"{argv[0]} took longer than {timeout} s")
        out, err = talk.result()
        return result(process.returncode or 0, out, err)
    finally:
        if not talk.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.wait({talk})


@contextlib.asynccontextmanager
async def stream(argv: Sequence[str], *, env: Mapping[str, str] | None) -> AsyncIterator[asyncio.StreamReader]:
    """Run a program in the background and yield its standard output; see `process.stream`."""
    null, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdin=null, stdout=pipe, stderr=null, limit=2**24)
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
