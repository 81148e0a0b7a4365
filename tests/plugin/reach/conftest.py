"""What the tests of probing share."""

import contextlib
import http.server
import subprocess
import sys
import threading
import time

import pytest
from twister2_job.reach import probe

from tests.conftest import CHART
from tests.plugin.reach.servers import LOOPBACK, closed_port


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Failed addresses are asked once; the tests of the patience ask for it."""
    monkeypatch.setattr(probe, "PATIENCE", 0.0)


@pytest.fixture(scope="module")
def echo_workers():
    """Two of the chart's own echo workers; their ports by worker ID and name."""
    ports = {}
    with contextlib.ExitStack() as stack:
        for worker in (0, 1):
            mine = {"worker": closed_port(), "beat": closed_port()}
            ports[worker] = mine
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, CHART / "files" / "echo_worker.py", "0", "1", "0"]
                    + [f"{name}={number}" for name, number in mine.items()],
                    env={"POD_NAME": f"job-0-{worker}", "CONTAINER_NAME": "twister2-container-0", "JOB_ID": "job"},
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.terminate)
            assert [process.stdout.readline() for _ in mine]
        yield ports


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        time.sleep(0.1)
        self.wfile.write(b"<h1>Worker 1</h1>")

    def log_message(self, *_):
        pass


@pytest.fixture
def page():
    """The port of an HTTP server, which waits for its client to speak first."""
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Page) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving.server_port
        serving.shutdown()
        thread.join()
