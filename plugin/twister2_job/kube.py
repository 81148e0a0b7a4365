"""Reads the cluster through kubectl, which logs in exactly as the user's shell does."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .addresses import Cluster
from .errors import JobNotFoundError, KubectlMissingError, NoClusterError, NoRightsError
from .messages import translate
from .process import Result, run, stream
from .settings import Connection, find_kubectl

PATHS = {
    "Service": "/api/v1/services",
    "Pod": "/api/v1/pods",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "Node": "/api/v1/nodes",
}
OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
NO_COLLECTION = {"GOGC": "off", "GOMEMLIMIT": "300MiB"}
"""Settings of the Go runtime: no garbage collection below this size."""
LIMIT = 30.0
"""Seconds a read may take: kubectl itself would retry a silent server for minutes."""


def _short_lived(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a kubectl that ends soon: without garbage collection it takes a fifth less time."""
    return {**NO_COLLECTION, **env}


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
        """Return the whole command line for `arguments`."""
        return [self.path, *arguments, *self.connection.kubectl_arguments(namespaced=namespaced)]

    async def run(
        self,
        *arguments: str,
        namespaced: bool = True,
        stdin: str | bytes | None = None,
        timeout: float = LIMIT,
    ) -> Result:
        """Run kubectl; an exit code other than 0 is not an error here.

        Raises:
            KubectlMissingError: It doesn't run.
            NoClusterError: It took longer than `timeout` seconds.
        """
        argv = self.argv(*arguments, namespaced=namespaced)
        try:
            with self.connection.kubectl_environment() as own:
                return await run(
                    argv, env=_short_lived(own.env), stdin=stdin, timeout=timeout, pass_fds=own.descriptors
                )
        except TimeoutError:
            raise NoClusterError(
                f"The cluster did not answer kubectl within {timeout:.0f} s.", "Check the network, VPN and kubeconfig."
            ) from None
        except OSError as error:
            raise KubectlMissingError(
                f"kubectl at {self.path} doesn't run: {error.strerror}.", "Name a good one in TWISTER2_JOB_KUBECTL."
            ) from None

    async def items(
        self, kinds: str, *options: str, namespaced: bool = True, timeout: float = LIMIT
    ) -> list[dict[str, Any]]:
        """Return the objects of `kinds`.

        `--chunk-size=0`: one request for each kind instead of one for each 500 objects.

        Raises:
            JobError: The API refuses or can't be reached.
        """
        words = ("get", kinds, *options, "--chunk-size=0", "-o", "json")
        result = await self.run(*words, namespaced=namespaced, timeout=timeout)
        if result.code:
            raise translate(result.err, "kubectl", step="read")
        listed: list[dict[str, Any]] = json.loads(result.out).get("items", [])
        return listed

    async def path_of(self, kind: str, job: str = "") -> str:
        """Return the API's path to the objects of a kind (a key of `PATHS`): a job's, or all of the cluster's nodes."""
        if kind == "Node":
            return PATHS[kind]
        from urllib.parse import quote

        prefix, _, plural = PATHS[kind].rpartition("/")
        namespace = quote(await self.namespace())
        return f"{prefix}/namespaces/{namespace}/{plural}?labelSelector={quote(selector(job))}"

    async def listed(self, kind: str, job: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind, as the API server sends them.

        kubectl itself would ask what kinds there are, and decode, encode and indent them, which takes five times the
        processor time (measured with 1,500 Services).

        Raises:
            JobError: The API refuses or can't be reached.
        """
        result = await self.run("get", "--raw", await self.path_of(kind, job), namespaced=False)
        if result.code:
            raise translate(result.err, "kubectl", step="read")
        return [{**item, "kind": kind} for item in json.loads(result.out).get("items") or []]

    async def nodes(self) -> Sequence[dict[str, Any]] | None:
        """Return the nodes, or None without the right to read them."""
        try:
            return await self.listed("Node")
        except NoRightsError:
            return None

    async def cluster(self, job: str, *, nodes: bool = True) -> Cluster:
        """Read the job's objects and the nodes, side by side.

        Args:
            job: Name of the job.
            nodes: Read the nodes as well; without the right to, the result's nodes are None.

        Raises:
            JobError: The job's objects can't be read.
        """
        # A process takes longer than what it reads, so few of them; but of Services there may be thousands, and they
        # are read as the API server sends them where their path is known.
        kinds = ["pods,statefulsets", "services"] if self.connection.namespace else ["pods,statefulsets,services"]
        reads = [asyncio.ensure_future(self.items(kinds[0], "-l", selector(job)))]
        if kinds[1:]:
            reads.append(asyncio.ensure_future(self.listed("Service", job)))
        theirs = asyncio.ensure_future(self.nodes()) if nodes else None
        every: list[asyncio.Future[Any]] = [*reads, *([theirs] if theirs else [])]
        try:
            objects = [item for read in reads for item in await read]
            return Cluster(objects, await theirs if theirs else None)
        finally:
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)

    async def watch(self, kind: str, job: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield what happens to the job's objects of a kind, until the API server or kubectl ends it.

        Each is what happened and the object: ADDED for every object that is there to begin with and for new ones,
        MODIFIED, DELETED.
        """
        path = f"{await self.path_of(kind, job)}&watch=true"
        argv = self.argv("get", "--raw", path, namespaced=False)
        with self.connection.kubectl_environment() as own:
            async with stream(argv, env=own.env, pass_fds=own.descriptors) as reader:
                while line := await reader.readline():
                    event = json.loads(line)
                    if event.get("type") in ("ADDED", "MODIFIED", "DELETED"):
                        yield event["type"], {**event["object"], "kind": kind}

    async def missing(self, job: str) -> JobNotFoundError:
        """Return the error for a job that doesn't exist."""
        where = await self.namespace()
        return JobNotFoundError(f"There is no job {job} in namespace {where}.", "`twister2-job list -A` shows all.")

    async def namespace(self) -> str:
        """Return the namespace in use: the chosen one, else that of the kubeconfig's context, else `default`."""
        if self.connection.namespace:
            return self.connection.namespace
        result = await self.run("config", "view", "--minify", "-o", "jsonpath={..namespace}")
        if result.code and os.environ.get("KUBERNETES_SERVICE_HOST") and OWN_NAMESPACE.is_file():
            return OWN_NAMESPACE.read_text().strip()  # No kubeconfig, in a pod: kubectl and Helm take the pod's own.
        return result.out.strip() or "default"
