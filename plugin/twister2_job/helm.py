"""Helm: reading releases with the process runner, installing and upgrading through pyhelm3."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ChartError, HelmMissingError, JobError, JobNotFoundError, NoClusterError
from .messages import Step, log_command, translate
from .model import Release
from .process import Result, run
from .settings import Connection, find_helm

LIMIT = 60.0
"""Seconds for a command of Helm that only reads."""

log = logging.getLogger("twister2_job.helm")


@dataclass(frozen=True)
class Revision:
    """One entry of a release's history; `status` as Helm names it."""

    number: int
    status: str
    chart: str
    app_version: str = ""
    updated: str = ""


def current(history: Sequence[Revision]) -> Revision:
    """Return the revision whose values an upgrade keeps: the deployed one, as Helm does it.

    Under a pending revision, which is undone first, it is the newest that was deployed before; without any the last.
    """
    pending = history[-1].status.startswith("pending")
    for status in ("deployed", *(["superseded"] if pending else [])):
        if found := [revision for revision in history if revision.status == status]:
            return found[-1]
    return history[-1]


class Helm:
    """Helm for one connection; `path` is the program."""

    def __init__(self, connection: Connection) -> None:
        """Find Helm and check the kubeconfig's path.

        Raises:
            HelmMissingError: There is no Helm.
            NoClusterError: The named kubeconfig doesn't exist.
        """
        connection.check()
        self.path = find_helm()
        self.connection = connection

    async def run(self, *arguments: str, timeout: float | None = LIMIT, stdin: str | None = None) -> Result:
        """Run Helm; an exit code other than 0 is not an error here.

        Raises:
            HelmMissingError: It doesn't start.
            NoClusterError: It took longer than `timeout` seconds.
        """
        argv = [self.path, *arguments, *self.connection.helm_arguments()]
        log_command(log, argv)
        try:
            return await run(argv, timeout=timeout, stdin=stdin)
        except TimeoutError:
            raise NoClusterError(
                f"The cluster did not answer Helm within {timeout:.0f} s.", "Check the network, VPN and kubeconfig."
            ) from None
        except OSError as error:
            raise HelmMissingError(
                f"Helm at {self.path} doesn't start: {error.strerror}.", "Name a good one in HELM_BIN."
            ) from None

    async def output(self, *arguments: str, timeout: float | None = LIMIT) -> str:
        """Return what Helm prints.

        Raises:
            JobError: It fails.
        """
        result = await self.run(*arguments, timeout=timeout)
        if result.code:
            step = {"uninstall": Step.REMOVE, "rollback": Step.APPLY}.get(arguments[0], Step.READ)
            raise self._error(result, step)
        return result.out

    def _error(self, result: Result, step: Step) -> JobError:
        """Return the error for a command that failed."""
        return translate(result.err, "helm", step, kubeconfig=self.connection.kubeconfig)

    async def template(
        self, name: str, chart: Path, options: Sequence[str], *, upgrade: bool, values: str | None = None
    ) -> list[dict[str, Any]]:
        """Render the chart without the cluster, so that bad values are told at once and nothing is sent.

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
        result = await self.run("template", name, str(chart), "--no-hooks", *mode, *given, *options, stdin=values)
        if result.code:
            raise translate(result.err, "helm", Step.RENDER, chart=str(chart))
        return await asyncio.to_thread(_documents, result.out)

    async def values(self, name: str, revision: int) -> dict[str, Any]:
        """Return the values that the user gave for a revision; they may hold secrets.

        Raises:
            JobNotFoundError: There is no such release.
        """
        words = ("get", "values", name, "--revision", str(revision))
        found: dict[str, Any] = json.loads(await self.output(*words, "--output", "json")) or {}
        return found

    async def force(self, name: str, revision: int = 0) -> list[str]:
        """Return the option with which Helm changes also what others have set, as Helm 3 always does.

        Fields have owners if Helm 4 had the API server apply the revision; if not, it refuses the option.

        Args:
            name: Name of the release.
            revision: The revision that is built on; 0 means the newest.
        """
        which = ["--revision", str(revision)] if revision else []
        found = json.loads(await self.output("get", "metadata", name, *which, "--output", "json"))
        return ["--force-conflicts"] if found.get("applyMethod") == "ssa" else []

    async def history(self, name: str) -> list[Revision]:
        """Return the revisions of a release, oldest first; an empty list if there is none.

        `helm history` reads one kind of object; `helm status` of Helm 4 reads every object of the release.
        """
        result = await self.run("history", name, "--output", "json")
        if result.code:
            if result.err.strip() == "Error: release: not found":
                return []  # Every install comes here: the rules for all other words take 25 ms to read.
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

        The state flags instead of `--all`: Helm 4 has no `--all`.
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

    async def uninstall(self, name: str, *, timeout: float = 300) -> None:
        """Remove a release and all its objects.

        Raises:
            JobNotFoundError: There is no such release.
        """
        await self.output("uninstall", name, "--timeout", f"{timeout:.0f}s", timeout=timeout + LIMIT)

    async def rollback(self, name: str, revision: int, *, timeout: float = 300) -> None:
        """Make `revision` the live one again (as a new revision), also where somebody else has changed it."""
        words = ("rollback", name, str(revision), *await self.force(name, revision))
        await self.output(*words, "--timeout", f"{timeout:.0f}s", timeout=timeout + LIMIT)


def load_pyhelm3(path: str) -> Any:
    """Import pyhelm3 and return its Client on our Command; 0.3 s, so it is done in a thread while Helm renders.

    The Client's constructor runs `helm version`, by which it chooses the options of Helm 3 or 4.

    Raises:
        HelmMissingError: Helm doesn't run.
    """
    import subprocess

    from .pyhelm import ExecCommand, new_client

    try:
        return new_client(ExecCommand(executable=path), path)
    except (AssertionError, OSError, subprocess.CalledProcessError, ValueError) as error:
        raise HelmMissingError(f"Helm at {path} doesn't run: {error}.", "Name a good one in HELM_BIN.") from None


async def apply(
    client: Any,
    helm: Helm,
    name: str,
    chart: Path,
    arguments: Sequence[str],
    *,
    values: dict[str, Any],
    create_namespace: bool,
    timeout: float,
) -> int:
    """Install or upgrade the release through pyhelm3, without waiting for the workers.

    Args:
        client: What `load_pyhelm3` returned.
        helm: Helm for the connection.
        name: Name of the release.
        chart: Absolute path of the chart.
        arguments: The user's own options (`-f`, `--set`, ...), handed to Helm as they are.
        values: Values that go to Helm on its standard input, where nobody can read them; `arguments` override them.
        create_namespace: Make the namespace if it is missing.
        timeout: Seconds for each single operation of Helm, hooks for example.

    Returns:
        The new revision's number.

    Raises:
        JobError: Helm or the API refuses.
    """
    from .pyhelm import Chart, HelmError

    command = client._command
    command.extra = [*arguments, *helm.connection.helm_arguments()]
    try:
        metadata = await asyncio.to_thread(_metadata, chart)
        revision = await client.install_or_upgrade_release(
            name,
            Chart(command, ref=chart, metadata=metadata),
            values,
            create_namespace=create_namespace,
            timeout=f"{timeout:.0f}s",
        )
    except HelmError as error:
        kubeconfig = helm.connection.kubeconfig
        said = error.stderr.decode(errors="replace")
        raise translate(said, "helm", Step.APPLY, chart=str(chart), kubeconfig=kubeconfig) from None
    number: int = revision.revision
    return number


def _documents(text: str) -> list[dict[str, Any]]:
    """Return the objects of a rendered manifest; with PyYAML's C loader 2,000 take 0.3 s, without it 10 s."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [found for found in yaml.load_all(text, Loader=loader) if found]


def _metadata(chart: Path) -> dict[str, Any]:
    """Return the chart's Chart.yaml; reading it here spares `helm show chart`."""
    import tarfile

    import yaml

    try:
        if chart.is_dir():
            text = (chart / "Chart.yaml").read_bytes()
        else:
            with tarfile.open(chart) as archive:
                inside = next(n for n in archive.getnames() if n.count("/") == 1 and n.endswith("/Chart.yaml"))
                file = archive.extractfile(inside)
                assert file is not None
                text = file.read()
        loaded: dict[str, Any] = yaml.safe_load(text)
        return loaded
    except (OSError, tarfile.TarError, StopIteration, yaml.YAMLError) as error:
        raise ChartError(f"The chart {chart} can't be read: {error or 'no Chart.yaml'}.", "Check --chart.") from None
