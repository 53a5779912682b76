"""A set larger than memory: what preparing it takes, and whether training waits for the disk.

    python benchmarks/large_set.py --count 50000
    python benchmarks/large_set.py --count 500000 --folder /large/disk/faces

Faces are drawn cheaply: some hundred of the practice set, each time with other, soft noise of
colours, which also keeps them from being near-duplicates. `anime-pipeline prepare` decodes them in
a process of its own, whose largest resident set is told, once killed by SIGKILL on the way and run
again. Then one process trains stage one (the `cpu` preset) in turns on the pictures in memory and
on those of the cache, some steps each, as the training loop prepares them; medians of the steps.

Meanwhile the process may hold little more of the cache in memory than --held of it (and 192 MB for
its libraries and its own ups and downs): by a memory cgroup of its own where those can be made (as
root), page cache included. Elsewhere the system is asked to drop the cache's pages before each turn
on it, so that every row is read from the disk. Which it was is told, with the bytes that came from
the disk for each byte that was trained on.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from common import machine_facts, machine_line

from anime_pipeline.core.randomness import stream
from anime_pipeline.core.storage import atomic_write_json, cache_folder
from anime_pipeline.images.rows import Joined, Rows

BASES, PX, NOISE_LEVELS, A_FOLDER = 200, 64, 45.0, 1000
TURN, UNCOUNTED = 15, 3  # steps of each side in turn; the first of them only fill the queue
WARM_UP, SPARE_BYTES = 20, 192 * 2**20  # what a process's own memory goes up and down by
CGROUPS = Path("/sys/fs/cgroup")


def draw(folder: Path, count: int) -> None:
    """Draw what is missing of `count` faces, in character folders with tables of colours."""
    from anime_pipeline.sample.drawing import draw_face

    bases: list[np.ndarray] = []
    for first in range(0, count, A_FOLDER):
        inside = folder / f"{first // A_FOLDER:04d}_noise"
        if (inside / "color.csv").exists():
            continue
        bases = bases or [np.array(draw_face(seed, PX).image, np.float32) for seed in range(BASES)]
        inside.mkdir(parents=True, exist_ok=True)
        noise = stream(0, "noise", first)
        rows = ["file,hair_r,hair_g,hair_b,skin_r,skin_g,skin_b"]
        for number in range(first, min(first + A_FOLDER, count)):
            soft = noise.standard_normal((6, 6, 3), np.float32) * NOISE_LEVELS
            face = bases[number % BASES] + cv2.resize(soft, (PX, PX))
            name = f"face_{number}.jpg"
            levels = np.clip(face, 0, 255).astype(np.uint8)
            cv2.imwrite(str(inside / name), levels, [cv2.IMWRITE_JPEG_QUALITY, 85])
            rows.append(",".join([name, *map(str, noise.integers(0, 256, 6).tolist())]))
        (inside / "color.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def prepare(folder: Path, kill_after_s: float | None = None) -> dict[str, Any]:
    """Run `prepare` once, to its end or until it is killed."""
    call = [sys.executable, "-m", "anime_pipeline", "prepare", str(folder), "--json"]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(call, stdout=subprocess.PIPE) as process:  # noqa: S603
        try:
            output, _ = process.communicate(timeout=kill_after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            output, _ = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts: dict[str, Any] = json.loads(output) if output else {}
    return facts | {
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": after.ru_maxrss * 1024 / 1e6,
        "code": process.returncode,
    }


@contextlib.contextmanager
def memory_group() -> Iterator[tuple[Path | None, str]]:
    """Make a memory cgroup and yield it with its limit's name; None where that is not allowed."""
    second = (CGROUPS / "cgroup.controllers").exists()
    name = f"anime-pipeline-{os.getpid()}"
    group = (CGROUPS if second else CGROUPS / "memory") / name
    limit = "memory.max" if second else "memory.limit_in_bytes"
    try:
        group.mkdir()
    except OSError:
        yield None, limit
        return
    try:
        yield (group if (group / limit).exists() else None), limit
    finally:
        group.rmdir()


def disk_bytes() -> int:
    """Return what this process has had read from disks."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def own_bytes() -> int:
    """Return this process's memory that is of no file."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024


