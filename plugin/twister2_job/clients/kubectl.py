"""Reads the cluster through kubectl, which logs in exactly as the user's shell does."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import JobNotFoundError
from . import further
from .connection import Connection, find_kubectl
from .messages import Step, log_command, translate
from .process import Result, run, stream
from .resources import LIMIT, Cluster, Read, cluster, failures, path_of, raw, reads, short_lived

log = logging.getLogger("twister2_job.kubectl")

OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


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
        self._namespace = connection.namespace

    def argv(self, *arguments: str, namespaced: bool = True) -> list[str]:
        """Return the whole command line for `arguments`, and log it, since it is about to be run."""
        argv = [self.path, *arguments, *self.connection.kubectl_arguments(namespaced=namespaced)]
        log_command(log, argv)
        return argv

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
        with failures(self.path, timeout), self.connection.kubectl_environment() as inherited:
            return await run(
                argv, env=short_lived(inherited.env), stdin=stdin, timeout=timeout, pass_fds=inherited.descriptors,
                lasting=timeout > LIMIT,
            )  # fmt: skip

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
            raise translate(result.err, "kubectl", Step.READ, kubeconfig=self.connection.kubeconfig)
        listed: list[dict[str, Any]] = json.loads(result.out).get("items", [])
        return listed

    async def listed(self, kind: str, job: str = "") -> Sequence[Mapping[str, Any]] | None:
        """Return a job's objects of a kind (a key of `resources.PATHS`), or the nodes: None if they may not be read.

        Raises:
            JobError: The API refuses or can't be reached.
        """
        read = raw(kind, await self.namespace() if job else "", job)
        result = await self.run(*read.words, namespaced=read.namespaced)
        return read.objects(result, self.connection.kubeconfig)

    async def cluster(self, job: str, *, nodes: bool = True) -> Cluster:
        """Read the job's objects and the nodes, in parallel.

        Args:
            job: Name of the job.
            nodes: Read the nodes as well, and what else addresses are made of; without the right to read nodes, the
                result's nodes are None.

        Raises:
            JobError: The job's objects can't be read.
        """
        wanted = reads(self.connection.namespace, job, nodes=nodes)
        found = cluster(wanted, await self._all(wanted), self.connection.kubeconfig)
        return await self.extended(found, job) if nodes else found

    async def extended(self, found: Cluster, job: str) -> Cluster:
        """Return a job's objects together with those of the further kinds that it has, such as Ingresses.

        Args:
            found: What was read so far; its first objects are the job's own.
            job: Name of the job.

        Raises:
            JobError: The API server can't be reached, or fails twice at a kind of the job's own.
        """
        more, kubeconfig = further.further(found.objects, job), self.connection.kubeconfig
        results = await self._all([one.read for one in more])
        if again := further.passing(more, results, kubeconfig):
            await asyncio.sleep(further.PAUSE)
            newer = await self._all([more[index].read for index in again])
            for index, result in zip(again, newer, strict=True):
                results[index] = result
        return further.extended(found, more, results, kubeconfig)

    async def _all(self, wanted: Sequence[Read]) -> list[Result]:
        """Return the result of each read; they run in parallel."""
        tasks = [asyncio.ensure_future(self.run(*read.words, namespaced=read.namespaced)) for read in wanted]
        try:
            return [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def watch(self, kind: str, job: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield the events of the job's objects of a kind, until the API server or kubectl ends the watch.

        `path_of` tells which kinds there are. Each event is a type and the object: ADDED for the objects that exist at
        first and for new ones, MODIFIED, DELETED.
        """
        path = f"{path_of(kind, await self.namespace(), job)}&watch=true"
        argv = self.argv("get", "--raw", path, namespaced=False)
        with self.connection.kubectl_environment() as inherited:
            async with stream(argv, env=inherited.env, pass_fds=inherited.descriptors) as reader:
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
        if not self._namespace:
            result = await self.run("config", "view", "--minify", "-o", "jsonpath={..namespace}")
            self._namespace = result.out.strip() or "default"
            if result.code and os.environ.get("KUBERNETES_SERVICE_HOST") and OWN_NAMESPACE.is_file():
                # In a pod without a kubeconfig kubectl and Helm use the pod's namespace.
                self._namespace = OWN_NAMESPACE.read_text().strip()
        return self._namespace
