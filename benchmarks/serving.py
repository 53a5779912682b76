"""How fast the server answers, and how it behaves under ten times the load that it can bear.

The baseline is the engine without a server: the same faces computed in this process, one at a time.

    python benchmarks/serving.py --seconds 120 --out serving.json
    python benchmarks/serving.py --hostile 3000 --out hostile.json

The second shows the server's memory while most of what it gets is meant to fill it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from common import machine_facts
from hostile import Hostile

from anime_pipeline import FaceSpec
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.web.api.faces import models_for
from anime_pipeline.web.api.requests import GenerateQuery
from anime_pipeline.web.models.catalogue import Catalogue

FACE = "/api/v1/generate?seed={}"
WARM = 10
NORMAL_SHARE = 0.5
NORMAL_AT_ONCE, HOSTILE_AT_ONCE = 8, 48
SHOW_EVERY = 100


class Client:
    """Asks for faces over connections that are kept and used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str) -> tuple[int, float]:
        """Return the status and the seconds from asking to the last byte."""
        begun = time.perf_counter()
        while self._idle:
            with contextlib.suppress(EOFError, ConnectionError):
                # Servers close what has been idle for long, maybe at this moment: as browsers do,
                # ask again on another connection.
                return await self._ask(*self._idle.pop(), path), time.perf_counter() - begun
        pair = await asyncio.open_connection("127.0.0.1", self._port)
        return await self._ask(*pair, path), time.perf_counter() - begun

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
    ) -> int:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Close what is idle."""
        for _, writer in self._idle:
            writer.close()


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return median, p95, p99 and the longest, in milliseconds."""
    if not seconds:
        return {}
    values = np.percentile(np.array(seconds) * 1000, [50, 95, 99, 99.9, 100])
    return dict(
        zip(("p50_ms", "p95_ms", "p99_ms", "p99_9_ms", "max_ms"), map(float, values), strict=True)
    )


async def one_at_a_time(port: int, count: int) -> dict[str, float]:
    """Ask for different faces, the next when the one before is there."""
    client, seconds = Client(port), []
    for seed in range(WARM + count):
        status, took = await client.get(FACE.format(seed))
        if status != 200:
            raise SystemExit(f"Expected a face. Received status {status}.")
        seconds.append(took)
    client.close()
    return percentiles(seconds[WARM:])


async def capacity(port: int, seconds: float, clients: int = 16) -> float:
    """Return faces a second with as many clients as keep the models busy."""
    client, done = Client(port), 0
    end = time.perf_counter() + seconds

    async def ask(first: int) -> None:
        nonlocal done
        seed = first
        while time.perf_counter() < end:
            status, _ = await client.get(FACE.format(seed))
            done += status == 200
            seed += clients

    await asyncio.gather(*(ask(10_000 + index) for index in range(clients)))
    client.close()
    return done / seconds


