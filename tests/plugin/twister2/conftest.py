"""A cluster whose kubectl shows what a test tells it to."""

import asyncio
import json
import time

import pytest
from twister2_job.clients.connection import Connection
from twister2_job.clients.kubectl import Kubectl
from twister2_job.twister2 import follower as follower_module
from twister2_job.twister2.follower import Follower

from tests.plugin.twister2.objects import (
    MASTER,
    whole_job,
)

SCRIPT = """#!/bin/sh
folder="{folder}"
echo "$*" >>"$folder/runs"
case "$*" in
  *"logs --follow"*) cat "$folder/job-jm-0.twister2-job-master-0"; [ -e "$folder/open" ] && exec sleep 1000; exit 0;;
  logs*--previous*) cat "$folder/$2.$4.previous";;
  logs*) cat "$folder/$2.$4";;
  "get pods,statefulsets"*) cat "$folder/objects";;
  "get configmaps"*) cat "$folder/counts";;
  "get events"*) cat "$folder/events";;
  "get --raw"*) echo '{{"items": []}}';;
esac
"""
DONE = ["Worker:0 COMPLETED.", "Worker:1 COMPLETED.", "All 2 workers COMPLETED. Terminating the job."]


class Cluster:
    """What the kubectl of a test shows."""

    def __init__(self, folder):
        self.folder, self.said = folder, []
        self.kubectl = Kubectl(Connection(namespace="data"))
        self.objects(whole_job())
        self.log()
        (folder / "events").write_text('{"items": []}')
        self.counts()

    def objects(self, objects):
        (self.folder / "new").write_text(json.dumps({"items": objects}))
        (self.folder / "new").replace(self.folder / "objects")

    def log(self, *lines, pod="job-jm-0", container=MASTER, previous=False):
        name = f"{pod}.{container}{'.previous' if previous else ''}"
        (self.folder / name).write_text("".join(f"INFO: {line}\n" for line in lines))

    def counts(self, **data):
        (self.folder / "counts").write_text(json.dumps({"items": [{"data": data}]}))

    def runs(self, words):
        return [line for line in (self.folder / "runs").read_text().splitlines() if words in line]

    def heard(self, text):
        return any(text in sentence for sentence in self.said)

    def follow(self, *later, seconds=60.0, ready=False):
        """Follow the job for so long; do each step of `later` when its sentence was said, or after half a second."""

        async def main():
            follower = Follower(self.kubectl, "job", self.said.append)
            deadline = None if seconds is None else time.monotonic() + seconds
            wait = follower.ready(["job-jm", "job-0"], deadline) if ready else follower.end(deadline)
            task = asyncio.ensure_future(wait)
            try:
                for step in later:
                    text, step = step if isinstance(step, tuple) else ("", step)
                    await asyncio.sleep(0 if text else 0.5)
                    while text and not self.heard(text) and not task.done():
                        await asyncio.sleep(0.05)
                    step()
                return await task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await follower.close()

        return asyncio.run(main())


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    path = tmp_path / "kubectl"
    path.write_text(SCRIPT.format(folder=tmp_path))
    path.chmod(0o755)
    monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(path))
    intervals = {"READ_EVERY": 0.2, "READ_EVERY_AT_START": 0.1, "SURE": 0.5, "SILENCE": 0.8, "RECONNECT": 0.1}
    for name, value in intervals.items():
        monkeypatch.setattr(follower_module, name, value)
    return Cluster(tmp_path)