def forget(files: list[Path], images: Joined | None = None) -> None:
    """Ask the system to drop files from its page cache, and this process, where it maps them."""
    for part in images._parts if images else ():
        part.base.madvise(mmap.MADV_DONTNEED)  # type: ignore[union-attr]
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def train(folder: Path, held: float, turns: int, group: str, limit: str) -> dict[str, Any]:
    """Take steps on both sides in turns; called in a process of its own."""
    if group:
        Path(group, "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    from dataclasses import replace

    from anime_pipeline.core.presets import DCGAN_PRESETS
    from anime_pipeline.data.conditions import of_records
    from anime_pipeline.data.opening import open_store
    from anime_pipeline.data.store import split_store
    from anime_pipeline.training.dcgan.task import DcganTask
    from anime_pipeline.training.loop import prepared

    files = sorted(cache_folder().glob("pictures-*/*.npy"))
    forget(files)  # what is in memory by another's doing would not be counted as this process's
    begun = time.perf_counter()
    store = open_store([folder], 32, labels=True, say=lambda text: print(text, file=sys.stderr))
    rows = split_store(store).train
    opened_s = time.perf_counter() - begun
    config = replace(DCGAN_PRESETS["cpu"], steps=10**6, condition="hair,skin", feature_critic=False)
    condition = of_records(("hair", "skin"), store.records.take(rows))
    assert isinstance(store.images, Joined)  # noqa: S101
    sides = {"memory": store.images[rows], "disk": Rows(store.images, rows)}
    tasks = {name: DcganTask(config, pictures, condition) for name, pictures in sides.items()}
    task = tasks["memory"]
    state = task.initial_state()
    for step in range(WARM_UP):  # compiles all forms of the step
        state, _ = task.advance(state, step, task.inputs(step))
    size = sum(path.stat().st_size for path in files)
    if group:
        most = own_bytes() + SPARE_BYTES + int(size * held)
        Path(group, limit).write_text(str(most), encoding="ascii")
    took: dict[str, list[float]] = {name: [] for name in tasks}
    from_disk, step = 0, WARM_UP
    for _ in range(turns):
        for name in tasks:
            if name == "disk" and not group:
                forget(files, store.images)
            read = disk_bytes()
            batches = prepared(tasks[name], step)
            for place in range(TURN):
                begun = time.perf_counter()
                state, metrics = task.advance(state, step, next(batches))
                _ = {each: float(value) for each, value in metrics[0].items()}
                if place >= UNCOUNTED:
                    took[name].append(time.perf_counter() - begun)
                step += 1
            batches.close()
            from_disk += (disk_bytes() - read) * (name == "disk")
    batch = config.batch_size
    rates = {name: batch / median(seconds) for name, seconds in took.items()}
    trained_on = turns * TURN * batch * 32 * 32 * 3
    return {
        "opened_s": opened_s,
        "cache_mb": size / 1e6,
        "images_per_second": rates,
        "share": rates["disk"] / rates["memory"],
        "read_per_byte": from_disk / trained_on,
        "limited_by": "a memory cgroup" if group else "posix_fadvise before each turn",
    }


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="keeps the faces and their cache")
    parser.add_argument("--held", type=float, default=0.1, help="share of the cache in memory")
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("outputs/large_set.json"))
    parser.add_argument("--train", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train is not None:
        print(json.dumps(train(given.folder / "faces", given.held, given.turns, *given.train)))
        return
    facts = machine_facts()
    print(machine_line(facts), end="\n\n", flush=True)
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["ANIME_PIPELINE_CACHE"] = str(folder / "cache")
        begun = time.perf_counter()
        draw(folder / "faces", given.count)
        print(f"{given.count} faces drawn in {time.perf_counter() - begun:.0f} s", flush=True)
        killed = prepare(folder / "faces", kill_after_s=max(4.0, given.count / 20_000))
        done = prepare(folder / "faces")
        print(
            f"prepare: killed after {killed['seconds']:.0f} s; run again, "
            f"{done['built']} of {done['blocks']} blocks in {done['seconds']:.0f} s "
            f"({done['cpu_seconds']:.0f} CPU s), {done['pictures']} pictures, "
            f"{done['peak_mb']:.0f} MB at most",
            flush=True,
        )
        group, limit = stack.enter_context(memory_group())
        call = [sys.executable, __file__, "--folder", str(folder), "--held", str(given.held)]
        call += ["--turns", str(given.turns), "--train", str(group or ""), limit]
        output = subprocess.run(call, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
        trained = json.loads(output)
    rates = trained["images_per_second"]
    print(
        f"train: {rates['memory']:.0f} images/s from memory, {rates['disk']:.0f} streaming "
        f"({trained['share']:.1%}); {trained['cache_mb']:.0f} MB of cache, held to "
        f"{given.held:.0%} by {trained['limited_by']}; {trained['read_per_byte']:.2f} bytes from "
        f"the disk for each trained on; opened in {trained['opened_s']:.1f} s"
    )
    document = {"machine": facts, "count": given.count, "prepare": done, "train": trained}
    atomic_write_json(given.out, document | {"killed": killed})
    print(f"Written: {given.out}")


if __name__ == "__main__":
    main()
