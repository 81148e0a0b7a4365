"""Reads the cluster through kubectl, which logs in exactly as the user's shell does."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .addresses import Cluster
from .errors import JobError, JobNotFoundError, KubectlMissingError, NoClusterError, NoRightsError
from .messages import Step, log_command, translate
from .process import Result, run
from .settings import Connection, find_kubectl

KINDS = "pods,statefulsets"
OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
NO_COLLECTION = {"GOGC": "off", "GOMEMLIMIT": "300MiB"}
"""Settings of the Go runtime: no garbage collection below this size."""
LIMIT = 30.0
"""Seconds a read may take: kubectl itself would retry a silent server for minutes."""

log = logging.getLogger("twister2_job.kubectl")


def _short_lived(env: dict[str, str]) -> dict[str, str]:
    """Return the environment of a kubectl that ends soon: without garbage collection it takes a fifth less time."""
    return {name: value for name, value in NO_COLLECTION.items() if name not in os.environ} | env


_INSTANCE = "app.kubernetes.io/name=twister2-job,app.kubernetes.io/instance"
_COMPONENT = "app.kubernetes.io/component"


def selector(job: str) -> str:
    """Return the label selector of everything that belongs to `job`, but for the pod that `helm test` leaves."""
    return f"{_INSTANCE}={job},{_COMPONENT}!=test"


def test_selector(job: str) -> str:
    """Return the label selector of the pod that `helm test` leaves."""
    return f"{_INSTANCE}={job},{_COMPONENT}=test"


class Kubectl:
    """kubectl for one connection.

    Attributes:
        path: Path of the program.
        connection: Cluster and namespace.
    """

    def __init__(self, connection: Connection) -> None:
        """Find kubectl and check the kubeconfig's path.

        Raises:
            KubectlMissingError: There is no kubectl.
            NoClusterError: The named kubeconfig doesn't exist.
        """
        connection.check()
        self.path = find_kubectl()
        self.connection = connection

    def argv(self, *arguments: str, namespaced: bool = True) -> list[str]:
        """Return the whole command line for `arguments`, which is about to be run."""
        argv = [self.path, *arguments, *self.connection.kubectl_arguments(namespaced=namespaced)]
        log_command(log, argv)
        return argv

    async def run(
        self,
        *arguments: str,
        namespaced: bool = True,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = LIMIT,
    ) -> Result:
        """Run kubectl; an exit code other than 0 is not an error here.

        Raises:
            KubectlMissingError: It doesn't start.
            NoClusterError: It took longer than `timeout` seconds.
        """
        argv = self.argv(*arguments, namespaced=namespaced)
        try:
            if env is not None:
                return await run(argv, env=_short_lived(env), stdin=stdin, timeout=timeout)
            with self.connection.kubectl_environment() as own:
                return await run(argv, env=_short_lived(own), stdin=stdin, timeout=timeout)
        except TimeoutError:
            raise NoClusterError(
                f"The cluster did not answer kubectl within {timeout:.0f} s.", "Check the network, VPN and kubeconfig."
            ) from None
        except OSError as error:
            raise KubectlMissingError(
                f"kubectl at {self.path} doesn't start: {error.strerror}.", "Name a good one in TWISTER2_JOB_KUBECTL."
            ) from None

    async def items(
        self, kinds: str, *options: str, namespaced: bool = True, env: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Return the objects of `kinds`.

        `--chunk-size=0`: one request for each kind instead of one for each 500 objects.

        Raises:
            JobError: The API refuses or can't be reached.
        """
        result = await self.run("get", kinds, *options, "--chunk-size=0", "-o", "json", namespaced=namespaced, env=env)
        if result.code:
            raise self._error(result)
        listed: list[dict[str, Any]] = json.loads(result.out).get("items", [])
        return listed

    async def services(self, job: str, *, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
        """Return the job's Services.

        Raises:
            JobError: The API refuses or can't be reached.
        """
        from urllib.parse import quote

        namespace = quote(await self.namespace(env=env))
        path = f"/api/v1/namespaces/{namespace}/services?labelSelector={quote(selector(job))}"
        return [{**item, "kind": "Service"} for item in await self._raw(path, env)]

    async def cluster(self, job: str, *, nodes: bool = True) -> Cluster:
        """Read the job's objects and the nodes, side by side.

        Args:
            job: Name of the job.
            nodes: Read the nodes as well; without the right to, the result's nodes are None.

        Raises:
            JobError: The job's objects can't be read.
        """
        with self.connection.kubectl_environment() as env:
            others = asyncio.ensure_future(self.items(KINDS, "-l", selector(job), env=env))  # It takes longest.
            services = asyncio.ensure_future(self.services(job, env=env))
            theirs = asyncio.ensure_future(self._nodes(env)) if nodes else None
            try:
                objects = [*await services, *await others]
                return Cluster(objects, await theirs if theirs else None)
            except BaseException:
                for task in filter(None, (services, others, theirs)):
                    task.cancel()
                await asyncio.gather(*filter(None, (services, others, theirs)), return_exceptions=True)
                raise

    async def _nodes(self, env: dict[str, str]) -> Sequence[dict[str, Any]] | None:
        """Return the nodes, or None without the right to read them."""
        try:
            return await self._raw("/api/v1/nodes", env)
        except NoRightsError:
            return None

    async def _raw(self, path: str, env: dict[str, str] | None) -> list[dict[str, Any]]:
        """Return the items of a list as the API server sends them; they don't say their kind.

        kubectl itself would decode, encode and indent them, which takes five times the processor time (measured with
        1,500 Services).
        """
        result = await self.run("get", "--raw", path, namespaced=False, env=env)
        if result.code:
            raise self._error(result)
        return json.loads(result.out).get("items") or []

    def _error(self, result: Result) -> JobError:
        """Return the error for a read that failed."""
        return translate(result.err, "kubectl", Step.READ, kubeconfig=self.connection.kubeconfig)

    async def missing(self, job: str) -> JobNotFoundError:
        """Return the error for a job that doesn't exist."""
        where = await self.namespace()
        return JobNotFoundError(f"There is no job {job} in namespace {where}.", "`twister2-job list -A` shows all.")

    async def namespace(self, *, env: dict[str, str] | None = None) -> str:
        """Return the namespace in use: the chosen one, else that of the kubeconfig's context, else `default`."""
        if self.connection.namespace:
            return self.connection.namespace
        result = await self.run("config", "view", "--minify", "-o", "jsonpath={..namespace}", env=env)
        if result.code and os.environ.get("KUBERNETES_SERVICE_HOST") and OWN_NAMESPACE.is_file():
            return OWN_NAMESPACE.read_text().strip()  # No kubeconfig, in a pod: kubectl and Helm take the pod's own.
        return result.out.strip() or "default"
