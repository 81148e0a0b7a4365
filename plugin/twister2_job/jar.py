"""A jar (or a package of Twister2's client) as ConfigMaps: looked at, cut into pieces, owned by the job, removed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import BusyError, JobError, UsageError
from .kube import Kubectl
from .messages import Step, translate
from .wait import Say

LIMIT = 16 * 2**20
"""Bytes that go into ConfigMaps at most: they lie in the cluster's own database."""
PIECE = 900 * 2**10
"""Bytes of one piece: Kubernetes takes ConfigMaps of 1 MiB."""
AT_ONCE = 4
"""Pieces that are sent side by side."""
SEND_LIMIT = 120.0
"""Seconds that sending a piece may take, over a slow line too."""
LEFT_BY = 10.0
"""Seconds that pieces without a release are given to get one, before they count as left by an interrupted run."""
KEY, LABEL = "jar", "twister2-job/jar"


def read(path: str, what: str, remedy: str, *, limit: bool = True) -> bytes:
    """Return the content of a file that goes into ConfigMaps.

    Args:
        path: Where it is.
        what: What it is, for a message.
        remedy: What to do if it is too large.
        limit: It must fit into ConfigMaps.

    Raises:
        UsageError: It is no file, can't be read, or is too large.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UsageError(f"There is no {what} at {path}.", "Check the path; a URL begins with http:// or https://.")
    if (size := file.stat().st_size) > LIMIT and limit:
        raise UsageError(
            f"The {what} {path} has {size / 2**20:.1f} MiB, and ConfigMaps are for at most {LIMIT // 2**20} MiB.",
            remedy,
        )
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"The {what} {path} can't be read: {error.strerror}.", "Check its permissions.") from None


def read_jar(path: str, worker_class: str, say: Say) -> bytes:
    """Return the content of a jar.

    Args:
        path: Where it is.
        worker_class: Class of the workers; the user is told if the jar lacks it.
        say: Is told that.

    Raises:
        UsageError: There is no such jar, it is none, it is too large, or it is a program in Python.
    """
    python = UsageError(
        f"{path} is a program in Python, and Twister2's Python jobs don't run on Kubernetes.", "Give a jar."
    )
    if path.endswith((".py", ".pyz", ".whl")):
        raise python
    content = read(path, "jar", "Put it on a server that the pods reach, and give its URL in the place of the path.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError):
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
    """The ConfigMaps that hold one file for one job; `names` are theirs, in order, `sha256` is that of the file."""

    def __init__(self, kubectl: Kubectl, job: str, content: bytes) -> None:
        """Cut the file; nothing is sent yet."""
        self._kubectl, self._job = kubectl, job
        self._parts = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
        self.names = [f"{job}-jar-{index}" for index in range(len(self._parts))]
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._made: list[str] = []
        self._begun: list[str] = []

    async def make(self) -> None:
        """Send the pieces, each on a standard input: a command line holds 128 KiB, and everybody could read it.

        Raises:
            BusyError: Somebody else has sent some meanwhile.
            JobError: Kubernetes refuses; what was sent is removed again.
        """
        turn = asyncio.Semaphore(AT_ONCE)

        async def send(index: int) -> None:
            async with turn:
                self._begun.append(self.names[index])
                text = json.dumps(manifest(self._job, index, self._parts[index]))
                result = await self._kubectl.run("create", "-f", "-", "-o", "name", stdin=text, timeout=SEND_LIMIT)
            if result.code and "already exists" in result.err.lower():
                raise BusyError(
                    f"The ConfigMap {self.names[index]} exists: another submit of {self._job} is going on.",
                    "Wait for it.",
                )
            if result.code:
                raise translate(result.err, "kubectl", Step.WRITE)
            self._made.append(self.names[index])

        tasks = [asyncio.ensure_future(send(index)) for index in range(len(self._parts))]
        try:
            await asyncio.gather(*tasks)
        except BaseException as error:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if not isinstance(error, BusyError):  # Else what was not answered yet may be somebody else's.
                self._made = self._begun
            await asyncio.shield(self.remove())
            raise

    async def own(self) -> None:
        """Give the pieces to the job's headless Service: they are collected when it goes, by bare Helm too.

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

    async def remove(self) -> None:
        """Remove the pieces that were sent from here."""
        made, self._made = self._made, []
        await remove(self._kubectl, made)


def manifest(job: str, index: int, content: bytes) -> dict[str, Any]:
    """Return one piece as Kubernetes takes it."""
    labels = {
        "app.kubernetes.io/name": "twister2-job",
        "app.kubernetes.io/instance": job,
        "app.kubernetes.io/managed-by": "twister2-job",
        LABEL: str(index),
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{job}-jar-{index}", "labels": labels},
        "immutable": True,
        "binaryData": {KEY: base64.b64encode(content).decode()},
    }


async def present(kubectl: Kubectl, job: str) -> list[str]:
    """Return the names of the pieces that a job of this name has in the cluster.

    As a table: then the server leaves out what is in them.

    Raises:
        JobError: The API refuses or can't be reached.
    """
    chosen = f"{LABEL},app.kubernetes.io/name=twister2-job,app.kubernetes.io/instance={job}"
    result = await kubectl.run("get", "configmaps", "-l", chosen, "--no-headers", "--ignore-not-found")
    if result.code:
        raise translate(result.err, "kubectl", Step.READ)
    return [line.split()[0] for line in result.out.splitlines() if line.strip()]


async def remove(kubectl: Kubectl, names: Sequence[str]) -> None:
    """Remove pieces; one that is gone is no error.

    Raises:
        JobError: Kubernetes refuses.
    """
    if not names:
        return
    result = await kubectl.run("delete", "configmap", *names, "--ignore-not-found", "--wait=false", "-o", "name")
    if result.code:
        raise translate(result.err, "kubectl", Step.REMOVE)


async def remove_leftovers(kubectl: Kubectl, job: str, names: Sequence[str], say: Say) -> None:
    """Remove the pieces of a job that has no release: those of a killed submit.

    Those of a job that was just uninstalled go by themselves in a moment, and those of a submit that goes on get a
    release, so they are given some seconds.

    Args:
        kubectl: The client.
        job: Name of the job.
        names: Their names.
        say: Is told what is waited for, and what was removed.

    Raises:
        BusyError: A release or other pieces came meanwhile.
    """
    if not names:
        return
    say(f"There is a jar of an earlier run of {job}; waiting {LEFT_BY:.0f} s for whoever works on it.")
    left = list(names)
    for _ in range(int(LEFT_BY)):
        await asyncio.sleep(1)
        left = await present(kubectl, job)
        if not left:
            return
        if set(left) - set(names):
            raise BusyError(f"Another submit of {job} is going on.", "Wait for it.")
    found = await kubectl.run("get", "service", job, "-o", "name", "--ignore-not-found")
    if found.code or found.out.strip():
        raise BusyError(f"Another submit of {job} is going on, or {job} is not wholly uninstalled.", "Wait for it.")
    await remove(kubectl, left)
    say(f"Removed the jar of an interrupted run of {job} ({len(left)} ConfigMaps).")


async def try_own(pieces: Pieces, say: Say) -> None:
    """Give pieces to their job; a failure is told, and does the job no harm."""
    try:
        await pieces.own()
    except JobError as error:
        say(f"The jar's ConfigMaps stay when Helm uninstalls the job ({error}) `twister2-job uninstall` removes them.")
