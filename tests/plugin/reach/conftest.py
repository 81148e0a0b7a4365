"""What the tests of probing share."""

import contextlib
import http.server
import socket
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


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A function that makes certificates with their keys; `authority.path` is the certificate that signs them."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def run(*words):
        subprocess.run(("openssl", *words), check=True, capture_output=True)

    own = ("-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    run("req", "-x509", *key, *own, "-subj", "/CN=authority", "-days", "9")

    def sign(host, days=9, name="subjectAltName=DNS:{}"):
        path = folder / f"{host}{days}.pem"
        if not path.exists():
            request, private, settings = (folder / f"{host}{days}.{end}" for end in ("csr", "key", "txt"))
            settings.write_text(name.format(host))
            run("req", *key, "-keyout", private, "-out", request, "-subj", "/CN=worker")
            signed = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial", "-out", path)
            # A negative number of days makes one that has ended.
            run("x509", "-req", "-in", request, *signed, "-days", str(days), "-extfile", settings)
            path.write_text(path.read_text() + private.read_text())
        return path

    sign.path = folder / "ca.crt"
    return sign


@pytest.fixture
def names(monkeypatch):
    """A dict of DNS names and their addresses; all other names are as ever."""
    known = {"w.example.com": "127.0.0.1"}
    real = socket.getaddrinfo

    def look(host, *more, **options):
        if host in known or str(host).endswith(".example.com"):
            if host not in known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = known[host]
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return known


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
