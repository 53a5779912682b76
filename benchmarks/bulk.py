"""Many pictures upscaled by several processes under SIGKILL: what is lost, and what is done twice.

    python benchmarks/bulk.py --count 1000
    python benchmarks/bulk.py --count 10000 --kills 20
    python benchmarks/bulk.py --count 300 --engine ray
    python benchmarks/bulk.py --count 300 --kills 0     # what it takes: seconds and memory

Small drawn faces with soft noise, each another file. `upscale --workers` enlarges them; meanwhile a
process of it, or the command itself, is ended by SIGKILL, again and again, and the command is run
again where it was itself ended. In the end every result is counted, compared by its bytes with what
one process makes of a sample, and its time of writing with those that were there after each kill:
whoever writes a result twice changes that. Processes that outlive their command are counted, too.
With `--engine ray` the processes that are killed are Ray's actors and what these started. Memory is
the share (PSS) of the command and all that it has started, the most that was seen at once.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from common import machine_facts, machine_line

from anime_pipeline.core.randomness import stream
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.sample.drawing import draw_face

BASES, SAMPLE, GONE_WITHIN_S, LOOK_EVERY_S = 40, 50, 10.0, 1.0


def draw(folder: Path, count: int, px: int) -> None:
    """Draw so many small faces."""
    bases = [np.array(draw_face(seed, 64).image) for seed in range(BASES)]
    bases = [cv2.resize(each, (px, px), interpolation=cv2.INTER_AREA) for each in bases]
    noise = stream(0, "noise")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        soft = cv2.resize(noise.standard_normal((3, 3, 3), np.float32) * 20, (px, px))
        face = np.clip(bases[number % BASES] + soft, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:06d}.png"), face)


def family(pid: int) -> list[int]:
    """Return a process's children, theirs, and so on."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            parents[int(path.name)] = int(fields[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def shares(pids: list[int], engine: str) -> list[int]:
    """Return those of a command's processes that share its work, or were started by such."""
    if engine == "local":
        return pids
    found = []
    for pid in pids:
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::Actor"):
            found += [pid, *family(pid)]
    return found


def held_bytes(pids: list[int]) -> int:
    """Return how much memory some processes hold together; what they share counts once."""
    total = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue
        total += sum(1024 * int(each) for each in re.findall(r"^Pss: +(\d+) kB", rollup, re.M))
    return total


def alive(pids: list[int]) -> list[int]:
    """Return those of some processes that have not ended."""
    there = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        there += [pid] * (state[0] not in "ZX")
    return there


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Return each result's file number and time of writing."""
    found = {}
    for path in folder.glob("*.png"):
        status = path.stat()
        found[path.name] = (status.st_ino, status.st_mtime_ns)
    return found


def main() -> None:  # noqa: C901
    """Parse the command line, kill and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--px", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--kills", type=int, default=6, help="each third one of the command itself")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("outputs/bulk.json"))
    given = parser.parse_args()
    facts, chance = machine_facts(), random.Random(0)  # noqa: S311
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        draw(folder / "faces", given.count, given.px)
        call = [sys.executable, "-m", "anime_pipeline", "upscale", str(folder / "faces"), "--out"]
        out = folder / "large"
        shared = [*call, str(out), "--workers", str(given.workers), "--engine", given.engine]
        quiet = {"stderr": subprocess.DEVNULL}
        begun, outlived, twice, kills, runs = time.perf_counter(), 0, 0, 0, 0
        before: dict[str, tuple[int, int]] = {}
        first_s, most_bytes, look_at = 0.0, 0, 0.0
        while True:
            runs += 1
            process = subprocess.Popen(shared, **quiet)  # type: ignore[call-overload] # noqa: S603
            while process.poll() is None:
                goal = (kills + 1) * given.count // (given.kills + 1) + chance.randrange(5)
                there = len(list(out.glob("*.png")))
                if there and not first_s:
                    first_s = time.perf_counter() - begun
                if time.monotonic() - look_at >= LOOK_EVERY_S:
                    look_at = time.monotonic()
                    most_bytes = max(most_bytes, held_bytes([process.pid, *family(process.pid)]))
                if kills >= given.kills or there < goal:
                    time.sleep(0.05)
                    continue
                members, kills = family(process.pid), kills + 1
                if kills % 3 == 0:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    deadline = time.monotonic() + GONE_WITHIN_S
                    while alive(members) and time.monotonic() < deadline:
                        time.sleep(0.02)
                    outlived += len(alive(members))
                elif sharing := shares(members, given.engine):
                    os.kill(chance.choice(sharing), signal.SIGKILL)
                now = written(out)
                twice += sum(now.get(name) != status for name, status in before.items())
                before = now
            if process.wait() == 0:
                break
            if process.returncode != -signal.SIGKILL:
                raise SystemExit(f"upscale ended with {process.returncode}")
        seconds = time.perf_counter() - begun
        now = written(out)
        twice += sum(now.get(name) != status for name, status in before.items())
        sample = sorted(now)[:: max(1, len(now) // SAMPLE)]
        alone = [str(folder / "faces" / name) for name in sample]
        one = [*call[:4], *alone, "--out", str(folder / "alone")]
        subprocess.run(one, check=True, **quiet)  # type: ignore[call-overload] # noqa: S603
        differ = sum(
            (out / name).read_bytes() != (folder / "alone" / name).read_bytes() for name in sample
        )
        left = len(list(out.glob(".*")))
    counted = {
        "engine": given.engine,
        "pictures": given.count,
        "results": len(now),
        "kills": kills,
        "runs": runs,
        "written_twice": twice,
        "outlived": outlived,
        "differ_of_sample": differ,
        "sample": len(sample),
        "temporaries_left": left,
        "first_result_s": first_s,
        "seconds": seconds,
        "peak_mb": most_bytes / 1e6,
    }
    print(machine_line(facts), *(f"{name}: {value}" for name, value in counted.items()), sep="\n")
    atomic_write_json(given.out, {"machine": facts} | counted)
    if len(now) != given.count or twice or outlived or differ or left:
        raise SystemExit("Something was lost, done twice or left behind.")


if __name__ == "__main__":
    main()
