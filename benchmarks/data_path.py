"""From a folder of pictures to arrays that can be trained on: time and memory.

    python benchmarks/data_path.py --data FACES
    python benchmarks/data_path.py

The naive baseline is what most scripts do: one thread, a plain loop of `cv2.imread` and
`cv2.resize`, everything kept in a list. It does less than a first start of ours, which also joins
the colour tables, checks and names bad files, hashes contents, finds near-duplicates, divides the
set into train, val and test, and leaves a cache; a second start of the naive kind is its first.
Every measurement is a process of its own, all read the same files, which the system holds in
memory, and the sides take turns. Seconds are those from the call to the usable arrays and split;
CPU seconds are those of all threads: they change little where other programs use the cores.
`process` counts Python's start and imports, too. Peak memory is the process's largest resident set.
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

from common import machine_facts, machine_line

from anime_pipeline.core.storage import atomic_write_json

NAIVE, FIRST, SECOND = "naive loop", "ours, first start", "ours, second start"
MEMORY_PX, FEW = 128, 4000


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


def ours(roots: list[Path], size: int, limit: int) -> dict[str, Any]:
    """Open a store through the cache and divide it, as training does."""
    from anime_pipeline.data.dataset import drop_repeated, open_dataset
    from anime_pipeline.data.store import load_store, split_store

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
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def compare(roots: list[Path], size: int, limit: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Measure the three sides in turns; each figure is the median of its rounds."""
    results: dict[str, list[dict[str, Any]]] = {NAIVE: [], FIRST: [], SECOND: []}
    measure(NAIVE, roots, size, limit, Path(os.devnull))  # brings the files into memory
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name in results:
                results[name].append(measure(name, roots, size, limit, Path(folder)))
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
    document = {"machine": facts, "data": [str(root) for root in roots], "rows": rows}
    atomic_write_json(arguments.out, document)
    print(f"Written: {arguments.out}")


def main() -> None:
    """Parse the command line; without --data a practice set is drawn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", help="may be repeated")
    parser.add_argument("--size", type=int, default=32, help="side in pixels")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--count", type=int, default=2000, help="pictures to draw without --data")
    parser.add_argument("--out", type=Path, default=Path("outputs/data_path.json"))
    parser.add_argument("--limit", type=int, default=sys.maxsize, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=(NAIVE, FIRST, SECOND), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        side = naive if arguments.measure == NAIVE else ours
        begun = time.process_time()
        facts = side(arguments.data, arguments.size, arguments.limit)
        spent = {"cpu_seconds": time.process_time() - begun, "peak_mb": peak_mb()}
        print(json.dumps(facts | spent))
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
