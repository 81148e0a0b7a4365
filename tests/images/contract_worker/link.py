"""The line between a worker and the job master: TCP, a JSON object a line."""

from __future__ import annotations

import json
import queue
import socket
import threading
from typing import Any

Message = dict[str, Any]
LOST: Message = {"type": "lost"}  # What an end hears last.


class Link:
    """One end of a connection. What comes in waits in `inbox`; a `lost` is the last of it."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.inbox: queue.Queue[Message] = queue.Queue()
        threading.Thread(target=self._receive, daemon=True).start()

    def send(self, kind: str, **content: Any) -> None:
        """Send a message; one that can't be sent is lost, and the inbox tells that the line is."""
        try:
            self.socket.sendall((json.dumps({"type": kind, **content}) + "\n").encode())
        except OSError:
            pass

    def _receive(self) -> None:
        try:
            with self.socket.makefile("rb") as lines:
                for line in lines:
                    self.inbox.put(json.loads(line))
        except (OSError, ValueError):
            pass  # The other end is gone, or is none of us.
        self.inbox.put(LOST)


def preferred_address(name: str) -> str:
    """Return an address of a name, IPv4 if it has one; raises OSError if it has none."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return str(min((family != socket.AF_INET, address[0]) for family, _, _, _, address in found)[1])
