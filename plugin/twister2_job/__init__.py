"""Runs Twister2 jobs on Kubernetes and tells at which addresses their workers are reached.

Nothing is imported before it is used: `twister2-job address` must not pay for what only `install` needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Endpoint
    from .errors import JobError
    from .job import AsyncJob, list_jobs_async
    from .jobstate import JobState, WorkerProgress
    from .model import Address, JobAddresses, JobStatus, Release, Worker
    from .sync import Job, list_jobs

__version__ = "0.1.0"
__all__ = [
    "Address",
    "AsyncJob",
    "Endpoint",
    "Job",
    "JobAddresses",
    "JobError",
    "JobState",
    "JobStatus",
    "Release",
    "Worker",
    "WorkerProgress",
    "__version__",
    "list_jobs",
    "list_jobs_async",
]

_HOME = {
    "Endpoint": "client",
    "JobError": "errors",
    "Job": "sync",
    "JobState": "jobstate",
    "WorkerProgress": "jobstate",
    "list_jobs": "sync",
    "Address": "model",
    "JobAddresses": "model",
    "JobStatus": "model",
    "Release": "model",
    "Worker": "model",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME.get(name, 'job')}", __name__), name)
