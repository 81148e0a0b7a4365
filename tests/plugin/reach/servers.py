"""What the tests ask: reports of addresses, servers that speak, and those that don't."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time

from twister2_job.exposure.model import Address, JobAddresses, Worker
from twister2_job.exposure.nodes import host_port
from twister2_job.reach.check import check

MANY = 2000
LOOPBACK = "127.0.0.1"


def address(number, host=LOOPBACK, **fields):
    given = {"via": "perWorker", "port": "worker", "protocol": "TCP", "state": "available", "source": "InternalIP"}
    return Address(host=host, number=number, address=host_port(host, number), **{**given, **fields})


def report(*own, shared=(), mode="echo", running=None):
    """Return a report: one address, or a tuple of them, for each worker."""
    workers = [
        Worker(number, 0, f"job-0-{number}", 0, addresses=(each,) if isinstance(each, Address) else each)
        for number, each in enumerate(own)
    ]
    workers += [Worker(number, 0, f"job-0-{number}", 0) for number in range(len(own), running or 0)]
    return JobAddresses("job", "data", 0, tuple(shared), tuple(workers), mode=mode)


def run(found, **options):
    return asyncio.run(check(found, **{"timeout": 0.6, **options}))


def only(found, **options):
    """Check a report of one address and return its result."""
    (result,) = run(found, **options).results
    return result


@contextlib.contextmanager
def server(speak, host=LOOPBACK, number=0, delay=0.0):
    """Yield the port of a server that calls `speak` with each connection, in a thread of its own."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, number))
        if not delay:
            listening.listen(128)
        ended = threading.Event()

        def serve():
            if delay:
                ended.wait(delay)
                listening.listen(128)
            listening.settimeout(0.05)
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listening.accept()
                    threading.Thread(target=answer, args=(connection,)).start()

        def answer(connection):
            with connection, contextlib.suppress(OSError):
                connection.settimeout(2)
                speak(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def over_tls(speak, certificate):
    """Return what a server does that speaks TLS and then calls `speak`; `certificate` is a file with its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def talk(connection):
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
            speak(secured)

    return talk


def web(worker, host="", path="/", status="200 OK", chunked=False):
    """Return what a proxy for HTTP does: it answers as a worker for one host and path, and as itself for all else."""

    def speak(connection):
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(4096)
            if not piece:
                return
            request += piece
        asked, *headers = request.decode().split("\r\n")
        if asked.split()[1] != path or (host and f"Host: {host}" not in headers):
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
            return
        body = json.dumps({"job": "job", "worker": worker, "portName": "worker"})
        if chunked:
            head, body = "Transfer-Encoding: chunked", f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
        else:
            head = f"Content-Length: {len(body)}"
        connection.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}".encode())

    return speak


def says(*pieces, then=0.0, pause=0.1):
    """Return what a server does that speaks first, in pieces, and closes `then` seconds later."""

    def speak(connection):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        time.sleep(then)

    return speak


def echo(worker, job="job", port="worker", **more):
    return says(json.dumps({"job": job, "worker": worker, "portName": port, **more}).encode() + b"\n", pause=0)


def closed_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind((LOOPBACK, 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def deaf(host=LOOPBACK):
    """Yield a port whose queue is full: the kernel drops whoever wants to connect, as a firewall does."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((host, 0))
        listening.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((LOOPBACK if host == "0.0.0.0" else host, listening.getsockname()[1]))
        time.sleep(0.05)
        yield listening.getsockname()[1]


def many(port, mode):
    """Return 2,000 workers, each with an IP address of its own on this machine."""
    return report(*[address(port, host=f"127.0.{n // 200}.{n % 200 + 1}") for n in range(MANY)], mode=mode)
