"""The Python API without `await`: `Job` and `list_jobs`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from .clients.interrupt import run_sync
from .job import AsyncJob, list_jobs_async
from .release import parameters

if TYPE_CHECKING:
    import ssl

    from .clients.release import Release
    from .reach.connect import Endpoint
    from .release.parameters import StrPath

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(method: Callable[Concatenate[AsyncJob, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Job, P], T]:
    """Return the method of `Job` that runs a method of `AsyncJob`, with the same parameters, types and docstring."""

    @functools.wraps(method)
    def call(self: Job, /, *args: P.args, **options: P.kwargs) -> T:
        return run_sync(method(self._job, *args, **options))

    call.__qualname__ = f"Job.{method.__name__}"
    return call


class Job:
    """`AsyncJob` without `await`; same arguments, results and errors.

    Ctrl-C cancels a call: what `install` or `submit` has begun is undone, then KeyboardInterrupt is raised.

    Attributes:
        name: Name of the job: the Helm release.
    """

    def __init__(
        self,
        name: str,
        *,
        namespace: str = "",
        kube_context: str = "",
        kubeconfig: StrPath = "",
        say: Callable[[str], None] = parameters.silent,
    ) -> None:
        """Name a job; arguments as for `AsyncJob`."""
        self._job = AsyncJob(name, namespace=namespace, kube_context=kube_context, kubeconfig=kubeconfig, say=say)
        self.name = name

    install = _blocking(AsyncJob.install)
    upgrade = _blocking(AsyncJob.upgrade)
    pin = _blocking(AsyncJob.pin)
    unpin = _blocking(AsyncJob.unpin)
    submit = _blocking(AsyncJob.submit)
    wait = _blocking(AsyncJob.wait)
    kill = _blocking(AsyncJob.kill)
    rerun = _blocking(AsyncJob.rerun)
    publish = _blocking(AsyncJob.publish)
    addresses = _blocking(AsyncJob.addresses)
    status = _blocking(AsyncJob.status)
    uninstall = _blocking(AsyncJob.uninstall)

    def connect(
        self, worker: int | None = None, port: str = "worker", *, tls: ssl.SSLContext | bool = False
    ) -> AbstractContextManager[Endpoint]:
        """Return a context manager that yields (host, port) of a worker; see `AsyncJob.connect`."""
        from .reach.connect import in_thread

        return in_thread(self._job.connect(worker, port, tls=tls))


def list_jobs(
    *, namespace: str = "", all_namespaces: bool = False, kube_context: str = "", kubeconfig: StrPath = ""
) -> list[Release]:
    """Return the releases of this chart; see `list_jobs_async`."""
    return run_sync(
        list_jobs_async(
            namespace=namespace, all_namespaces=all_namespaces, kube_context=kube_context, kubeconfig=kubeconfig
        )
    )
