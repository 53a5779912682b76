"""From a folder of pictures to arrays that can be trained on: time and memory.

    python benchmarks/data_path.py --data FACES
    python benchmarks/data_path.py
    python benchmarks/data_path.py --batches 500000

The naive baseline is what most scripts do: one thread, a plain loop of `cv2.imread` and
`cv2.resize`, everything kept in a list. It does less than a first start of ours, which also joins
the colour tables, checks and names bad files, hashes contents, finds near-duplicates, divides the
set into train, val and test, and leaves a cache; a second start of the naive kind is its first.
Every measurement is a process of its own, all read the same files, which the system holds in
memory, and the sides take turns. Seconds are those from the call to the usable arrays and split;
CPU seconds are those of all threads: they change little where other programs use the cores.
`process` counts Python's start and imports, too. Peak memory is the process's largest resident set.

--batches measures training's batches of a large, invented set instead: the training side copied to
memory, as versions before this one did, and as the rows of a mapped file. Own memory is what the
system cannot take back, unlike a mapped file's. Which pictures make a batch follows from the
epoch's permutation: drawn anew for each batch, as it was, and kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from common import interleaved_medians, machine_facts, machine_line

from anime_pipeline.core.storage import atomic_write_json

NAIVE, FIRST, SECOND = "naive loop", "ours, first start", "ours, second start"
PILLOW = "first start, all by Pillow"  # as before plain JPEGs were left to OpenCV
COPIED, MAPPED = "copied to memory", "rows of a mapped file (ours)"
SIDES = (NAIVE, PILLOW, FIRST, SECOND, COPIED, MAPPED)
MEMORY_PX, FEW = 128, 4000
BATCH, STEPS, TRAIN_SHARE = 256, 100, 0.8


def naive(roots: list[Path], size: int, limit: int) -> dict[str, Any]:
    """Decode and resize every picture in one thread, as a plain script would."""
    import cv2
    import numpy as np

    begun = time.perf_counter()
    paths = [path for root in roots for path in sorted(root.rglob("*.[jpJP][pnPN]*[gG]"))][:limit]
    pictures = []
    for path in paths:
        picture = cv2.imread(str(path))
        if picture is not None:
            pictures.append(cv2.resize(picture, (size, size)))
    array = np.stack(pictures)
    return {"seconds": time.perf_counter() - begun, "pictures": len(array)}


def ours(roots: list[Path], size: int, limit: int, plain: bool = True) -> dict[str, Any]:
    """Open a store through the cache and divide it, as training does."""
    from anime_pipeline.data import entry
    from anime_pipeline.data.dataset import drop_repeated, open_dataset
    from anime_pipeline.data.store import load_store, split_store

    if not plain:
        entry.decode_plain = lambda content: None
    begun = time.perf_counter()
    datasets = drop_repeated([open_dataset(root) for root in roots])
    listed = time.perf_counter()
    for dataset in datasets:
        dataset.records = dataset.records[:limit]
        limit -= len(dataset.records)
    store = load_store(datasets, size)
    loaded = time.perf_counter()
    split = split_store(store)
    ended = time.perf_counter()
    store.images[split.train[:64]].sum()
    return {
        "seconds": ended - begun,
        "pictures": len(store.images),
        "listing_seconds": listed - begun,
        "decoding_seconds": loaded - listed,
        "splitting_seconds": ended - loaded,
    }


def batches(path: Path, copied: bool) -> dict[str, Any]:
    """Take the first batches of the training side of a file of pictures."""
    import numpy as np

    from anime_pipeline.core.randomness import stream
    from anime_pipeline.images.rows import Rows

    images = np.load(path, mmap_mode="r")
    train = stream(0, "split").permutation(len(images))[: int(len(images) * TRAIN_SHARE)]
    train.sort()
    chosen = stream(0, "batch").integers(0, len(train), (STEPS, BATCH))
    before, begun = own_mb(), time.perf_counter()
    pictures = images[train] if copied else Rows(images, train)
    total = int(pictures[chosen[0]].sum())
    first = time.perf_counter()
    for rows in chosen[1:]:
        total += int(pictures[rows].sum())
    ended = time.perf_counter()
    return {
        "first_seconds": first - begun,
        "batch_ms": (ended - first) / (STEPS - 1) * 1e3,
        "own_mb": own_mb() - before,
        "total": total,
    }


def measure(name: str, roots: list[Path], size: int, limit: int, cache: Path) -> dict[str, Any]:
    """Run one side in a process of its own."""
    call = [sys.executable, __file__, "--measure", name, "--size", str(size)]
    call += ["--limit", str(limit)]
    for root in roots:
        call += ["--data", str(root)]
    begun = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        call,
        env={**os.environ, "ANIME_PIPELINE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        check=True,
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts | {"process_seconds": time.perf_counter() - begun}


def peak_mb() -> float:
    """Return this process's largest resident set so far, in MB."""
    return _status_mb("VmHWM")


def own_mb() -> float:
    """Return this process's memory that is of no file, in MB."""
    return _status_mb("RssAnon")


