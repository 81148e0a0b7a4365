"""A worker: joins the job, waits at the barriers, and does what its class says. The classes are in `behaviour.py`."""

from __future__ import annotations

import os
import queue
import socket
import time
import traceback
from pathlib import Path

from . import behaviour, kube
from .job import Job, worker_id
from .link import LOST, Link, preferred_address
from .log import log

WAIT = "twister2.worker.controller.max.wait.time"  # The settings of Twister2's own, in milliseconds.


def stack_trace(failure: Exception) -> str:
    """Return an exception as Java prints one: its class and message, then each function, the last one first."""
    frames = [*traceback.extract_stack(), *traceback.extract_tb(failure.__traceback__)]
    lines = [f"\tat contract.{Path(one.filename).stem}.{one.name}({one.filename}:{one.lineno})" for one in frames]
    return "\n".join([f"{type(failure).__name__}: {failure}", *reversed(lines)])


class MasterLostError(Exception):
    """The connection to the job master broke."""


def find_master(job: Job) -> str:
    """Return the job master's address: by one question to DNS, else from its pod; ends the process if there is none."""
    try:
        return preferred_address(f"{job.id}-jm.{job.namespace}.svc.cluster.local")
    except OSError:
        log("INFO", "The job master has no name yet. Watching its pod.")
    try:
        for event in kube.watch(f"/api/v1/namespaces/{job.namespace}/pods", f"t2-mp={job.id}", 100):
            if event["type"] == "ERROR":
                break
            status = event["object"]["status"]
            if status.get("phase") == "Running" and status.get("podIP"):
                return str(status["podIP"])
    except kube.ApiError:
        log("SEVERE", "Exception when watching the pods.\nio.kubernetes.client.openapi.ApiException: ")
        time.sleep(kube.FORBIDDEN_SECONDS)
    log("SEVERE", "can not get the job master IP address from Kubernetes master")
    raise SystemExit(1)


def connect(job: Job, address: str) -> Link:
    """Return a connection to the job master; tries each second and ends the process after 100 s."""
    port = job.number("twister2.job.master.port", 11011)
    end = time.monotonic() + job.number("contract.connect.seconds", 100)
    while time.monotonic() < end:
        try:
            return Link(socket.create_connection((address, port), timeout=None))
        except OSError as failure:
            log("WARNING", f"Error connecting to the job master at {address}:{port}: {failure}")
            time.sleep(1)
    log("SEVERE", "Could not connect to the job master. Exiting .....")
    raise SystemExit(1)


class Worker:
    """A worker that has joined."""

    def __init__(self, job: Job, number: int, restarts: int, address: str) -> None:
        self.job, self.number, self.restarts, self.address = job, number, restarts, address
        self.link = connect(job, address)
        self.link.send("join", worker=number, restarts=restarts)

    def barrier(self, name: str, seconds: float | None) -> bool:
        """Wait at a barrier; tell whether it opened, or a fault of another worker ended the waiting.

        Raises TimeoutError when the time is over, MasterLostError when the connection breaks.
        """
        self.link.send(name)
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                message = self.link.inbox.get(timeout=None if end is None else max(0, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"Could not pass through the {name} barrier within {seconds:g} s") from None
            if message is LOST:
                raise MasterLostError
            if message["type"] == name:
                return True
            if message["type"] == "fault" and name != "init":
                return False

    def pause(self, seconds: float) -> bool:
        """Wait; tell whether the time passed, or a fault of another worker ended it."""
        try:
            message = self.link.inbox.get(timeout=seconds)
        except queue.Empty:
            return True
        if message is LOST:
            connect(self.job, self.address)  # Twister2's worker goes on meanwhile, and ends if it isn't heard in 100 s.
            raise MasterLostError
        return bool(message["type"] != "fault")

    def tell(self, state: str) -> None:
        """Tell the job master the worker's state, and wait until it has heard."""
        self.link.send(state)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                if self.link.inbox.get(timeout=1)["type"] in ("heard", "lost"):
                    return
            except queue.Empty:
                continue

    def execute(self) -> None:
        """Run the worker's class between the barriers, again after each fault of another worker."""
        limit = self.job.number(f"{WAIT}.on.init.barrier", 600_000) / 1000
        while True:
            behaviour.before_init(self)
            self.barrier("init", limit)
            log("INFO", f"Worker {self.number} executes {self.job.worker_class}")
            if behaviour.run(self) and self.barrier("final", None):
                return
            log("WARNING", "A fault occurred. Job moves into the FAULTY stage.")

    def run(self) -> int:
        """Execute, tell the job master how it ended, and return the exit code."""
        maximum = self.job.number("twister2.fault.tolerance.max.worker.restarts", 5)
        if self.restarts >= maximum:
            log("SEVERE", f"Worker {self.number} was restarted {self.restarts} times, which is too often.")
            self.tell("FULLY_FAILED")
            return 0
        try:
            self.execute()
        except MasterLostError:
            log("SEVERE", "The connection to the job master is lost.")
            return 1
        except Exception as failure:
            log(
                "SEVERE",
                f"Uncaught exception in the thread main. Worker FAILED...\n{stack_trace(failure)}",
            )
            self.tell("FULLY_FAILED" if self.restarts >= maximum - 1 else "FAILED")
            return 1
        self.tell("COMPLETED")
        log("INFO", "Worker finished successfully")
        return 0


def main(job: Job) -> int:
    """Join the job as the worker that the pod's and the container's name make us; return the exit code."""
    number = worker_id(job, os.environ["POD_NAME"], os.environ["CONTAINER_NAME"])
    address = find_master(job)
    log("INFO", f"workerID: {number}, port: {os.environ['WORKER_PORT']}, job master: {address}")
    restarts = kube.count_restart(job, f"WORKER_{number}")
    log("INFO", f"Worker restartCount: {restarts}")
    return Worker(job, number, restarts, address).run()
