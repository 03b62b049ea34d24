"""Asks a server for /ok every 20 ms, over a connection that is kept and over new ones.

`python -m tests.e2e.probing URL`: a process of its own, lest it measures how busy the one is that
makes the load. It prints a line when it begins, asks until its stdin ends, and prints what it saw.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field

import httpx

_PAUSE_SECONDS = 0.02


@dataclass(slots=True)
class _Asking:
    url: str
    over: threading.Event
    asked: int = 0
    longest: float = 0.0
    failures: list[str] = field(default_factory=list)

    def run(self, *, keep: bool) -> None:
        limits = httpx.Limits(max_keepalive_connections=1 if keep else 0)
        with httpx.Client(base_url=self.url, limits=limits, timeout=10) as client:
            while not self.over.wait(_PAUSE_SECONDS):
                began = time.monotonic()
                try:
                    assert client.get("/ok").status_code == 200
                except Exception as exc:  # noqa: BLE001 - whatever it is, it is a failure
                    self.failures.append(repr(exc))
                self.asked += 1
                self.longest = max(self.longest, time.monotonic() - began)


def main() -> None:
    over = threading.Event()
    asking = [_Asking(sys.argv[1], over) for _ in range(2)]
    threads = [
        threading.Thread(target=each.run, kwargs={"keep": keep})
        for each, keep in zip(asking, (True, False), strict=True)
    ]
    for thread in threads:
        thread.start()
    print("asking", flush=True)
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    seen = {
        "asked": sum(each.asked for each in asking),
        "longest": max(each.longest for each in asking),
        "failures": [text for each in asking for text in each.failures],
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
