"""A worker that speaks HTTP, TLS, gRPC and UDP and says who it is, and how to ask it: standard library only.

Tests import it, and pods run its text by `python3 -c`, with the ports' numbers and the workers by pod and container as
JSON. A pod must not take a part of it for a variable, so there is no dollar sign before a bracket in it.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Any

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def frames(connection: socket.socket, skip: int = 0) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield kind, flags, stream and payload of each frame after `skip` bytes; answer what HTTP/2 wants answered."""
    with connection.makefile("rb") as reader:
        reader.read(skip)
        while len(head := reader.read(9)) == 9:
            payload = reader.read(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind in (SETTINGS, PING) and not flags & ACK:
                connection.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
            yield kind, flags, stream, payload


def headers(**fields: str) -> bytes:
    """Return header fields as HPACK writes them without its tables; an underscore at the beginning is a colon."""
    found = b""
    for name, value in fields.items():
        key = (":" + name[1:] if name[0] == "_" else name).replace("_", "-")
        found += bytes([0, len(key)]) + key.encode() + bytes([len(value)]) + value.encode()
    return found


def serve_grpc(connection: socket.socket, answer: bytes) -> None:
    """Answer each call on a connection with one message."""
    connection.sendall(frame(SETTINGS, 0, 0))
    for kind, flags, stream, _ in frames(connection, len(PREFACE)):
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            begin = frame(HEADERS, END_HEADERS, stream, headers(_status="200", content_type="application/grpc"))
            message = frame(DATA, 0, stream, struct.pack(">BI", 0, len(answer)) + answer)
            end = frame(HEADERS, END_HEADERS | END_STREAM, stream, headers(grpc_status="0"))
            connection.sendall(begin + message + end)


def serve_http(connection: socket.socket, answer: bytes) -> None:
    """Answer one request."""
    connection.recv(65536)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + answer)


def serve(name: str, number: int, who: dict[str, Any], certificate: str) -> None:
    """Serve one port for ever; its name says what is spoken there."""
    answer = json.dumps({**who, "portName": name}).encode()
    datagrams = name == "beat"
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::", number))
    if datagrams:
        while True:
            _, sender = server.recvfrom(65536)
            server.sendto(answer, sender)
    server.listen(64)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if name == "tls":
        context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")

    def one(connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(60)
                if name == "tls":
                    with context.wrap_socket(connection, server_side=True) as inner:
                        serve_http(inner, answer)
                elif name == "rpc":
                    serve_grpc(connection, answer)
                else:
                    serve_http(connection, answer)
        except OSError:
            pass  # Somebody who only looked whether the port is open.

    while True:
        connection, _ = server.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


def run(names: list[str], workers: dict[str, int], folder: str) -> None:
    """Serve the ports of this container until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    place = f"{os.environ['POD_NAME']}/{os.environ['CONTAINER_NAME']}"
    who = {"worker": workers[place], "place": place}
    for k, name in enumerate(names):
        arguments = (name, int(os.environ["WORKER_PORT"]) + k, who, f"{folder}/{workers[place]}")
        threading.Thread(target=serve, args=arguments, daemon=True).start()
    threading.Event().wait()


def ask_http(host: str, port: int, name: str = "", timeout: float = 5) -> dict[str, Any]:
    """Return who answers at host:port, asked for the host `name`."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/", headers={"Host": name} if name else {})
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise OSError(f"status {response.status}: {text[:80]!r}")
        found: dict[str, Any] = json.loads(text)
    finally:
        connection.close()
    return found


def ask_tls(host: str, port: int, name: str, certificate: str, timeout: float = 5) -> dict[str, Any]:
    """Return who answers at host:port by TLS with this server name; it has to have this very certificate."""
    context = ssl.create_default_context(cafile=certificate)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection((host, port), timeout) as plain,
        context.wrap_socket(plain, server_hostname=name) as it,
    ):
        it.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        text = b""
        while part := it.recv(65536):
            text += part
    found: dict[str, Any] = json.loads(text.partition(b"\r\n\r\n")[2])
    return found


def ask_grpc(host: str, port: int, name: str, timeout: float = 5) -> dict[str, Any]:
    """Return the message that a gRPC call gets at host:port for this authority."""
    with socket.create_connection((host, port), timeout) as connection:
        begin = headers(
            _method="POST", _scheme="http", _path="/test.Who/Ask", _authority=name, te="trailers",
            content_type="application/grpc",
        )  # fmt: skip
        call = frame(HEADERS, END_HEADERS, 1, begin) + frame(DATA, END_STREAM, 1, struct.pack(">BI", 0, 0))
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + call)
        body = b""
        for kind, flags, stream, payload in frames(connection):
            if stream == 1 and kind == DATA:
                body += payload
            if stream == 1 and flags & END_STREAM:
                break
    found: dict[str, Any] = json.loads(body[5:])
    return found


if __name__ == "__main__":
    run(json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3])
