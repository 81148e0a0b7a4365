"""A job package for the tests of the images, made without the chart's own script."""

from __future__ import annotations

import struct
import tarfile
from pathlib import Path

import pytest


def text_field(number: int, value: bytes) -> bytes:
    """Return a field of a protobuf message that is text or a message, shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def job_file(job: str, worker_class: str, groups: list[tuple[int, int]]) -> bytes:
    """Return a job file, numbered as Twister2 0.8.0 does; a group is (instances, workers in a pod)."""
    content = text_field(1, b"a free name") + text_field(2, job.encode()) + text_field(3, worker_class.encode())
    content += bytes([5 << 3, sum(instances * workers for instances, workers in groups)])
    for index, (instances, workers) in enumerate(groups):
        numbers = bytes([2 << 3, 64, 4 << 3, instances, 5 << 3, workers, 6 << 3, 0, 7 << 3, index])
        content += text_field(6, bytes([1 << 3 | 1]) + struct.pack("<d", 0.5) + numbers)
    return content + text_field(8, text_field(2, b"job.jar"))


GROUPS = [(2, 1), (1, 2)]


FILES = {
    "ours.job": job_file("ours", "edu.iu.dsc.tws.examples.basic.HelloWorld", GROUPS),
    "job.jar": b"no jar",
    "kubernetes/core.yaml": b'"twister2.resource.worker.additional.ports": ["web", "admin"]\n',
    "kubernetes/network.yaml": b'"twister2.network.channel.class": "edu.iu.dsc.tws.comms.tcp.TWSTCPChannel"\n',
}


def write_package(folder: Path, files: dict[str, bytes]) -> Path:
    """Write a job package; returns its path."""
    target = folder / "ours.tar.gz"
    with tarfile.open(target, "w:gz") as tar:
        for name, content in files.items():
            (folder / "file").write_bytes(content)
            tar.add(folder / "file", f"twister2-job/{name}")
    return target


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A job package with two groups and two additional ports."""
    return write_package(tmp_path, FILES)
