"""Reads and changes releases through Helm."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HelmMissingError, JobError, JobNotFoundError, NoClusterError
from .connection import Connection, find_helm
from .environment import of_helm
from .helm_version import helm_version
from .manifests import documents, template_words
from .messages import Step, log_command, translate
from .process import Result, run
from .release import Release
from .resources import short_lived

LIMIT = 60.0
"""Seconds for a command of Helm that changes nothing."""

CHANGES = ("install", "upgrade", "uninstall", "rollback")  # Commands of Helm.

log = logging.getLogger("twister2_job.helm")


@dataclass(frozen=True)
class Revision:
    """An entry of a release's history; `status` is Helm's name of the state."""

    number: int
    status: str
    chart: str
    app_version: str = ""
    updated: str = ""


@dataclass(frozen=True)
class Applied:
    """A revision that Helm has just made: its number and its rendered objects."""

    revision: int
    manifest: str


class Helm:
    """Helm for one connection.

    Attributes:
        path: Path of the program.
        connection: Cluster and namespace.
        descriptors: Open files that every run of Helm inherits: inputs that can be read only once.
    """

    def __init__(self, connection: Connection) -> None:
        """Find Helm and check the kubeconfig's path.

        Raises:
            HelmMissingError: There is no Helm.
            NoClusterError: The named kubeconfig doesn't exist.
        """
        connection.check()
        self.path = find_helm()
        self.connection = connection
        self.descriptors: tuple[int, ...] = ()

    async def run(self, *arguments: str, timeout: float | None = LIMIT, stdin: str | None = None) -> Result:
        """Run Helm; an exit code other than 0 is not an error here.

        Raises:
            HelmMissingError: It doesn't run.
            NoClusterError: It took longer than `timeout` seconds.
        """
        argv = [self.path, *arguments, *self.connection.helm_arguments()]
        log_command(log, argv)
        try:
            env, fds = short_lived(of_helm()), self.descriptors
            for number in fds if any("/dev/fd/" in word for word in argv) else ():
                os.lseek(number, 0, os.SEEK_SET)  # Except on Linux, all opens of /dev/fd/N share one position.
            lasting = arguments[0] in CHANGES
            return await run(argv, env=env, timeout=timeout, stdin=stdin, pass_fds=fds, lasting=lasting)
        except TimeoutError:
            raise NoClusterError(
                f"The cluster did not answer Helm within {timeout:.0f} s.", "Check the network, VPN and kubeconfig."
            ) from None
        except OSError as error:
            raise HelmMissingError(
                f"Helm at {self.path} doesn't run: {error.strerror}.", "Name a good one in HELM_BIN."
            ) from None

    async def output(self, *arguments: str, timeout: float | None = LIMIT, step: Step = Step.READ) -> str:
        """Run Helm and return its output.

        Raises:
            JobError: It fails.
        """
        result = await self.run(*arguments, timeout=timeout)
        if result.code:
            raise self._error(result, step)
        return result.out

    def _error(self, result: Result, step: Step) -> JobError:
        """Return the error for a command that failed."""
        return translate(result.err, "helm", step, kubeconfig=self.connection.kubeconfig)

    async def template(
        self, name: str, chart: Path, options: Sequence[str], *, upgrade: bool, values: str | None = None
    ) -> list[dict[str, Any]]:
        """Render the chart without the cluster, so that wrong values are reported before anything is sent.

        Args:
            name: Name of the release.
            chart: Absolute path of the chart.
            options: The user's own value options.
            upgrade: Render as for an upgrade.
            values: Values as JSON or YAML text, which `options` override.

        Returns:
            The rendered objects, without those of hooks and tests.

        Raises:
            ValuesError: The schema or a template refuses the values.
            ChartError: The chart is broken.
        """
        mode = ["--is-upgrade"] if upgrade else []
        given = ["--values", "-"] if values is not None else []
        result = await self.run(*template_words(name, str(chart), options, *mode, *given), stdin=values)
        if result.code:
            raise translate(result.err, "helm", Step.RENDER, chart=str(chart))
        return await asyncio.to_thread(documents, result.out)

    async def values(self, name: str, revision: int) -> dict[str, Any]:
        """Return the values that the user gave for a revision; they may hold secrets.

        Raises:
            JobNotFoundError: There is no such release.
        """
        words = ("get", "values", name, "--revision", str(revision))
        found: dict[str, Any] = json.loads(await self.output(*words, "--output", "json")) or {}
        return found

    async def force(self, name: str, revision: int = 0) -> list[str]:
        """Return the option with which Helm also changes fields that others have set, as Helm 3 always does.

        Fields have managers if the API server applied the revision for Helm 4; otherwise Helm refuses the option.

        Args:
            name: Name of the release.
            revision: The revision that the change builds on; 0 means the newest.
        """
        return ["--force-conflicts"] if await self.applied_by_server(name, revision) else []

    async def force_at_install(self) -> list[str]:
        """Return that option for an install, which the API server applies for Helm 4; Helm 3 has no such option."""
        return ["--force-conflicts"] if (await helm_version(self.path))[0] >= 4 else []

    async def history(self, name: str) -> list[Revision]:
        """Return the revisions of a release, oldest first; an empty list if there is none.

        `helm history` reads one kind of object; `helm status` of Helm 4 reads every object of the release.
        """
        result = await self.run("history", name, "--output", "json")
        if result.code:
            if result.err.strip() == "Error: release: not found":
                return []  # Checked here since every install gets it: importing the rules for messages takes 25 ms.
            error = self._error(result, Step.READ)
            if isinstance(error, JobNotFoundError):
                return []
            raise error
        return [
            Revision(int(r["revision"]), r["status"], r["chart"], str(r.get("app_version", "")), str(r.get("updated")))
            for r in json.loads(result.out or "[]")
        ]

    async def releases(self, *, all_namespaces: bool) -> list[Release]:
        """Return every release, of any chart, in any state.

        Helm gets a flag for each state, since Helm 4 has no `--all`.
        """
        states = ["--deployed", "--failed", "--pending", "--uninstalled", "--uninstalling"]
        everywhere = ["--all-namespaces"] if all_namespaces else []
        text = await self.output("list", "--output", "json", "--max", "100000", *states, *everywhere)
        return [
            Release(
                name=r["name"],
                namespace=r["namespace"],
                revision=int(r["revision"]),
                status=r["status"],
                chart=r["chart"],
                app_version=str(r.get("app_version", "")),
                updated=str(r.get("updated", "")),
            )
            for r in json.loads(text or "[]")
        ]

    async def uninstall(self, name: str, *, timeout: float = 300, keep_history: bool = False) -> None:
        """Remove a release and all its objects.

        Args:
            name: Name of the release.
            timeout: Seconds for the removal.
            keep_history: Keep its revisions, as `helm uninstall --keep-history` does.

        Raises:
            JobNotFoundError: There is no such release.
        """
        keep = ["--keep-history"] if keep_history else []
        words = ("uninstall", name, *keep, "--timeout", seconds(timeout))
        await self.output(*words, timeout=timeout + LIMIT, step=Step.REMOVE)

    async def rollback(self, name: str, revision: int, *, timeout: float = 300) -> None:
        """Make `revision` live again, as a new revision, even if others have changed its objects."""
        words = ("rollback", name, str(revision), *await self.force(name, revision))
        await self.output(*words, "--timeout", seconds(timeout), timeout=timeout + LIMIT, step=Step.APPLY)

    async def applied_by_server(self, name: str, revision: int = 0) -> bool:
        """Tell whether the API server applied a revision, as for Helm 4, and so records the manager of each field.

        Args:
            name: Name of the release.
            revision: The revision; 0 means the newest.
        """
        which = ["--revision", str(revision)] if revision else []
        found = json.loads(await self.output("get", "metadata", name, *which, "--output", "json"))
        return bool(found.get("applyMethod") == "ssa")

    async def manifest(self, name: str, revision: int) -> list[dict[str, Any]]:
        """Return the rendered objects of a revision; none if there is no such revision."""
        try:
            text = await self.output("get", "manifest", name, "--revision", str(revision))
        except JobNotFoundError:
            return []
        return await asyncio.to_thread(documents, text)

    async def change(
        self,
        verb: str,
        name: str,
        chart: Path,
        arguments: Sequence[str],
        *,
        values: dict[str, Any],
        labels: Mapping[str, str],
        timeout: float,
    ) -> Applied:
        """Install or upgrade a release through pyhelm3's Command, without waiting for the workers.

        Args:
            verb: `install` or `upgrade`.
            name: Name of the release.
            chart: Absolute path of the chart.
            arguments: The user's own options (`-f`, `--set`, ...), passed to Helm unchanged.
            values: Values for Helm's standard input, which no other user can read; `arguments` override them.
            labels: Labels for the release.
            timeout: Seconds for each single operation of Helm, such as a hook.

        Returns:
            The new revision.

        Raises:
            JobError: Helm or the API refuses.
        """
        from .pyhelm import new_command

        async def run(words: Sequence[str], stdin: str | None) -> str:
            result = await self.run(*words, stdin=stdin, timeout=None)
            if result.code:
                where = self.connection.kubeconfig
                raise translate(result.err, "helm", Step.APPLY, chart=str(chart), kubeconfig=where)
            for line in result.err.splitlines():
                log.info("helm: %s", line)
            return result.out

        marked = ",".join(f"{key}={value}" for key, value in labels.items())
        options = ("--labels", marked, "--timeout", seconds(timeout), *arguments)
        release = await getattr(new_command(run, self.path), verb)(name, str(chart), values, *options)
        return Applied(int(release["version"]), str(release.get("manifest", "")))


def seconds(timeout: float) -> str:
    """Return a duration for Helm's `--timeout`."""
    return f"{max(1, math.ceil(timeout))}s"
