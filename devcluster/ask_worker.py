#!/usr/bin/env python3
"""Asks Twister2's own server, BasicK8sWorker, who it is: `ask_worker.py HOST:PORT...` prints a line for each."""

import socket
import sys
import time

# Seconds for all. A worker tries for 100 s to reach its job master; if it can't, Kubernetes starts it anew.
PATIENCE = 180


def ask(address: str) -> str:
    """Return worker ID and port as the server says them; it stays with a client until the client has closed."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as connection:
        connection.shutdown(socket.SHUT_WR)  # It ends if something of ours is left unread.
        said = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return " ".join(line for line in said.splitlines() if "workerID" in line or line.startswith("port"))


until = time.monotonic() + PATIENCE
for one in sys.argv[1:]:
    while True:
        try:
            print(f"{one:28} {ask(one)}")
            break
        except OSError as error:
            if time.monotonic() > until:
                sys.exit(f"{one} does not answer: {error}")
            time.sleep(1)
