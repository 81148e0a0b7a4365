"""The job master: counts the workers in, holds them at barriers, and says in its log how the job goes and ends."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import NoReturn

from . import kube, zookeeper
from .job import Job
from .link import LOST, Link, Message, preferred_address
from .log import log

YEARS = 10**8  # Seconds.


class JobMaster:
    """The state of a job; `lock` guards it, as each worker is heard in a thread of its own."""

    def __init__(self, job: Job, address: str) -> None:
        self.job = job
        self.lock = threading.Lock()
        self.server = socket.create_server(
            (address, job.number("twister2.job.master.port", 11011)),
            family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        )
        self.links: dict[int, Link] = {}
        self.all_joined = False
        self.healthy = False  # From an INIT barrier on, until a fault.
        self.waiting: dict[str, set[int]] = {"init": set(), "final": set()}  # Barrier -> who waits there.
        self.completed: set[int] = set()
        self.over = threading.Event()

    def accept(self) -> None:
        """Take workers in until the job is over."""
        while not self.over.is_set():
            try:
                connected, _ = self.server.accept()
            except OSError:
                return  # Closed: the job is over.
            threading.Thread(target=self.hear, args=(Link(connected),), daemon=True).start()

    def hear(self, link: Link) -> None:
        """Do what one worker's messages ask for, until it is gone."""
        first = link.inbox.get()
        if first["type"] != "join":
            link.socket.close()  # A stranger's.
            return
        worker: int = first["worker"]
        with self.lock:
            self.join(worker, first["restarts"], link)
        while (message := link.inbox.get()) is not LOST:
            with self.lock:
                self.handle(worker, link, message)
        with self.lock:
            if self.links.get(worker) is link:  # It may be back already.
                for waiting in self.waiting.values():
                    waiting.discard(worker)

    def join(self, worker: int, restarts: int, link: Link) -> None:
        """Count a worker in; one that comes back is a fault of the job."""
        if worker >= self.job.workers:
            log("WARNING", f"workerID is higher than numberOfWorkers: {worker}")
            return  # It isn't counted anywhere, and waits for ever.
        self.links[worker] = link
        if restarts:
            log("INFO", f"WorkerID: {worker} rejoined from failure.")
            self.fault(worker)
        else:
            log("INFO", f"Worker: {worker} joined the job.")
        if not self.all_joined and len(self.links) >= self.job.workers:
            self.all_joined = True
            log("INFO", f"All workers joined the job. Worker IDs: {sorted(self.links)}")
            log("INFO", "Sending AllJoined messages ...")
            if self.job.worker_class == "contract.MasterDies":
                os._exit(0)

    def fault(self, worker: int) -> None:
        """Let all other workers begin again, unless they do so already."""
        if self.healthy:
            self.healthy = False
            self.waiting["final"].clear()
            for other, link in self.links.items():
                if other != worker:
                    link.send("fault")

    def handle(self, worker: int, link: Link, message: Message) -> None:
        """Do what one message asks for."""
        kind = message["type"]
        if self.links.get(worker) is not link:
            return
        if kind in self.waiting:
            self.waiting[kind].add(worker)
            self.open_barrier(kind)
        elif kind == "FAILED":
            log("WARNING", f"Worker [{worker}] Failed.")
            log("INFO", f"Worker: {worker} FAILED.")
            self.fault(worker)
            link.send("heard")
        elif kind == "FULLY_FAILED":
            log("INFO", f"Worker: {worker} FULLY_FAILED.")
            log("INFO", "The job is completing with failure.")
            self.over.set()
            link.send("heard")
        elif kind == "COMPLETED":
            log("INFO", f"Worker:{worker} COMPLETED.")
            self.completed.add(worker)
            if len(self.completed) == self.job.workers:
                log("INFO", f"All {self.job.workers} workers COMPLETED. Terminating the job.")
                self.over.set()
            link.send("heard")

    def open_barrier(self, name: str) -> None:
        """Let the workers go on when all of them wait at a barrier."""
        waiting = self.waiting[name]
        if len(waiting) < self.job.workers:
            return
        if name == "init":
            log("INFO", f"All workers reached the INIT barrier: {len(waiting)}")
            self.healthy = True
        for worker in waiting:
            self.links[worker].send(name)
        waiting.clear()

    def watch_kill(self) -> None:
        """End the job when KILL_JOB appears in its ConfigMap; without the right to watch the process ends, with 0."""
        path = f"/api/v1/namespaces/{self.job.namespace}/configmaps"
        try:
            for event in kube.watch(path, f"t2-job={self.job.id}", YEARS):
                if "KILL_JOB" in (event["object"].get("data") or {}):
                    log("INFO", "Job Kill parameter received. Killing the job")
                    self.over.set()
                    return
        except kube.ApiError as refused:
            log("SEVERE", f"Exception when watching the ConfigMap: \nexCode: {refused.status}\nresponseBody: ")
            log("SEVERE", "Uncaught exception in the thread of the job kill watcher. Job Master FAILED...")
            os._exit(0)


def terminate(job: Job) -> None:
    """Try to delete all objects of the job. The chart gives no right to do so, and then nothing but the log tells."""
    core = f"/api/v1/namespaces/{job.namespace}"
    stateful_sets = f"/apis/apps/v1/namespaces/{job.namespace}/statefulsets"
    names = [found["metadata"]["name"] for found in kube.list_objects(stateful_sets, f"t2-job={job.id}")]
    workers = [("StatefulSet", stateful_sets, name) for name in sorted(names) if name != f"{job.id}-jm"]
    rest = [
        ("Service", f"{core}/services", job.id),
        ("PersistentVolumeClaim", f"{core}/persistentvolumeclaims", job.id),
        ("ConfigMap", f"{core}/configmaps", job.id),
        ("Service", f"{core}/services", f"{job.id}-jm"),
        ("StatefulSet", stateful_sets, f"{job.id}-jm"),
    ]
    for kind, path, name in (*workers, *rest):
        options = {"gracePeriodSeconds": 0, "propagationPolicy": "Foreground"}
        try:
            kube.request("DELETE", f"{path}/{name}", options).close()
            log("INFO", f"{kind} [{name}] is deleted.")
        except kube.ApiError as refused:
            log(
                "SEVERE",
                f"Error when deleting the {kind} [{name}]: Response{{protocol=h2, code={refused.status}, message=, "
                f"url={path}/{name}}}",
            )


def sleep_for_ever() -> NoReturn:
    """Do nothing, as Twister2's job master when the job is over: its watch thread lives on."""
    while True:
        time.sleep(YEARS)


def main(job: Job) -> int:
    """Run the job; doesn't return when it is over. Returns the exit code where Twister2's process ends."""
    log("INFO", f"JobMaster is starting. Current time: {time.time() * 1000:.0f}")
    if kube.count_restart(job, "JOB_MASTER"):
        terminate(job)  # The job has failed, and no log line says so.
        return 0
    if not zookeeper.begins(job):
        return 0
    address = preferred_address(socket.gethostname())
    master = JobMaster(job, address)
    threading.Thread(target=master.watch_kill, daemon=True).start()
    threading.Thread(target=master.accept, daemon=True).start()
    port = master.server.getsockname()[1]
    log("INFO", f"JobMaster [{address}] started and waiting worker messages on port: {port}")
    master.over.wait()
    master.server.shutdown(socket.SHUT_RDWR)  # Else a thread that waits in accept would still take one in.
    master.server.close()
    terminate(job)
    sleep_for_ever()
