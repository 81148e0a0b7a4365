"""Renders the chart in one process that stays: `helm template` costs 0.1 s of processor time before it begins."""

from __future__ import annotations

import json
import re
import select
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import CHART, KUBE_VERSION, helm_binaries
from tests.fuzz.generator import Case

PROGRAM = helm_binaries.cache_root() / "tools" / "render"
MEMORY_MIB = 4096
SECONDS = 20


def as_text(values: dict[str, Any]) -> str:
    """Return the text of a values file: JSON, with every character escaped that YAML takes only so."""
    text = json.dumps(values, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", text)


class Renderer:
    """The program of tests/tools/render; a rendering that takes too much memory or time ends it and is told as such."""

    def __init__(self, program: Path = PROGRAM, chart: Path = CHART, memory: int = MEMORY_MIB) -> None:
        self.command = [str(program), str(chart), KUBE_VERSION, str(memory)]
        self.memory = memory
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program."""
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def render(self, case: Case, objects: bool = True) -> dict[str, Any]:
        """Return `manifest`, `notes`, `objects` and `faults`, or `error`; see tests/tools/render/main.go."""
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        asked = {
            "name": case.name, "namespace": case.namespace, "values": as_text(case.values),
            "skipSchema": case.skip_schema, "objects": objects,
        }  # fmt: skip
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        # The program says nothing before it is done, so the first byte means that the rest comes at once.
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        line = self.process.stdout.readline() if ready else b""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.close()
        if ready:
            return {"error": f"resources: rendering took more than {self.memory} MiB of memory"}
        return {"error": f"resources: rendering took more than {SECONDS} seconds"}
