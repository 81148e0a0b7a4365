"""Log lines in the form that Twister2's own formatter gives them, with the words of Twister2 0.8.0."""

import threading
import time


def log(level: str, text: str) -> None:
    """Print an entry; `level` is INFO, WARNING or SEVERE."""
    thread = threading.current_thread().name
    print(f"[{time.strftime('%Y-%m-%d %H:%M:%S %z')}] [{level}] [-] [{thread}] contract_worker: {text}", flush=True)
