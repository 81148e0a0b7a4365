"""The commands for Twister2's own jobs: submit, wait, kill and rerun."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from ..exposure.model import JobAddresses
from ..job import AsyncJob
from ..twister2 import submission
from ..twister2.state import JobState

Print = Callable[[JobAddresses], None]


def _ended(job: AsyncJob, state: JobState, began: float) -> int:
    """Tell how a job that has completed ended."""
    workers = f" ({len(state.workers)} workers)" if state.workers else ""
    job.say(f"job {job.name} {state.state}{workers}, {time.monotonic() - began:.0f} s after the command began")
    return 0


def _detached(job: AsyncJob) -> int:
    job.say(f"the pods of job {job.name} run; `twister2-job wait {job.name}` follows it to its end")
    return 0


async def submit(job: AsyncJob, arguments: argparse.Namespace, show: Print) -> int:
    """Submit a job and follow it."""
    began = time.monotonic()
    state = await job.submit(
        arguments.jar,
        worker_class=arguments.worker_class,
        driver=arguments.driver,
        config=submission.config(arguments.config),
        package=arguments.package,
        url_secret=arguments.url_secret,
        detach=arguments.detach,
        on_ready=show,
        arguments=arguments.arguments or [],
        chart=arguments.chart,
        timeout=arguments.timeout,
        create_namespace=arguments.create_namespace,
        rollback_on_failure=arguments.rollback_on_failure,
        force_conflicts=arguments.force_conflicts,
    )
    return _detached(job) if arguments.detach else _ended(job, state, began)


async def rerun(job: AsyncJob, arguments: argparse.Namespace, show: Print) -> int:
    """Run a job again and follow it."""
    began = time.monotonic()
    state = await job.rerun(detach=arguments.detach, on_ready=show, chart=arguments.chart, timeout=arguments.timeout)
    return _detached(job) if arguments.detach else _ended(job, state, began)


async def wait(job: AsyncJob, arguments: argparse.Namespace) -> int:
    """Follow a job to its end."""
    began = time.monotonic()
    return _ended(job, await job.wait(timeout=arguments.timeout), began)


async def kill(job: AsyncJob, arguments: argparse.Namespace) -> int:
    """End a job."""
    folder = await job.kill(logs=arguments.logs, timeout=arguments.timeout, chart=arguments.chart)
    logs = f"; the logs are in {folder}" if folder else ""
    job.say(f"no pod of job {job.name} is left; its Services and ports stay{logs}")
    job.say(f"`twister2-job rerun {job.name}` runs it again, `twister2-job uninstall {job.name}` removes it")
    return 0
