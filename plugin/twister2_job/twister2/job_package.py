"""Reads a job package of Twister2's own client, turns it into values, and compares it with the user's own values."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..clients.input_file import source_of
from ..clients.value_files import keep
from ..errors import ChartError, UsageError, ValuesError
from ..exposure.workers import Object, of_kind
from .submission import submission_time

LIMIT = 2**30
"""The most bytes of a package that the pods get from a URL: it is read here too, and each pod stores it twice."""
SCRIPT = "files/job_package.py"
"""Path in the chart of the script that writes and reads packages."""
ORDER = ("task", "resource", "network", "core", "data", "checkpoint")
"""The order in which Twister2 reads the yaml files of a folder; later ones override earlier ones."""
CHANNEL = "twister2.network.channel.class"
PORTS = "twister2.resource.worker.additional.ports"
GROUP_KEYS = {"instances": "", "workersPerPod": "", "cpu": "job.", "ram": "job.", "disk": "job."}
"""Keys of a worker group, each with the prefix that it has in the values of group 0."""


def script(chart: Path) -> ModuleType:
    """Import the chart's script.

    Raises:
        ChartError: The chart has no such script: it is another chart, or an archive.
    """
    path = chart / SCRIPT
    if not path.is_file():
        raise ChartError(
            f"The chart {chart} has no {SCRIPT}.", "The option --package needs the packaged chart, or a folder of it."
        )
    specification = importlib.util.spec_from_file_location("twister2_job_package", path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class JobPackage:
    """A package: the job in its `.job` file, and the settings in its yaml files."""

    job: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        """Return the namespace that Twister2's classes will use."""
        return str(self.settings.get("kubernetes.namespace") or "default")

    @property
    def additional_ports(self) -> list[str]:
        """Return the names of the workers' additional ports."""
        found = self.settings.get(PORTS) or []
        if not isinstance(found, list) or not all(isinstance(name, (str, int)) for name in found):
            raise UsageError(f"{PORTS} of the package is no list of names.", "Make the package again.")
        return [str(name) for name in found]

    @property
    def worker_port(self) -> int:
        """Return the worker port of a pod's first worker."""
        return self._number("kubernetes.worker.base.port", 9000)

    @property
    def master_port(self) -> int:
        """Return the job master's port."""
        return self._number("twister2.job.master.port", 11011)

    def check(self) -> None:
        """Raise UsageError for a setting of the wrong type."""
        _ = self.additional_ports, self.worker_port, self.master_port

    def _number(self, key: str, default: int) -> int:
        """Return a setting that has to be a whole number."""
        found = self.settings.get(key, default)
        try:
            return int(found)
        except (TypeError, ValueError, OverflowError):
            raise UsageError(f"{key} of the package is no number: {found!r:.40}.", "Make the package again.") from None


