"""Measures what the benchmark harness does not: growth of a thread, crashes, a blocking node.

    python -m tests.benchmarks.bars [growth] [kills] [blocking] [naps] [flat] [reload] [errors]

`bench/` holds the harness for the rest: `python tests/benchmarks/bench/bench.py compare reference
lgserve --sections echo,stream,steps,bg,threads,cold,long` (both commands on PATH).
"""

from __future__ import annotations

import os
import random
import secrets
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
from langgraph_sdk import get_sync_client

from tests.cli.test_dev_screen import on_terminal
from tests.e2e.reloading import (
    Loader,
    Prober,
    all_ticks,
    reloading,
    resident,
    stream,
    ticks_of,
)
from tests.e2e.test_crashes import Acknowledged, check, crash_once, settle
from tests.servers import ServerProcess, project, serving

UPDATES, SIZE, KILLS, SAVES, RELOADS = 60, 50_000, 50, 10, 200


def growth() -> None:
    """Append 60 messages of 50 KB to one thread, by updates of its state; then by runs."""
    for name, graph in (("samples", "plain"), ("samples", "echo")):
        with tempfile.TemporaryDirectory() as folder:
            with (
                serving(Path(folder), name=name) as server,
                get_sync_client(url=server.url) as client,
            ):
                thread = client.threads.create(metadata={"graph_id": graph})["thread_id"]
                for n in range(UPDATES):
                    text = secrets.token_hex(SIZE // 2)
                    values = (
                        {"messages": [{"role": "user", "content": text, "id": str(n)}]}
                        if graph == "plain"
                        else {"log": [text]}
                    )
                    client.threads.update_state(thread, values)
                path = f"{server.url}/threads/{thread}/state"
                times = [seconds_of(partial(get, path)) for _ in range(15)]
                data = Path(folder) / "data"
                sizes = {f.name: f.stat().st_size / 1e6 for f in data.iterdir()}
            print(f"growth, {graph}: files (MB) {sizes}, sum {sum(sizes.values()):.2f}")
            print(f"  GET state: median {1e3 * statistics.median(times):.1f} ms of {len(times)}")


def kills() -> None:
    """Kill the server at 50 random moments under load and compare with what it acknowledged."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        server = ServerProcess(folder=path, config=project(path), arguments=["--no-reload"])
        server.start()
        seen = Acknowledged()
        moments = random.Random(1)
        for _ in range(KILLS):
            crash_once(server, seen, moments.uniform(0.05, 1.0))
        with get_sync_client(url=server.url) as client:
            settle(client, seen)
            check(client, seen)
        server.stop()
        print(
            f"kills: {KILLS}; {len(seen.threads)} threads, {len(seen.runs)} background runs and"
            f" {len(seen.finished)} waited runs acknowledged; nothing lost, nothing stuck"
        )


def blocking() -> None:
    """Ask for /ok while a node blocks its loop for 4 s."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), name="hard") as server:
        body = {"assistant_id": "freezer", "input": {"seconds": 4}}
        run = threading.Thread(
            target=lambda: httpx.post(f"{server.url}/runs/wait", json=body, timeout=60)
        )
        run.start()
        times = []
        while run.is_alive():
            times.append(seconds_of(lambda: get(f"{server.url}/ok")))
            time.sleep(0.002)
        times.sort()
        p99 = times[int(len(times) * 0.99)]
        slowest = 1e3 * times[-1]
        print(f"blocking: {len(times)} GET /ok, p99 {1e3 * p99:.1f} ms, max {slowest:.1f} ms")


def naps() -> None:
    """20 blocking 2-s runs on 20 threads."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), name="hard") as server:
        body = {"assistant_id": "napper", "input": {"seconds": 2}}

        def wait() -> None:
            httpx.post(f"{server.url}/runs/wait", json=body, timeout=60).raise_for_status()

        runs = [threading.Thread(target=wait) for _ in range(20)]
        began = time.perf_counter()
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        print(f"naps: 20 blocking runs of 2 s done in {time.perf_counter() - began:.2f} s")


def flat() -> None:
    """CPU of reads at 1,000 and at 10,000 threads, over enough operations for the clock's tick."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as server,
        httpx.Client(base_url=server.url) as http,
    ):
        ids: list[str] = []
        for size in (1000, 10_000):
            while len(ids) < size:
                body = {"metadata": {"bucket": f"b{len(ids) % 20}"}}
                ids.append(http.post("/threads", json=body).json()["thread_id"])
            reads: dict[str, Callable[[int], object]] = {
                "GET": lambda i: http.get(f"/threads/{ids[i * 7919 % len(ids)]}"),
                "search": lambda _: http.post("/threads/search", json={"limit": 10}),
                "by metadata": lambda i: http.post(
                    "/threads/search", json={"limit": 10, "metadata": {"bucket": f"b{i % 20}"}}
                ),
            }
            for name, read in reads.items():
                print(f"flat: {name} at {size}: {1e3 * cpu_of(server, read, 2000):.3f} ms CPU")


