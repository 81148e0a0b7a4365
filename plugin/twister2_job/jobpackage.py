"""A job package that Twister2's own client made: read, turned into values, and compared with the user's own."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import ChartError, UsageError, ValuesError
from .submission import submission_time
from .workers import Object, of_kind

SCRIPT = "files/job_package.py"
"""Where in the chart the script is that writes and reads packages."""
ORDER = ("task", "resource", "network", "core", "data", "checkpoint")
"""In which order Twister2 reads the yaml files of a folder; what is read later wins."""
CHANNEL = "twister2.network.channel.class"
GROUP_KEYS = {"instances": "", "workersPerPod": "", "cpu": "job.", "ram": "job.", "disk": "job."}
"""What a worker group has, with what stands before it in the path of group 0's value."""


def script(chart: Path) -> ModuleType:
    """Import the chart's script.

    Raises:
        ChartError: The chart has none: it is another or an archive.
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
    """A package: the job as its `.job` file has it, and the settings of its yaml files."""

    job: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        """Return the namespace that Twister2's classes will use."""
        return str(self.settings.get("kubernetes.namespace") or "default")

    @property
    def additional_ports(self) -> list[str]:
        """Return the names of the workers' additional ports."""
        return [str(name) for name in self.settings.get("twister2.resource.worker.additional.ports") or []]

    @property
    def worker_port(self) -> int:
        """Return the worker port of a pod's first worker."""
        return int(self.settings.get("kubernetes.worker.base.port", 9000))

    @property
    def master_port(self) -> int:
        """Return the job master's port."""
        return int(self.settings.get("twister2.job.master.port", 11011))


def settings(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the settings of the yaml files by name; those of `kubernetes/` win over those of `common/`.

    Raises:
        UsageError: A file is no YAML.
    """
    import yaml

    found: dict[str, Any] = {}
    for folder in ("common", "kubernetes"):
        for name in ORDER:
            content = next((text for path, text in files.items() if path.endswith(f"{folder}/{name}.yaml")), b"")
            try:
                found |= yaml.safe_load(content) or {}
            except (yaml.YAMLError, TypeError):
                raise UsageError(
                    f"{folder}/{name}.yaml of the package is no YAML.", "Make the package again."
                ) from None
    return found


def read(path: str, chart: Path, job: str, namespace: str) -> JobPackage:
    """Return a package that can run as `job` in `namespace`.

    Raises:
        UsageError: It is no package, of another job or namespace, or of a kind that doesn't run here.
    """
    module = script(chart)
    try:
        whole = module.read_package(path)
    except module.PackageError as error:
        raise UsageError(f"The package {path} can't be used: {str(error).rstrip('.')}.", "Make it again.") from None
    package = JobPackage(whole["job"], settings(whole["files"]))
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
    """Return the values that say the same as the package, but for its classes and settings, which it keeps to itself.

    Args:
        package: The package.
        source: Where the pods get it from: the value of `job.package`.
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
    if package.job["driver"]:  # With it the job master gets the right to scale the last group.
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
    """Return the plan of a rendered job: what its init containers would make of the values."""
    for item in of_kind(rendered, "ConfigMap"):
        if item["metadata"]["name"] == f"{job}-package":
            found: dict[str, Any] = json.loads(item["data"]["plan.json"])
            return found
    raise ValuesError("The values make no Twister2 job.", "Leave command and args out.")


def check(package: JobPackage, plan: Mapping[str, Any]) -> None:
    """Compare a package with the plan that the values make.

    Raises:
        ValuesError: The user's own values say something else; all contradictions at once.
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