async def overload(port: int, rate: float, seconds: float, pid: int) -> dict[str, object]:
    """Send requests at a rate, whatever comes back, and watch answers and memory."""
    client, found = Client(port), []
    memory: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def ask(seed: int) -> None:
        found.append(await client.get(FACE.format(seed)))

    begun = time.perf_counter()
    sent = 0
    while (now := time.perf_counter() - begun) < seconds:
        while sent < now * rate:
            task = asyncio.create_task(ask(100_000 + sent))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        if len(memory) <= now:
            memory.append(resident_kb(pid))
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    client.close()
    statuses = Counter(status for status, _ in found)
    # Its first tenth fills queues and caches; drift is what follows.
    settled, late = memory[len(memory) // 10 :], memory[-max(1, len(memory) // 10) :]
    return {
        "rate": rate,
        "seconds": seconds,
        "statuses": dict(statuses),
        "accepted": percentiles([took for status, took in found if status == 200]),
        "refused": percentiles([took for status, took in found if status == 503]),
        "memory_mb": [memory[0] / 1000, settled[0] / 1000, float(np.median(late)) / 1000],
        "memory_drift": float(np.median(late)) / settled[0] - 1,
    }


async def hostile(port: int, count: int, pid: int) -> dict[str, object]:
    """Send faces and hostile requests by turns, and watch what becomes of the faces and memory."""
    client, enemy = Client(port), Hostile(port)
    normal, memory = asyncio.Queue[int](), []
    bad = asyncio.Queue[str]()
    for index in range(int(count * NORMAL_SHARE)):
        normal.put_nowait(index)
    for index in range(count - normal.qsize()):
        bad.put_nowait(list(enemy.kinds())[index % len(enemy.kinds())])
    done, found = 0, []

    def one_done() -> None:
        nonlocal done
        done += 1
        if done % SHOW_EVERY == 0:
            memory.append(resident_kb(pid) / 1000)
            print(f"{done} requests: {memory[-1]:.0f} MB resident", flush=True)

    async def ask() -> None:
        while not normal.empty():
            try:
                found.append(await client.get(FACE.format(200_000 + normal.get_nowait())))
            except (OSError, EOFError) as error:
                found.append((type(error).__name__, 0.0))
            one_done()

    async def harm() -> None:
        while not bad.empty():
            await enemy.send(bad.get_nowait())
            one_done()

    await asyncio.gather(
        *(ask() for _ in range(NORMAL_AT_ONCE)), *(harm() for _ in range(HOSTILE_AT_ONCE))
    )
    client.close()
    statuses = Counter(str(status) for status, _ in found)
    return {
        "requests": count,
        "memory_mb": memory,
        "peak_mb": peak_kb(pid) / 1000,
        "faces": statuses,
        "faces_answered": statuses["200"] / len(found),
        "accepted": percentiles([took for status, took in found if status == 200]),
        "hostile": dict(sorted(enemy.seen.items())),
    }


def peak_kb(pid: int) -> int:
    """Return how much memory a process has held at most."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1])


def resident_kb(pid: int) -> int:
    """Return how much memory a process holds."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1])


def direct(count: int) -> dict[str, float]:
    """Compute the same faces in this process, without a server."""
    asked, seconds = GenerateQuery(), []
    pipeline, size, _ = models_for(Catalogue("dcgan", "", Path("checkpoints")), asked, asked.size)
    for seed in range(WARM + count):
        begun = time.perf_counter()
        face = [FaceSpec(seed)]
        pipeline.draw(pipeline.latents(face), pipeline.condition(face), size)
        seconds.append(time.perf_counter() - begun)
    return percentiles(seconds[WARM:])


async def measure(options: argparse.Namespace, port: int, pid: int) -> dict[str, object]:
    """Run all measurements of the server."""
    result: dict[str, object] = {"one_at_a_time": await one_at_a_time(port, options.faces)}
    able = await capacity(port, 8)
    result["faces_a_second"] = able
    result["overload"] = await overload(port, 10 * able, options.seconds, pid)
    result["afterwards"] = await one_at_a_time(port, options.faces // 4)
    return result


def main() -> None:
    """Start a server and measure it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="of overload")
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--hostile", type=int, help="send as many requests, half of them hostile")
    parser.add_argument("--out", type=Path, default=Path("outputs/serving.json"))
    options = parser.parse_args()
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from running import running

    if options.hostile:
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (server, url):
            port = int(url.rsplit(":", 1)[1])
            found = asyncio.run(hostile(port, options.hostile, server.pid))
        atomic_write_json(options.out, found | {"machine": machine_facts()})
        for name, value in found.items():
            print(f"{name}: {value}")
        return
    baseline = direct(options.faces)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (server, url):
        port = int(url.rsplit(":", 1)[1])
        result = asyncio.run(measure(options, port, server.pid))
    result |= {"machine": machine_facts(), "baseline_direct": baseline}
    ratio = result["one_at_a_time"]["p50_ms"] / baseline["p50_ms"]  # type: ignore[index]
    result["ratio_to_direct"] = ratio
    atomic_write_json(options.out, result)
    print(f"One face of 128 px: {result['one_at_a_time']}, {ratio:.2f}x of {baseline}")
    print(f"Capacity: {result['faces_a_second']:.1f} faces a second")
    print(f"Overload: {result['overload']}")
    print(f"Afterwards: {result['afterwards']}")


if __name__ == "__main__":
    main()
