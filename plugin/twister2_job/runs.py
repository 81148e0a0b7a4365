"""The part of the Python API that is about Twister2's own jobs: submit, wait, kill, rerun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .job import AsyncJob
    from .jobstate import JobState
    from .model import JobAddresses


class Runs:
    """What `AsyncJob` can do with a Twister2 job."""

    async def submit(
        self,
        jar: str = "",
        *,
        worker_class: str = "",
        driver: str = "",
        config: Mapping[str, Any] | None = None,
        package: str = "",
        url_secret: str = "",
        detach: bool = False,
        on_ready: Callable[[JobAddresses], None] | None = None,
        **options: Any,
    ) -> JobState:
        """Submit a Twister2 job and follow it to its end.

        Args:
            jar: Path or URL of the jar with the job's classes.
            worker_class: Class of the workers: an IWorker or a Twister2Worker.
            driver: Class of the driver; empty means none.
            config: Twister2's settings, with their types.
            package: Path of a job package of Twister2's own client, in the place of jar, classes and settings.
            url_secret: `NAME` or `NAME:KEY` of a Secret with the URL, in the place of the jar.
            detach: Return when the job's pods run.
            on_ready: Is told the addresses when the job's pods run.
            **options: As for `install`.

        Returns:
            The state of the job: completed, unless `detach`.

        Raises:
            JobFailedError: The job failed.
            JobKilledError: It was killed.
            JobLostError: It can't end any more, or nobody can tell how it ended.
            JobError: Refused; nothing is left behind.
        """
        from .operation import request
        from .submission import Submission
        from .submit import submit

        given = Submission(jar, worker_class, driver, config or {}, package, url_secret)
        publish, wanted = options.pop("publish", True), request(self._whole.name, options)
        return await submit(self._whole, given, wanted, detach=detach, publish=publish, on_ready=on_ready)

    async def wait(self, *, timeout: float | None = None) -> JobState:
        """Wait for the end of a Twister2 job and return its state: completed.

        Args:
            timeout: Seconds; None means no limit, but a job that can't end any more is not waited for.

        Raises:
            JobFailedError: The job failed.
            JobKilledError: It was killed.
            JobLostError: It can't end any more, or nobody can tell how it ended.
            OutOfTimeError: It has not ended in time.
        """
        from .submit import wait

        return await wait(self._whole, timeout)

    async def kill(self, *, logs: str = "", timeout: float = 300, chart: str = "") -> str:
        """End a Twister2 job: no pod is left; its Services, their ports and its release stay.

        Args:
            logs: Folder to save the logs of all containers in; empty means `NAME-logs`.
            timeout: Seconds for all of it.
            chart: As for `install`.

        Returns:
            The folder with the logs; empty if there was no pod.

        Raises:
            OutOfTimeError: There are still pods.
        """
        from .jobrun import kill

        return await kill(self._whole, logs=logs, timeout=timeout, chart=chart)

    async def rerun(
        self, *, detach: bool = False, on_ready: Callable[[JobAddresses], None] | None = None, **options: Any
    ) -> JobState:
        """Run a Twister2 job again, with new pods and the same ports, and follow it to its end; as for `submit`.

        Args:
            detach: Return when the job's pods run.
            on_ready: Is told the addresses when the job's pods run.
            **options: `chart`, `timeout` and `publish` as for `install`.
        """
        from .jobrun import rerun

        given = {"timeout": 300.0, "chart": "", "publish": True, **options}
        return await rerun(self._whole, detach=detach, on_ready=on_ready, **given)

    @property
    def _whole(self) -> AsyncJob:
        return cast("AsyncJob", self)
