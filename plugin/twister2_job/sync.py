"""The Python API without `await`: `Job` and `list_jobs`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from .job import AsyncJob, list_jobs_async
from .model import JobAddresses, JobStatus, Release

if TYPE_CHECKING:
    from .client import Endpoint
    from .jobstate import JobState

T = TypeVar("T")


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, also where a loop runs already (a notebook): then in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class Job:
    """`AsyncJob` without `await`; same arguments, results and errors."""

    def __init__(self, name: str, **options: Any) -> None:
        """Name a job; arguments as for `AsyncJob`."""
        self._job = AsyncJob(name, **options)
        self.name = name

    def install(self, **options: Any) -> JobAddresses:
        """Install the job, wait for its workers and return its addresses; see `AsyncJob.install`."""
        return run_sync(self._job.install(**options))

    def upgrade(self, **options: Any) -> JobAddresses:
        """Upgrade the job, wait for its workers and return its addresses; see `AsyncJob.upgrade`."""
        return run_sync(self._job.upgrade(**options))

    def pin(self, **options: Any) -> JobAddresses:
        """Make the node ports that the job has now values of its release; see `AsyncJob.pin`."""
        return run_sync(self._job.pin(**options))

    def unpin(self, **options: Any) -> JobAddresses:
        """Take every fixed node port out of the release's values; see `AsyncJob.unpin`."""
        return run_sync(self._job.unpin(**options))

    def submit(self, jar: str = "", **options: Any) -> JobState:
        """Submit a Twister2 job and follow it to its end; see `AsyncJob.submit`."""
        return run_sync(self._job.submit(jar, **options))

    def wait(self, *, timeout: float | None = None) -> JobState:
        """Wait for the end of a Twister2 job; see `AsyncJob.wait`."""
        return run_sync(self._job.wait(timeout=timeout))

    def kill(self, **options: Any) -> str:
        """End a Twister2 job; see `AsyncJob.kill`."""
        return run_sync(self._job.kill(**options))

    def rerun(self, **options: Any) -> JobState:
        """Run a Twister2 job again and follow it to its end; see `AsyncJob.rerun`."""
        return run_sync(self._job.rerun(**options))

    def publish(self) -> JobAddresses:
        """Write the addresses into the ConfigMap that the workers have mounted; see `AsyncJob.publish`."""
        return run_sync(self._job.publish())

    def addresses(self, *, address_type: str = "") -> JobAddresses:
        """Return the addresses of the workers, read live; see `AsyncJob.addresses`."""
        return run_sync(self._job.addresses(address_type=address_type))

    def connect(self, worker: int | None = None, port: str = "worker") -> AbstractContextManager[Endpoint]:
        """Return a context manager that yields (host, port) of a worker; see `AsyncJob.connect`."""
        from .client import in_thread

        return in_thread(self._job.connect(worker, port))

    def status(self) -> JobStatus:
        """Return release, workers and exposures as they are; see `AsyncJob.status`."""
        return run_sync(self._job.status())

    def uninstall(self, *, wait: bool = False, timeout: float = 300) -> None:
        """Remove the job; see `AsyncJob.uninstall`."""
        run_sync(self._job.uninstall(wait=wait, timeout=timeout))


def list_jobs(**options: Any) -> list[Release]:
    """Return the releases of this chart; see `list_jobs_async`."""
    return run_sync(list_jobs_async(**options))
