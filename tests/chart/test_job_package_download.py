# ruff: noqa: F811
"""How the init container gets a jar or package from a server: whole, with patience, and in a sentence if it can't."""

import base64
import contextlib
import http.server
import threading

import pytest

from tests.chart.test_job_package import PLAN, image, init, jar  # noqa: F401


@contextlib.contextmanager
def server(*answers):
    """Answer requests on a loopback port, one after the other: (status, body, announced length)."""
    left, seen = list(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers.get("Authorization")))
            status, body, length = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{one.server_port}/files/a.jar?key=hidden", seen
        one.shutdown()


def test_a_url_is_asked_again_until_it_gives_the_whole_file(init, jar):
    data = jar.read_bytes()
    with server((503, b"", 0), (200, data[:50], len(data)), (200, data, len(data))) as (url, seen):
        result = init.run(PLAN, TWISTER2_JOB_URL=url)
    assert result.returncode == 0 and len(seen) == 3, result.stdout + result.stderr
    assert "HTTP status 503" in result.stdout and "asking again" in result.stdout
    assert "hidden" not in result.stdout  # What comes after the question mark may be a token.


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://127.0.0.1:1/a.jar", "Connection refused"),
        ("http://user:hidden@no-such-host.invalid/a.jar", "can't be had from http://no-such-host.invalid/a.jar"),
        ("http://[", "can't be had"),
    ],
)
def test_no_server_ends_with_a_sentence(init, url, word):
    result = init.run(PLAN, TWISTER2_JOB_URL=url)
    assert result.returncode == 1 and word in result.stdout
    assert "hidden" not in result.stdout and "Traceback" not in result.stderr


def test_user_and_password_go_into_a_header(init, jar):
    data = jar.read_bytes()
    with server((200, data, len(data))) as (url, seen):
        result = init.run(PLAN, TWISTER2_JOB_URL=url.replace("//", "//me:pass%20word@"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert seen == [("/files/a.jar?key=hidden", "Basic " + base64.b64encode(b"me:pass word").decode())]


def test_not_found_is_not_asked_again(init):
    with server((404, b"", 0)) as (url, seen):
        result = init.run(PLAN, TWISTER2_JOB_URL=url)
    assert result.returncode == 1 and "HTTP status 404" in result.stdout and len(seen) == 1
