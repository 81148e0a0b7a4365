"""Asks echo workers who they are. Tests import it and run it inside pods by `python3 -c`: standard library only."""

from __future__ import annotations

import http.client
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Target = tuple[str, int, str]  # Host, port and protocol, TCP or UDP.
AT_ONCE = 32  # Many wait for their timeout together: nodes send only some of the refusals that they owe.


def ask(host: str, port: int, protocol: str = "TCP", timeout: float = 5) -> dict[str, Any]:
    """Return who answers at host:port, asked by HTTP or by one datagram; raises an error if nobody does."""
    answer: dict[str, Any]
    if protocol == "UDP":
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as datagrams:
            datagrams.settimeout(timeout)
            datagrams.connect(address)
            datagrams.send(b"x")
            answer = json.loads(datagrams.recv(65536))
        return answer
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/")
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer


def reach(targets: list[Target], timeout: float = 5) -> list[list[dict[str, Any]]]:
    """Ask each target at every address its host has; an answer has the `address` it came from, or an `error`."""

    def one(target: Target) -> list[dict[str, Any]]:
        host, port, protocol = target
        answers = []
        try:
            for address in sorted({str(info[4][0]) for info in socket.getaddrinfo(host, None)}):
                try:
                    answers.append({"address": address, **ask(address, port, protocol, timeout)})
                except (OSError, ValueError, http.client.HTTPException) as error:
                    answers.append({"address": address, "error": repr(error)})
        except socket.gaierror as error:
            answers.append({"address": host, "error": repr(error)})
        return answers

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, targets))


if __name__ == "__main__":
    print(json.dumps(reach(json.loads(sys.argv[1]), float(sys.argv[2]))))
