"""Faults that the real Helm and kubectl meet without a cluster: kubeconfigs, login programs, servers on loopback."""

import json
import os
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conftest import KUBECTL, helm_path, run

EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "IfAvailable"}
CREDENTIAL = {"apiVersion": EXEC["apiVersion"], "kind": "ExecCredential", "status": {"token": "t"}}


class Server:
    """An HTTP server on loopback that answers everything in one way; with `tls` an HTTPS server."""

    def __init__(self, code=404, body="404 page not found", kind="text/plain", tls=None):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        for method in ("GET", "POST", "PATCH", "DELETE", "CONNECT"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def status(code, reason, message):
    """Return the arguments for a server that answers as an API server refuses."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return code, json.dumps(body), "application/json"


def closed_port():
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        return endpoint.getsockname()[1]


def certificate(folder):
    """Make a self-signed certificate for 127.0.0.1; return the paths of certificate and key."""
    paths = str(folder / "tls.crt"), str(folder / "tls.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", paths[1], "-out", paths[0],
         "-subj", "/CN=test", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return paths


def kubeconfig(path, server, *, cluster=None, user=None, **top):
    """Write a kubeconfig (JSON is YAML) with one context and return its path."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
        **top,
    }
    Path(path).write_text(json.dumps(content))
    return str(path)


def script(path, text):
    """Write an executable script and return its path."""
    Path(path).write_text(f"#!/bin/sh\n{text}\n")
    Path(path).chmod(0o755)
    return str(path)


def environment(home, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(home), **more}


def helm(version, *words, env, **options):
    """Return what Helm says on failing."""
    done = run(helm_path(version), *words, env=env, **options)
    assert done.returncode != 0, f"Helm {version} took {words}"
    return done.stderr


def kubectl(*words, env, **options):
    """Return what kubectl says on failing."""
    done = run(KUBECTL, *words, env=env, timeout=60, **options)
    assert done.returncode != 0, f"kubectl took {words}"
    return done.stderr
