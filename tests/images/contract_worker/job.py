"""What the job package says: the job file (protobuf), the settings (yaml), and the worker ID that follows from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONFIG_FILES = ("task", "resource", "network", "core", "data", "checkpoint")  # In the order that they are read.


@dataclass(frozen=True)
class Group:
    """A compute resource of the job."""

    instances: int
    workers_per_pod: int


@dataclass
class Job:
    """A job and its settings."""

    id: str = ""
    worker_class: str = ""
    workers: int = 0
    groups: list[Group] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The namespace that the package names; the pod's own one isn't asked for."""
        return str(self.config.get("kubernetes.namespace", "default"))

    def number(self, key: str, default: int) -> int:
        """Return a setting that is a whole number."""
        return int(self.config.get(key, default))


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a protobuf message: number, and an int or bytes; raises ValueError for what isn't one."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, at = varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of the unknown kind {kind} at byte {at}")
        yield tag >> 3, data[at : at + length]
        at += length


def decode_job(data: bytes) -> Job:
    """Return the job that a job file describes."""
    job = Job()
    for number, value in fields(data):
        if number == 2:
            job.id = value.decode()
        elif number == 3:
            job.worker_class = value.decode()
        elif number == 5:
            job.workers = value
        elif number == 6:
            found = dict(fields(value))
            job.groups.append(Group(found.get(4, 0), found.get(5, 0)))
    return job


def read_config(folder: Path) -> dict[str, Any]:
    """Return the settings of a package; what stands in kubernetes/ wins over common/, later files over earlier ones.

    A line is `key: value`, both in JSON or bare words. That is all of yaml that packages need.
    """
    config: dict[str, Any] = {}
    for path in (folder / part / f"{name}.yaml" for part in ("common", "kubernetes") for name in CONFIG_FILES):
        for line in path.read_text().splitlines() if path.exists() else ():
            key, colon, value = line.partition(": ")
            if colon and not line.startswith(("#", " ")):
                config[key.strip().strip('"')] = bare_or_json(value.strip())
    return config


def bare_or_json(text: str) -> Any:
    """Return the value of a piece of JSON, or the text itself if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_job(folder: Path, job_id: str) -> Job:
    """Return the job of an unpacked package."""
    job = decode_job((folder / f"{job_id}.job").read_bytes())
    job.config = read_config(folder)
    return job


def worker_id(job: Job, pod: str, container: str) -> int:
    """Return a worker's ID from the names of its pod, `<job>-<group>-<ordinal>`, and container, `...-<index>`."""
    group, ordinal = (int(part) for part in pod.rsplit("-", 2)[1:])
    earlier = sum(one.instances * one.workers_per_pod for one in job.groups[:group])
    return earlier + ordinal * job.groups[group].workers_per_pod + int(container.rsplit("-", 1)[1])
