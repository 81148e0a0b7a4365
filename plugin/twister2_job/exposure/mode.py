"""A job's mode: what its workers run, read from an annotation of the job's headless Service."""

from __future__ import annotations

from collections.abc import Sequence

from .workers import Object, of_kind

MODE = "twister2-job/mode"
TWISTER2 = "twister2"


def mode(job: str, objects: Sequence[Object]) -> str:
    """Return what a job's workers run: twister2, echo or command; empty if its headless Service is missing."""
    found = [s for s in of_kind(objects, "Service") if s["metadata"]["name"] == job]
    return str((found[0]["metadata"].get("annotations") or {}).get(MODE, "")) if found else ""