def settings(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the settings of the yaml files by name; those of `kubernetes/` override those of `common/`.

    Raises:
        UsageError: A file is no YAML, or holds no settings.
    """
    import yaml

    found: dict[str, Any] = {}
    for folder in ("common", "kubernetes"):
        for name in ORDER:
            content = next((text for path, text in files.items() if path.endswith(f"{folder}/{name}.yaml")), b"")
            try:
                loaded = yaml.safe_load(content) or {}
            except (yaml.YAMLError, ValueError, RecursionError):  # The last two: an impossible date, 1,000 brackets.
                loaded = None
            if not isinstance(loaded, dict):
                raise UsageError(f"{folder}/{name}.yaml of the package is no YAML with settings.", "Make it again.")
            found |= loaded
    return found


def read(path: str, chart: Path, job: str, namespace: str, *, content: bytes = b"") -> JobPackage:
    """Return a package that can run as `job` in `namespace`.

    Args:
        path: Its path.
        chart: Folder of the chart, whose script reads it.
        job: Name of the job.
        namespace: Namespace that the job will run in.
        content: What was read from `path`: a pipe or standard input can't be read again.

    Raises:
        UsageError: It is no package, is for another job or namespace, or needs OpenMPI.
    """
    module = script(chart)
    source = source_of(os.path.expanduser(path), "package", UsageError)
    kept = keep(content, source) if source.once else -1
    try:
        whole = module.read_package(source.path if kept < 0 else f"/dev/fd/{kept}")
    except module.PackageError as error:
        raise UsageError(f"{source} can't be used: {str(error).rstrip('.')}.", "Make it again.") from None
    finally:
        if kept >= 0:
            os.close(kept)
    package = JobPackage(whole["job"], settings(whole["files"]))
    package.check()
    if not package.job["groups"]:
        raise UsageError(f"{source} has no workers.", "Make it again.")
    name = package.job["job_id"]
    if name != job:
        raise UsageError(f"The package {path} is of the job {name}, not of {job}.", f"Submit it as {name}.")
    if package.namespace != namespace:
        raise UsageError(
            f"The package {path} is for the namespace {package.namespace} (kubernetes.namespace), not for {namespace}.",
            f"Give --namespace {package.namespace}, or make the package for {namespace}.",
        )
    channel = str(package.settings.get(CHANNEL) or "")
    if not channel or "MPI" in channel:
        what = f"{CHANNEL} is {channel}" if channel else f"{CHANNEL} is missing, which means OpenMPI"
        raise UsageError(
            f"The package {path} needs OpenMPI ({what}), which doesn't run here.",
            "Make it with edu.iu.dsc.tws.comms.tcp.TWSTCPChannel.",
        )
    return package


def values(package: JobPackage, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that agree with the package; its classes and settings stay in the package alone.

    Args:
        package: The package.
        source: The value of `job.package`: where the pods get the package from.
    """
    first, *others = package.job["groups"]
    more = [{key: group[key] for key in GROUP_KEYS} for group in others]
    job = {
        "package": dict(source),
        "cpu": first["cpu"],
        "ram": first["ram"],
        "disk": first["disk"],
        "submissionTime": submission_time(),
        "master": {"port": package.master_port},
    }
    if package.job["driver"]:  # With a driver the job master gets the right to scale the last group.
        job["driver"] = package.job["driver"]
    return {
        "job": job,
        "instances": first["instances"],
        "workersPerPod": first["workersPerPod"],
        "computeResources": more,
        "workerPort": package.worker_port,
        "additionalPorts": [{"name": name} for name in package.additional_ports],
    }


def plan(job: str, rendered: Sequence[Object]) -> dict[str, Any]:
    """Return the plan in a rendered job: the data of which its init containers make the job package."""
    for item in of_kind(rendered, "ConfigMap"):
        if item["metadata"]["name"] == f"{job}-package":
            found: dict[str, Any] = json.loads(item["data"]["plan.json"])
            return found
    raise ValuesError("The values make no Twister2 job.", "Leave command and args out.")


def check(package: JobPackage, plan: Mapping[str, Any]) -> None:
    """Compare a package with the plan that the values make.

    Raises:
        ValuesError: The user's own values contradict the package; the message has all contradictions.
    """
    theirs, ours = package.job["groups"], plan["groups"]
    pairs: list[tuple[str, Any, Any]] = []
    if len(theirs) != len(ours):
        pairs.append(("computeResources: number of groups", len(theirs) - 1, len(ours) - 1))
    for index, (their, our) in enumerate(zip(theirs, ours, strict=False)):
        for key, before in GROUP_KEYS.items():
            path = f"computeResources[{index - 1}].{key}" if index else f"{before}{key}"
            pairs.append((path, their[key], our[key]))
    pairs += [
        ("job.driver", package.job["driver"], plan["driver"]),
        ("additionalPorts", package.additional_ports, list(plan["additionalPorts"])),
        ("workerPort", package.worker_port, plan["workerPort"]),
        ("job.master.port", package.master_port, plan["masterPort"]),
    ]
    wrong = [
        f"{path}: the package has {theirs}, your values have {ours}" for path, theirs, ours in pairs if theirs != ours
    ]
    if wrong:
        raise ValuesError(
            "\n  ".join(["The values contradict the package:", *wrong]),
            "\nLeave these values out: they come from the package.",
        )
