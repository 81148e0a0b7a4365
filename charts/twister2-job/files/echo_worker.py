"""The echo worker: says who it is to whoever connects, so that an exposure can be tried and measured.

It listens on every port of the worker, over TCP and UDP, IPv4 and IPv6. A client that sends nothing for half a second,
or anything at all, gets one line of JSON and the connection is closed; one that asks in HTTP gets the same in HTTP.
Standard library only, Python 3.8 or later. Arguments: FIRST_WORKER_ID WORKERS_PER_POD GROUP NAME=PORT [NAME=PORT ...]
"""

import asyncio
import errno
import json
import os
import signal
import socket
import sys
import time

SILENCE_SECONDS = 0.5  # How long a client may stay silent before it gets its answer.
REQUEST_SECONDS = 5  # How long a client may take for the rest of an HTTP request.
LISTEN_SECONDS = 0.05  # How long it still takes connections in when it ends: those that wait in the kernel's queue.
FINISH_SECONDS = 2  # How long the open connections have when it ends.
REQUEST_BYTES = 65536
HTTP_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ")
NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


def identity(first_worker, workers_per_pod, group, name, port):
    """Return the answer of one port, a line of JSON."""
    pod = os.environ["POD_NAME"]
    ordinal = int(pod.rsplit("-", 1)[1])
    container = int(os.environ["CONTAINER_NAME"].rsplit("-", 1)[1])
    answer = {
        "job": os.environ["JOB_ID"],
        "worker": first_worker + ordinal * workers_per_pod + container,
        "group": group,
        "pod": pod,
        "node": os.environ.get("HOST_NAME", ""),
        "portName": name,
        "port": port,
    }
    return (json.dumps(answer) + "\n").encode()


def http_answer(request, line):
    """Return the answer to `request` in HTTP; HEAD gets the headers alone."""
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(line)}\r\nConnection: close\r\n\r\n"
    ).encode()
    return head if request.startswith(b"HEAD ") else head + line


async def read_request(reader):
    """Return what the client sends first: all of an HTTP request's head, else one piece; None if it went away."""
    try:
        data = await asyncio.wait_for(reader.read(REQUEST_BYTES), SILENCE_SECONDS)
    except asyncio.TimeoutError:
        return b""
    if not data:
        return None
    while data.startswith(HTTP_METHODS) and b"\r\n\r\n" not in data and len(data) < REQUEST_BYTES:
        more = await asyncio.wait_for(reader.read(REQUEST_BYTES), REQUEST_SECONDS)
        if not more:
            return None
        data += more
    return data


def tcp_handler(line):
    """Return the function that answers one TCP connection with `line`."""

    async def handle(reader, writer):
        try:
            request = await read_request(reader)
            if request is not None:
                writer.write(http_answer(request, line) if request.startswith(HTTP_METHODS) else line)
                writer.write_eof()
                # Closing while bytes wait unread would send a reset, and the client could lose the answer.
                await asyncio.wait_for(reader.read(REQUEST_BYTES), SILENCE_SECONDS)
        except (asyncio.TimeoutError, OSError):
            pass  # The client is slow or gone: nothing is owed to it.
        finally:
            writer.close()

    return handle


class Datagrams(asyncio.DatagramProtocol):
    """Answers every datagram with the worker's line."""

    def __init__(self, line):
        self.line = line

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(self.line, address)


def bound_socket(family, kind, port):
    """Return a socket bound to the port in one family, or None if the node doesn't have the family."""
    try:
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own.
        bound.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    except OSError as error:
        if error.errno in NO_SUCH_FAMILY:
            return None
        raise
    return bound


async def listen(port, line):
    """Answer with `line` on one port, over TCP and UDP, in every family of the node; return the TCP servers."""
    servers = []
    for family in (socket.AF_INET, socket.AF_INET6):
        stream = bound_socket(family, socket.SOCK_STREAM, port)
        datagrams = bound_socket(family, socket.SOCK_DGRAM, port)
        if stream and datagrams:
            servers.append(await asyncio.start_server(tcp_handler(line), sock=stream, backlog=1024))
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: Datagrams(line), sock=datagrams)
    return servers


async def finish(servers):
    """Take in the connections that wait to be, then no more, and answer those that are open."""
    await asyncio.sleep(LISTEN_SECONDS)
    for server in servers:
        server.close()
    until = time.monotonic() + FINISH_SECONDS
    while time.monotonic() < until:
        # Every connection is a task; one that was just taken in is a task of asyncio's that becomes another.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if not tasks:
            break
        await asyncio.wait(tasks, timeout=until - time.monotonic())


async def main(arguments):
    """Serve until SIGTERM or SIGINT, and end when the open connections are answered."""
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    servers = []
    first_worker, workers_per_pod, group = (int(argument) for argument in arguments[:3])
    for argument in arguments[3:]:
        name, port = argument.split("=")
        line = identity(first_worker, workers_per_pod, group, name, int(port))
        servers += await listen(int(port), line)
        print(f"listening on port {port} ({name}): {line.decode().strip()}", flush=True)
    await end.wait()
    await finish(servers)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
