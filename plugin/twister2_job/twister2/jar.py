"""Sends a jar (or a package of Twister2's client) to the cluster: checks it, cuts it into ConfigMaps, removes them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import os
import time
from collections.abc import Sequence
from typing import Any

from ..clients.input_file import read as read_bounded
from ..clients.input_file import source_of
from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from ..clients.resources import FILE, file_selector
from ..errors import BusyError, JobError, UsageError
from ..release.operation import Say
from ..release.run_mark import Mark, remaining
from ..release.storage import Row, rows

LIMIT = 16 * 2**20
"""The most bytes that go into ConfigMaps, which are stored in the cluster's own database."""
PIECE = 900 * 2**10
"""Bytes of one piece: Kubernetes accepts ConfigMaps of up to 1 MiB."""
AT_ONCE = 4
"""Number of pieces that are sent at the same time."""
SEND_LIMIT = 120.0
"""Seconds that sending a piece may take, even over a slow connection."""
DELETION_WAIT = 10.0
"""Seconds to wait until the pieces of a job that was just uninstalled are gone: Kubernetes deletes them."""
KEY = "jar"


async def read(path: str, what: str, remedy: str, *, limit: int = LIMIT, deadline: float | None = None) -> bytes:
    """Return the content of a file that goes to the pods; a pipe or standard input (`-`) is read once, to its end.

    Args:
        path: Its path.
        what: A name for it in messages.
        remedy: What to do if it is too large.
        limit: The most bytes that it may have; `LIMIT` if it goes into ConfigMaps.
        deadline: The end of the time for reading it, on the clock of `time.monotonic`; None means no limit.

    Raises:
        UsageError: It is missing, a folder or a device, can't be read, or is too large.
        OutOfTimeError: It did not come to its end in time.
    """
    hint = "Check the path; a URL begins with http:// or https://."
    most = "the most that ConfigMaps are for" if limit == LIMIT else ""
    source = source_of(os.path.expanduser(path), what, UsageError, hint)
    return await read_bounded(source, limit, deadline=deadline, remedy=remedy, most=most)


async def read_jar(path: str, worker_class: str, say: Say, *, deadline: float | None = None) -> bytes:
    """Return the content of a jar.

    Args:
        path: Its path.
        worker_class: Class of the workers.
        say: Is called with a sentence if the jar lacks that class.
        deadline: As for `read`.

    Raises:
        UsageError: It is missing, too large, no jar, or a program in Python.
        OutOfTimeError: It did not come to its end in time.
    """
    python = UsageError(
        f"{path} is a program in Python, and Twister2's Python jobs don't run on Kubernetes.", "Give a jar."
    )
    if path.endswith((".py", ".pyz", ".whl")):
        raise python
    remedy = "Put it on a server that the pods reach, and give its URL in the place of the path."
    content = await read(path, "jar", remedy, deadline=deadline)
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OverflowError):
        raise UsageError(
            f"{path} is no jar: it can't be opened as one.", "Give the jar with the job's classes."
        ) from None
    if not any(name.endswith(".class") or name.startswith("META-INF/") for name in names):
        if any(name.endswith(".py") for name in names):
            raise python
        raise UsageError(f"{path} is no jar: it holds no class.", "Give the jar with the job's classes.")
    if f"{worker_class.replace('.', '/')}.class" not in names:
        say(f"{path} holds no class {worker_class}: it must be in the image.")
    return content


