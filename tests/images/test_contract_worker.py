"""The contract worker behaves as what is known of Twister2 0.8.0 says, here with master and workers in one process."""

from __future__ import annotations

import socket
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.images.conftest import GROUPS
from tests.images.contract_worker import job as contract_job
from tests.images.contract_worker import link, master, worker


def test_the_contract_worker_reads_the_package(package: Path, tmp_path: Path) -> None:
    with tarfile.open(package) as tar:
        tar.extractall(tmp_path, filter="data")
    folder = tmp_path / "twister2-job"
    (folder / "common").mkdir()
    (folder / "common/core.yaml").write_text("# A comment: 1\nkubernetes.namespace: there\nb: 1\n")
    (folder / "kubernetes/data.yaml").write_text('"b": true\n')
    job = contract_job.read_job(folder, "ours")
    assert (job.id, job.workers, job.worker_class) == ("ours", 4, "edu.iu.dsc.tws.examples.basic.HelloWorld")
    assert [(group.instances, group.workers_per_pod) for group in job.groups] == GROUPS
    assert (job.namespace, job.config["b"]) == ("there", True)
    assert job.config["twister2.resource.worker.additional.ports"] == ["web", "admin"]


@pytest.mark.parametrize(
    ("pod", "container", "expected"),
    [("a-job-0-0", "twister2-container-0", 0), ("a-job-0-1", "twister2-container-0", 1),
     ("a-job-1-0", "twister2-container-0", 2), ("a-job-1-0", "twister2-container-1", 3)],
)  # fmt: skip
def test_worker_ids_are_those_of_twister2(pod: str, container: str, expected: int) -> None:
    job = contract_job.Job(groups=[contract_job.Group(*group) for group in GROUPS])
    assert contract_job.worker_id(job, pod, container) == expected


Play = Callable[..., tuple[list[int], list[str]]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Play:
    """Run a job of two workers in this process, and restart who fails; return exit codes and the master's log."""

    def played(worker_class: str, **config: Any) -> tuple[list[int], list[str]]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {"twister2.job.master.port": port, "contract.connect.seconds": 1} | config
        job = contract_job.Job("ours", worker_class, 2, [contract_job.Group(2, 1)], settings)
        boss = master.JobMaster(job, "127.0.0.1")
        threading.Thread(target=boss.accept, daemon=True).start()
        codes: list[list[int]] = [[], []]

        def live(number: int) -> None:
            for restarts in range(10):
                codes[number].append(worker.Worker(job, number, restarts, "127.0.0.1").run())
                if codes[number][-1] == 0 or boss.over.is_set():
                    return

        threads = [threading.Thread(target=live, args=(number,), daemon=True) for number in (0, 1)]
        for thread in threads:
            thread.start()
        assert boss.over.wait(10)
        threads[0].join(10)
        boss.server.close()
        lines = capsys.readouterr().out.splitlines()
        return codes[0], [line.split("contract_worker: ", 1)[1] for line in lines if "contract_worker: " in line]

    return played


def test_a_job_completes(play: Play) -> None:
    codes, lines = play("contract.Complete")
    assert codes == [0]
    assert "All workers joined the job. Worker IDs: [0, 1]" in lines
    assert "All workers reached the INIT barrier: 2" in lines
    assert {"Worker:0 COMPLETED.", "Worker:1 COMPLETED.", "Worker finished successfully"} <= set(lines)
    assert "All 2 workers COMPLETED. Terminating the job." in lines


def test_a_worker_that_fails_once_is_taken_back_and_all_execute_again(play: Play) -> None:
    codes, lines = play("contract.FailOnce")
    assert codes == [1, 0]
    for line in ("Worker [0] Failed.", "Worker: 0 FAILED.", "WorkerID: 0 rejoined from failure."):
        assert lines.count(line) == 1
    assert lines.count("A fault occurred. Job moves into the FAULTY stage.") == 1, "that is what worker 1 says"
    assert lines.count("All workers reached the INIT barrier: 2") == 2
    assert "All 2 workers COMPLETED. Terminating the job." in lines


def test_a_worker_that_fails_too_often_ends_the_job(play: Play) -> None:
    codes, lines = play("contract.Fail", **{"twister2.fault.tolerance.max.worker.restarts": 3})
    assert codes == [1, 1, 1]
    assert lines.count("Worker: 0 FAILED.") == 2
    assert lines.count("Worker: 0 FULLY_FAILED.") == 1
    assert "The job is completing with failure." in lines


def test_who_waits_too_long_at_the_init_barrier_fails(play: Play) -> None:
    limit = "twister2.worker.controller.max.wait.time.on.init.barrier"
    codes, lines = play("contract.Stuck", **{limit: 100, "twister2.fault.tolerance.max.worker.restarts": 2})
    assert codes == [1, 1]
    assert "All workers reached the INIT barrier: 2" not in lines
    assert "Worker: 0 FULLY_FAILED." in lines


def test_a_stranger_on_the_masters_port_does_no_harm(play: Play) -> None:
    job = contract_job.Job("ours", "contract.Complete", 2, config={"twister2.job.master.port": 0})
    boss = master.JobMaster(job, "127.0.0.1")
    threading.Thread(target=boss.accept, daemon=True).start()
    with socket.create_connection(boss.server.getsockname()) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert link.Link(stranger).inbox.get(timeout=5) is not None
    assert not boss.links
    boss.server.close()