def _status_mb(name: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6


def compare(roots: list[Path], size: int, limit: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Measure the sides in turns; each figure is the median of its rounds."""
    results: dict[str, list[dict[str, Any]]] = {NAIVE: [], PILLOW: [], FIRST: [], SECOND: []}
    measure(NAIVE, roots, size, limit, Path(os.devnull))  # brings the files into memory
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name in results:
                cache = Path(folder, "other" if name == PILLOW else "ours")
                results[name].append(measure(name, roots, size, limit, cache))
    return {
        name: {fact: median(run[fact] for run in runs) for fact in runs[0]}
        for name, runs in results.items()
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table; ratios are naive / ours."""
    lines = [
        "| pictures | px | side | seconds | vs naive | CPU seconds | process seconds | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        base = row["sides"][NAIVE]
        for name, facts in row["sides"].items():
            ratio = base["seconds"] / facts["seconds"]
            lines.append(
                f"| {facts['pictures']:.0f} | {row['size']} | {name} | {facts['seconds']:.2f} "
                f"| {ratio:.2f}x | {facts['cpu_seconds']:.2f} | {facts['process_seconds']:.2f} "
                f"| {facts['peak_mb']:.0f} |"
            )
    return "\n".join(lines)


def run(roots: list[Path], arguments: argparse.Namespace) -> None:
    """Measure at the wanted size and the memory at 128 px, print and save."""
    facts = machine_facts()
    everything = sys.maxsize
    rows = []
    plan = [(arguments.size, everything, arguments.rounds)]
    plan += [(MEMORY_PX, FEW, 1), (MEMORY_PX, everything, 1)]
    for size, limit, rounds in plan:
        rows.append({"size": size, "sides": compare(roots, size, limit, rounds)})
    print(machine_line(facts), *map(str, roots), sep="\n", end="\n\n")
    print(table(rows))
    first = rows[0]["sides"][FIRST]
    parts = ("listing", "decoding", "splitting")
    print("\nFirst start:", ", ".join(f"{part} {first[f'{part}_seconds']:.2f} s" for part in parts))
    print(f"All by Pillow: {rows[0]['sides'][PILLOW]['seconds'] / first['seconds']:.2f}x the time")
    document = {"machine": facts, "data": [str(root) for root in roots], "rows": rows}
    atomic_write_json(arguments.out, document)
    print(f"Written: {arguments.out}")


def order_ms(count: int, rounds: int) -> tuple[float, float]:
    """Return the ms in which a batch of `count` is chosen, by a new order and by a kept one."""
    from anime_pipeline.core import randomness

    def kept() -> None:
        for step in range(STEPS):
            randomness.batch_indices(0, step, BATCH, count)

    def anew() -> None:
        randomness._order.cache_clear()
        randomness.batch_indices(0, 0, BATCH, count)

    sides = interleaved_medians({"anew": anew, "kept": kept}, rounds)
    return sides["anew"] * 1e3, sides["kept"] / STEPS * 1e3


def run_batches(count: int, size: int, rounds: int) -> None:
    """Invent a set, measure both ways to its batches in turns and print them."""
    import numpy as np

    print(machine_line(machine_facts()), end="\n\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pictures.npy")
        invented = np.lib.format.open_memmap(path, "w+", np.uint8, (count, size, size, 3))
        some = np.random.default_rng(0).integers(0, 256, (FEW, size, size, 3), np.uint8)
        for start in range(0, count, FEW):
            invented[start : start + FEW] = some[: count - start]
        del invented
        found: dict[str, list[dict[str, Any]]] = {COPIED: [], MAPPED: []}
        for _ in range(rounds):
            for name, runs in found.items():
                runs.append(measure(name, [path], size, count, Path(folder)))
    sides = {
        n: {fact: median(run[fact] for run in runs) for fact in runs[0]}
        for n, runs in found.items()
    }
    if sides[COPIED]["total"] != sides[MAPPED]["total"]:
        raise SystemExit("The two sides took other pictures.")
    print(f"| {count} pictures of {size} px | first batch, s | a batch of {BATCH}, ms | own MB |")
    print("|---|---|---|---|")
    for name, facts in sides.items():
        cells = [
            f"{facts[fact]:.3f} ({facts[fact] / sides[COPIED][fact]:.3f}x)"
            for fact in ("first_seconds", "batch_ms", "own_mb")
        ]
        print(f"| {name} |", " | ".join(cells), "|")
    anew, kept = order_ms(int(count * TRAIN_SHARE), rounds)
    ratio = f"{kept / anew:.4f}x"
    print(f"\nChoosing a batch: {anew:.3f} ms by a new order, {kept:.3f} ({ratio}) by a kept one")


def main() -> None:
    """Parse the command line; without --data a practice set is drawn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", help="may be repeated")
    parser.add_argument("--size", type=int, default=32, help="side in pixels")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--count", type=int, default=2000, help="pictures to draw without --data")
    parser.add_argument("--out", type=Path, default=Path("outputs/data_path.json"))
    parser.add_argument("--batches", type=int, help="pictures of a set to take batches of")
    parser.add_argument("--limit", type=int, default=sys.maxsize, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        begun = time.process_time()
        if arguments.measure in (COPIED, MAPPED):
            facts = batches(arguments.data[0], arguments.measure == COPIED)
        else:
            given = arguments.data, arguments.size, arguments.limit
            plain = arguments.measure != PILLOW
            facts = naive(*given) if arguments.measure == NAIVE else ours(*given, plain)
        spent = {"cpu_seconds": time.process_time() - begun, "peak_mb": peak_mb()}
        print(json.dumps(facts | spent))
        return
    if arguments.batches:
        run_batches(arguments.batches, arguments.size, arguments.rounds)
        return
    if arguments.data:
        run(arguments.data, arguments)
        return
    from anime_pipeline.sample.dataset import write_sample_dataset

    with tempfile.TemporaryDirectory() as folder:
        print(f"No --data: drawing {arguments.count} faces.")
        write_sample_dataset(Path(folder, "faces"), arguments.count, seed=0, size_px=128)
        run([Path(folder, "faces")], arguments)


if __name__ == "__main__":
    main()
