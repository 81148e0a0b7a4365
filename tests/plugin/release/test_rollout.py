"""Following a job while it starts. kubectl is a script here, for connections that break as a real one's seldom do."""

import asyncio
import json
import time

import pytest
from twister2_job.clients.connection import Connection
from twister2_job.clients.kubectl import Kubectl
from twister2_job.errors import JobNotFoundError, OutOfTimeError
from twister2_job.release.rollout import Watcher


def stateful_set(ready):
    status = {
        "observedGeneration": 1,
        "readyReplicas": ready,
        "replicas": 1,
        "updatedReplicas": 1,
        "currentRevision": "a",
        "updateRevision": "a",
    }
    return {"metadata": {"name": "job-0", "generation": 1}, "spec": {"replicas": 1}, "status": status}


def pod():
    conditions = [{"type": "Ready", "status": "True"}]
    return {"metadata": {"name": "job-0-0"}, "spec": {"containers": []}, "status": {"conditions": conditions}}


def event(kind, item):
    return json.dumps({"type": kind, "object": item})


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A kubectl whose watches run a script of ours each, and whose other reads find nothing."""

    def make(sets, pods):
        (tmp_path / "sets").write_text(sets)
        (tmp_path / "pods").write_text(pods)
        path = tmp_path / "kubectl"
        path.write_text(
            f"#!/bin/sh\nhere={tmp_path}\n"
            'case "$*" in *watch=true*statefulsets*|*statefulsets*watch=true*) . $here/sets; exec sleep 60;;\n'
            "*watch=true*) . $here/pods; exec sleep 60;; esac\necho '{\"items\": []}'\n"
        )
        path.chmod(0o755)
        monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(path))
        return Kubectl(Connection(namespace="data"))

    return make


async def nothing():
    pass


def wait(kubectl, seconds, require_present=nothing):
    async def work():
        watcher = Watcher(kubectl, "job")
        watcher.start()
        watcher.read_rest()
        try:
            deadline = time.monotonic() + seconds
            await watcher.ready(["job-0"], deadline=deadline, say=lambda text: None, require_present=require_present)
            return await watcher.cluster(["job-0"])
        finally:
            await watcher.close()

    return asyncio.run(work())


def test_what_was_followed_is_the_cluster(kubectl):
    made = kubectl(f"echo '{event('ADDED', stateful_set(1))}'", f"echo '{event('ADDED', pod())}'")
    cluster = wait(made, 10)
    assert sorted(o["kind"] for o in cluster.objects) == ["Pod", "StatefulSet"]


def test_a_watch_that_is_cut_in_the_midst_of_a_line_goes_on(kubectl):
    once = 'if [ ! -e $here/cut ]; then touch $here/cut; printf \'{"type": "ADD\'; exit; fi\n'
    made = kubectl(once + f"echo '{event('ADDED', stateful_set(1))}'", f"echo '{event('ADDED', pod())}'")
    began = time.monotonic()
    assert wait(made, 20) and time.monotonic() - began < 10


def test_pods_that_are_not_seen_as_ready_are_read_anew(kubectl):
    made = kubectl(f"echo '{event('ADDED', stateful_set(1))}'", "")
    assert wait(made, 10) is None


def test_a_stateful_set_that_goes_is_asked_about_at_once(kubectl):
    async def gone():
        raise JobNotFoundError("The job is gone.")

    sets = f"echo '{event('ADDED', stateful_set(0))}'; sleep 0.3; echo '{event('DELETED', stateful_set(0))}'"
    began = time.monotonic()
    with pytest.raises(JobNotFoundError):
        wait(kubectl(sets, ""), 30, gone)
    assert time.monotonic() - began < 8


def test_the_wait_ends_in_time_also_when_nobody_answers_why(kubectl, tmp_path):
    made = kubectl(f"echo '{event('ADDED', stateful_set(0))}'", "")
    script = tmp_path / "kubectl"
    script.write_text(script.read_text().replace("echo '{\"items\": []}'", "exec sleep 60"))
    began = time.monotonic()
    with pytest.raises(OutOfTimeError, match="It takes too long to find out"):
        wait(made, 1)
    assert time.monotonic() - began < 15