class Pieces:
    """The ConfigMaps that hold a file for a job: `names` in order of the pieces, and `sha256` of the whole file."""

    def __init__(self, kubectl: Kubectl, job: str, content: bytes, mark: Mark) -> None:
        """Cut the file; nothing is sent yet. Names and labels have the mark of the run, so runs don't collide."""
        self._kubectl, self._job, self._mark = kubectl, job, mark
        self._parts = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
        self.names = [f"{job}-jar-{mark.id}-{index}" for index in range(len(self._parts))]
        self.sha256 = hashlib.sha256(content).hexdigest()

    async def make(self) -> None:
        """Send the pieces on kubectl's standard input: an argument holds 128 KiB at most, and all users can read it.

        Raises:
            JobError: Kubernetes refuses; the sent pieces stay until `remove`.
        """
        turn = asyncio.Semaphore(AT_ONCE)

        async def send(index: int) -> None:
            async with turn:
                text = json.dumps(manifest(self._job, self.names[index], index, self._parts[index], self._mark))
                result = await self._kubectl.run("create", "-f", "-", "-o", "name", stdin=text, timeout=SEND_LIMIT)
            if result.code:
                raise translate(result.err, "kubectl", Step.WRITE)

        tasks = [asyncio.ensure_future(send(index)) for index in range(len(self._parts))]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def own(self) -> None:
        """Make the job's headless Service the owner of the pieces, so that they are deleted with it, by Helm too.

        Raises:
            JobError: Kubernetes refuses.
        """
        found = await self._kubectl.run("get", "service", self._job, "-o", "jsonpath={.metadata.uid}")
        if found.code:
            raise translate(found.err, "kubectl", Step.READ)
        owner = {"apiVersion": "v1", "kind": "Service", "name": self._job, "uid": found.out.strip()}
        patch = json.dumps({"metadata": {"ownerReferences": [owner]}})
        result = await self._kubectl.run(
            "patch", "configmap", *self.names, "--type=merge", "-p", patch, "-o", "name", timeout=SEND_LIMIT
        )
        if result.code:
            raise translate(result.err, "kubectl", Step.WRITE)

    async def remove(self) -> str:
        """Remove the pieces, whose names no other run uses; return a name for what was removed, empty if nothing."""
        return "what was sent of the jar" if await remove(self._kubectl, self.names) else ""


def manifest(job: str, name: str, index: int, content: bytes, mark: Mark) -> dict[str, Any]:
    """Return the ConfigMap of one piece."""
    labels = {
        **mark.labels(),
        "app.kubernetes.io/name": "twister2-job",
        "app.kubernetes.io/instance": job,
        "app.kubernetes.io/managed-by": "twister2-job",
        FILE: str(index),
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels},
        "immutable": True,
        "binaryData": {KEY: base64.b64encode(content).decode()},
    }


async def present(kubectl: Kubectl, job: str) -> list[Row]:
    """Return the pieces that a job of this name has in the cluster.

    They are read as a table, which has no contents, and ages by the server's clock.

    Raises:
        JobError: The API refuses or can't be reached.
    """
    words = ("get", "configmaps", "-l", file_selector(job), "--no-headers", "--show-labels", "--ignore-not-found")
    result = await kubectl.run(*words)
    if result.code:
        raise translate(result.err, "kubectl", Step.READ)
    return rows(result.out, time.time())


async def remove(kubectl: Kubectl, names: Sequence[str]) -> bool:
    """Remove pieces, and tell whether there were any; a missing piece is no error.

    Raises:
        JobError: Kubernetes refuses.
    """
    if not names:
        return False
    result = await kubectl.run("delete", "configmap", *names, "--ignore-not-found", "--wait=false", "-o", "name")
    if result.code:
        raise translate(result.err, "kubectl", Step.WRITE)
    return bool(result.out.strip())


async def remove_leftovers(kubectl: Kubectl, job: str, pieces: Sequence[Row], say: Say) -> None:
    """Remove the pieces of a job without a release: those that a killed submit has left.

    Pieces of a job that was just uninstalled are deleted by Kubernetes in a moment; those of a running submit stay.

    Args:
        kubectl: The client.
        job: Name of the job.
        pieces: The pieces.
        say: Is called with a sentence about the wait and about what was removed.

    Raises:
        BusyError: The submit that sent them may still be running, or a job uses them.
    """
    if not pieces:
        return
    longest = max(remaining(piece.labels, piece.since) for piece in pieces)
    if longest > 0:
        say(f"There is a jar of another run of {job}; waiting {DELETION_WAIT:.0f} s for whoever works on it.")
        for _ in range(int(DELETION_WAIT)):
            await asyncio.sleep(1)
            if not (pieces := await present(kubectl, job)):
                return
        raise BusyError(
            f"Another submit of {job} is going on: it has sent a jar.",
            f"Wait for it, or, if it was stopped on another machine, for {longest:.0f} s: then its jar counts as left.",
        )
    found = await kubectl.run("get", "service", job, "-o", "name", "--ignore-not-found")
    if found.code or found.out.strip():
        raise BusyError(f"Another submit of {job} is going on, or {job} is not wholly uninstalled.", "Wait for it.")
    await remove(kubectl, [piece.name.rpartition("/")[2] for piece in pieces])
    say(f"Removed the jar of an interrupted run of {job} ({len(pieces)} ConfigMaps).")


async def try_own(pieces: Pieces, say: Say) -> None:
    """Make the job the owner of its pieces; a failure goes to `say` and does the job no harm."""
    try:
        await pieces.own()
    except JobError as error:
        say(f"The jar's ConfigMaps stay when Helm uninstalls the job ({error}) `twister2-job uninstall` removes them.")