def reload() -> None:
    """Save during streams, and reload 200 times under load."""
    saves()
    reloads()


def saves() -> None:
    """Save a file during a stream, ten times: gaps of /ok, and how soon the new code answers."""
    with tempfile.TemporaryDirectory() as folder, reloading(Path(folder)) as served:
        waits = []
        with Prober(served.url).asking() as prober:
            for n in range(SAVES):
                reader = stream(served, input={"ticks": 60})
                assert reader.begun.wait(30)
                saved = served.edit(served.version_line(), f'VERSION = "v{n}"')
                waits.append(served.await_version(f"v{n}") - saved)
                assert ticks_of(reader.end()) == all_ticks(60)
        assert not prober.failures, prober.failures[:3]
        print(f"saves: {SAVES} during streams, no event lost; the new code answers after (s)")
        print(
            f"  {' '.join(f'{wait:.2f}' for wait in waits)}; median {statistics.median(waits):.2f}"
        )
        print(
            f"  GET /ok: {prober.asked} asked, none failed, longest {1e3 * prober.longest:.0f} ms"
        )


def reloads() -> None:
    """Reload 200 times in a row while clients ask, run and stream."""
    with tempfile.TemporaryDirectory() as folder, reloading(Path(folder)) as served:
        load = [Loader(served) for _ in range(4)]
        began, sizes = time.monotonic(), []
        with Prober(served.url).asking() as prober, ExitStack() as stack:
            for each in load:
                stack.enter_context(each.running())
            for n in range(RELOADS):
                served.edit(served.version_line(), f'VERSION = "v{n}"')
                served.await_version(f"v{n}")
                if n % 20 == 19:
                    pids = served.processes()
                    memory = sum(resident(pid) for pid in pids)
                    sizes.append(f"{memory:.0f} MB in {len(pids)}")
        seconds = time.monotonic() - began
        served.await_quiet()
        failures = [*prober.failures, *(text for each in load for text in each.failures)]
        done = sum(each.done for each in load)
        print(f"reloads: {RELOADS} in {seconds:.0f} s, {done} runs and {prober.asked} GET /ok")
        print(
            f"  failures {len(failures)} {failures[:3]}; longest /ok {1e3 * prober.longest:.0f} ms"
        )
        print(f"  memory and processes at each 20th: {', '.join(sizes)}")
        memory = sum(resident(pid) for pid in served.processes())
        print(f"  left at the end: {len(served.processes())} processes with {memory:.0f} MB")
        assert not failures


def errors() -> None:
    """Save a syntax error and mend it, ten times: when the terminal and `/info` tell of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project(folder, "reloading")
        good = (folder / "steps.py").read_text()
        shown, told, healed = [], [], []
        with on_terminal(folder) as screen:
            url = screen.url()
            screen.until(r"Reload +on")
            for n in range(SAVES):
                (folder / "steps.py").write_text(f"{good}\ndef broken_{n}(:\n")
                saved = time.monotonic()
                screen.until("the last good version stays")
                shown.append(time.monotonic() - saved)
                while httpx.get(f"{url}/info").json()["reload_error"] is None:
                    pass
                told.append(time.monotonic() - saved)
                (folder / "steps.py").write_text(f"{good}\n# {n}\n")
                saved = time.monotonic()
                screen.until(r"reload  steps\.py changed → ")
                healed.append(time.monotonic() - saved)
    for what, seconds in {"terminal": shown, "/info": told, "healed": healed}.items():
        middle, worst = 1e3 * statistics.median(seconds), 1e3 * max(seconds)
        print(f"errors: {SAVES} saves, {what}: median {middle:.0f} ms, worst {worst:.0f} ms")


def cpu_of(server: ServerProcess, work: Callable[[int], object], times: int) -> float:
    """Return the server's CPU seconds an operation."""
    assert server.process is not None
    before = cpu_seconds(server.process.pid)
    for i in range(times):
        work(i)
    return (cpu_seconds(server.process.pid) - before) / times


def cpu_seconds(pid: int) -> float:
    """Return the CPU a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def get(url: str) -> None:
    """Fetch a page."""
    with urllib.request.urlopen(url, timeout=30) as response:
        response.read()


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


MEASURES: dict[str, Callable[[], None]] = {
    "growth": growth,
    "kills": kills,
    "blocking": blocking,
    "naps": naps,
    "flat": flat,
    "reload": reload,
    "errors": errors,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or MEASURES:
        MEASURES[name]()
