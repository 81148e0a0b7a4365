"""Runs Twister2 jobs on Kubernetes and finds the addresses at which their workers are reached.

A module is imported when it is first used: `twister2-job address` must not wait for what only `install` needs.
"""

from __future__ import annotations

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; importing `typing` would take half of the time of `--version`.
if TYPE_CHECKING:
    from typing import Any

    from .clients.release import Release
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
    from .exposure.model import Address, JobAddresses, Worker
    from .job import AsyncJob, list_jobs_async
    from .reach.connect import Endpoint
    from .sync import Job, list_jobs
    from .twister2.state import JobState, WorkerProgress
    from .twister2.status import JobStatus

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

_MODULES = {
    "Address": "exposure.model",
    "Endpoint": "reach.connect",
    "Job": "sync",
    "JobAddresses": "exposure.model",
    "JobState": "twister2.state",
    "JobStatus": "twister2.status",
    "Release": "clients.release",
    "Worker": "exposure.model",
    "WorkerProgress": "twister2.state",
    "list_jobs": "sync",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = "errors" if name.endswith("Error") else _MODULES.get(name, "job")
    return getattr(import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    """Return all names, including those not imported yet, so that notebooks complete them."""
    return sorted({*globals(), *__all__})
