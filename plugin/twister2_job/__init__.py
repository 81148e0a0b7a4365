"""Runs Twister2 jobs on Kubernetes and tells at which addresses their workers are reached.

Nothing is imported before it is used: `twister2-job address` must not pay for what only `install` needs.
"""

from __future__ import annotations

TYPE_CHECKING = False  # As in `typing`, whose import would be half of what `--version` takes.
if TYPE_CHECKING:
    from typing import Any

    from .client import Endpoint
    from .errors import (
        BusyError,
        ChartError,
        ForwardLostError,
        HelmMissingError,
        JobError,
        JobExistsError,
        JobFailedError,
        JobKilledError,
        JobLostError,
        JobNotFoundError,
        KubectlMissingError,
        LocalPortError,
        LoginError,
        NameRefusedError,
        NamespaceMissingError,
        NoClusterError,
        NoRightsError,
        NotExposedError,
        OutOfTimeError,
        PendingError,
        PortRangeError,
        PortTakenError,
        RefusedError,
        UnansweredError,
        UsageError,
        ValuesError,
    )
    from .job import AsyncJob, list_jobs_async
    from .jobstate import JobState, WorkerProgress
    from .model import Address, JobAddresses, Worker
    from .releasedata import Release
    from .status import JobStatus
    from .sync import Job, list_jobs

__version__ = "0.1.0"
__all__ = [
    "Address",
    "AsyncJob",
    "BusyError",
    "ChartError",
    "Endpoint",
    "ForwardLostError",
    "HelmMissingError",
    "Job",
    "JobAddresses",
    "JobError",
    "JobExistsError",
    "JobFailedError",
    "JobKilledError",
    "JobLostError",
    "JobNotFoundError",
    "JobState",
    "JobStatus",
    "KubectlMissingError",
    "LocalPortError",
    "LoginError",
    "NameRefusedError",
    "NamespaceMissingError",
    "NoClusterError",
    "NoRightsError",
    "NotExposedError",
    "OutOfTimeError",
    "PendingError",
    "PortRangeError",
    "PortTakenError",
    "RefusedError",
    "Release",
    "UnansweredError",
    "UsageError",
    "ValuesError",
    "Worker",
    "WorkerProgress",
    "__version__",
    "list_jobs",
    "list_jobs_async",
]

_HOME = {
    "Endpoint": "client",
    "Job": "sync",
    "JobState": "jobstate",
    "WorkerProgress": "jobstate",
    "list_jobs": "sync",
    "Address": "model",
    "JobAddresses": "model",
    "JobStatus": "status",
    "Release": "releasedata",
    "Worker": "model",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = "errors" if name.endswith("Error") else _HOME.get(name, "job")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    """Return all names, also those that were not imported yet: notebooks complete them."""
    return sorted({*globals(), *__all__})
