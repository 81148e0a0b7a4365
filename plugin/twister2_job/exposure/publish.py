"""Writes a job's addresses into its ConfigMap, which its workers mount and other applications can read."""

from __future__ import annotations

import json
from collections.abc import Callable

from ..clients.connection import Connection
from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from ..errors import JobError, JobNotFoundError, RefusedError
from .model import Address, JobAddresses

KEY = "addresses.json"
LIMIT = 1_000_000
"""The most bytes of the document: Kubernetes accepts ConfigMaps of up to 1 MiB."""
SHORTENED = "There are too many addresses for one ConfigMap; this has the best one of each worker's port."


def name_of(job: str) -> str:
    """Return the name of a job's ConfigMap; the chart makes it."""
    return f"{job}-addresses"


def document(report: JobAddresses) -> str:
    """Return the document for the ConfigMap: the output of `address -o json` without blanks.

    Raises:
        RefusedError: The job has too many addresses for a ConfigMap.
    """
    for shown in (report, _best(report)):
        text = json.dumps(shown.to_dict(), separators=(",", ":"))
        if len(text.encode()) <= LIMIT:
            return text
    raise RefusedError(
        f"The addresses of {report.job} take {len(text.encode())} bytes, and a ConfigMap holds 1 MiB.",
        "Expose fewer workers or ports (perWorker.count, perWorker.ports).",
    )


def _best(report: JobAddresses) -> JobAddresses:
    """Return the report with only the first address of each port."""

    def firsts(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        found: dict[tuple[str, str], Address] = {}
        for address in addresses:
            found.setdefault((address.via, address.port), address)
        return tuple(found.values())

    workers = tuple(worker._replace(addresses=firsts(worker.addresses)) for worker in report.workers)
    return report._replace(shared=firsts(report.shared), workers=workers, warnings=(*report.warnings, SHORTENED))


async def publish(kubectl: Kubectl, report: JobAddresses) -> None:
    """Write the report into the job's ConfigMap; running workers see it within about a minute.

    Args:
        kubectl: The client.
        report: The job's addresses.

    Raises:
        JobNotFoundError: The release has no such ConfigMap: an older chart made it.
        JobError: Kubernetes refuses.
    """
    name, patch = name_of(report.job), json.dumps({"data": {KEY: document(report)}})
    # On standard input: a command-line argument holds at most 128 KiB, and a temporary file could be left behind.
    words = ("patch", "configmap", name, "--type=merge", "--patch-file=/dev/stdin", "-o", "name")
    result = await kubectl.run(*words, stdin=patch)
    if result.code and "not found" in result.err.lower():
        raise JobNotFoundError(
            f"The job {report.job} has no ConfigMap {name}: it is gone, or an older chart made it.",
            f"`twister2-job upgrade {report.job}` makes it.",
        )
    if result.code:
        raise translate(result.err, "kubectl", Step.WRITE)


async def try_publish(connection: Connection, report: JobAddresses, say: Callable[[str], None]) -> None:
    """Publish the addresses after a change; a failure goes to `say` and does not fail the change."""
    try:
        await publish(Kubectl(connection), report)
    except JobError as error:
        say(f"The workers are not told their addresses: {error}")
