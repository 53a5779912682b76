"""What an index for near-duplicates costs and misses, compared with comparing all pictures.

    python benchmarks/near_duplicates.py --count 50000

Thumbnails are those of drawn faces with soft noise, as in `large_set.py`; each tenth is there again
as somebody may have saved it: noisier, tinted, or mirrored. Needs the extra `faiss`. Recall is the
share of the pictures that all comparisons put into a group with others that the index joins to the
same ones; wrong joins cannot be, as both check each pair in the same way.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from common import machine_facts, machine_line

from anime_pipeline.core.randomness import stream
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data import nearby
from anime_pipeline.data.duplicates import THUMBNAIL_PX, near_duplicate_groups, thumbnail
from anime_pipeline.sample.drawing import draw_face

BASES, NOISE_LEVELS = 100, 45.0


def thumbnails(count: int) -> np.ndarray:
    """Return uint8 [count, 16, 16, 3], a tenth of them copies in other forms."""
    bases = [thumbnail(np.array(draw_face(seed, 64).image)) for seed in range(BASES)]
    noise, side = stream(0, "noise"), (THUMBNAIL_PX, THUMBNAIL_PX)
    result = np.empty((count, *side, 3), np.uint8)
    originals = count - count // 10
    for row in range(originals):
        soft = noise.standard_normal((6, 6, 3), np.float32) * NOISE_LEVELS
        result[row] = np.clip(bases[row % BASES] + cv2.resize(soft, side), 0, 255)
    for row in range(originals, count):
        other = result[noise.integers(originals)].astype(np.float32)
        other = other[:, ::-1] if noise.random() < 0.3 else other
        tint = noise.standard_normal(3) * 4
        spread = noise.uniform(0, 10)
        other = other + tint + noise.standard_normal(other.shape) * spread
        result[row] = np.clip(other, 0, 255)
    return result


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float, float]:
    """Return a result, its seconds and its CPU seconds."""
    begun, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - begun, time.process_time() - cpu


def recall(groups: np.ndarray, exact: np.ndarray) -> float:
    """Return the share of pictures in exact groups that are joined to the group's first one."""
    counts = np.bincount(exact)
    first = np.full(len(counts), -1)
    rows = np.flatnonzero(counts[exact] > 1)
    first[exact[rows][::-1]] = rows[::-1]
    others = rows[first[exact[rows]] != rows]
    return float((groups[others] == groups[first[exact[others]]]).mean())


def main() -> None:
    """Parse the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--probes", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--without-exact", action="store_true", help="for sets where it takes long")
    parser.add_argument("--out", type=Path, default=Path("outputs/near_duplicates.json"))
    given = parser.parse_args()
    facts, rows = machine_facts(), []
    pictures = thumbnails(given.count)
    exact = np.empty(0, np.int32)
    if not given.without_exact:
        exact, *took = timed(lambda: near_duplicate_groups(pictures, indexed=False))
        rows.append(("all compared", *took, 1.0))
    for probes in given.probes:
        nearby.PROBES = probes
        groups, *took = timed(lambda: near_duplicate_groups(pictures, indexed=True))
        rows.append(
            (f"index, {probes} cells", *took, recall(groups, exact) if len(exact) else None)
        )
    print(machine_line(facts), f"\n\n| {given.count} pictures | s | CPU s | recall |", sep="")
    print("|---|---|---|---|")
    for name, seconds, cpu, share in rows:
        print(f"| {name} | {seconds:.1f} | {cpu:.1f} | {f'{share:.2%}' if share else ''} |")
    atomic_write_json(given.out, {"machine": facts, "count": given.count, "rows": rows})


if __name__ == "__main__":
    main()
