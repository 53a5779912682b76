"""Set two ways of making faces side by side without saying which is which; count what was liked.

    python tools/blind_sheet.py sheet BEFORE AFTER --first 1000 --out sheet.png --key key.json
    python tools/blind_sheet.py count key.json answers.txt

BEFORE and AFTER are folders of pictures of the same names, or stage two's weights, by which faces
are drawn. Answers are a line a pair: left, right or none. Open the key when they are written.
"""

import argparse
import json
import secrets
from collections.abc import Iterable, Sequence
from math import comb
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from anime_pipeline.core.randomness import stream
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.images.codec import write_png
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.inference.pipeline import Pipeline
from anime_pipeline.inference.spec import FaceSpec


def pictures(source: str, first: int, count: int) -> dict[str, np.ndarray]:
    """Return `count` pictures uint8 [H, W, 3] by name, of a folder or drawn by weights."""
    if files := sorted(Path(source).glob("*.png")):
        return {file.name: np.asarray(Image.open(file).convert("RGB")) for file in files[:count]}
    seeds = [str(seed) for seed in range(first, first + count)]
    faces = Pipeline.load(upscaler=source)([FaceSpec(int(seed)) for seed in seeds])
    return dict(zip(seeds, faces, strict=True))


def make_sheet(faces: Iterable[Sequence[np.ndarray]], swapped: list[bool]) -> np.ndarray:
    """Return numbered pairs, three a row and magnified twice; the second is left if swapped."""
    pairs = []
    for row, (both, flag) in enumerate(zip(faces, swapped, strict=True)):
        pair = Image.fromarray(make_grid(np.stack(both[::-1] if flag else both), 2, magnify=2))
        ImageDraw.Draw(pair).text((6, 4), str(row + 1), "red", stroke_width=2, stroke_fill="white")
        pairs.append(np.asarray(pair))
    return make_grid(np.stack(pairs), 3, gap=10)


def count_answers(swapped: list[bool], answers: list[str]) -> dict[str, float]:
    """Return how many pairs each side won, and how likely that is by chance (sign test)."""
    if len(answers) != len(swapped) or not {*answers} <= {"left", "right", "none"}:
        raise SystemExit(f"Expected {len(swapped)} lines of left, right or none.")
    won = ["after" if (each == "left") == flag else "before"
           for each, flag in zip(answers, swapped, strict=True) if each != "none"]  # fmt: skip
    counts = {"before": won.count("before"), "after": won.count("after")}
    chance = 2 * sum(comb(len(won), k) for k in range(min(counts.values()) + 1)) / 2 ** len(won)
    return counts | {"none": answers.count("none"), "chance": min(1.0, round(chance, 4))}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("sheet", "count"))
    parser.add_argument("given", nargs=2, help="BEFORE and AFTER, or the key and the answers")
    numbers = {"--count": 40, "--first": 0, "--seed": secrets.randbelow(2**32)}
    for name, default in {**numbers, "--out": "blind.png", "--key": "blind.json"}.items():
        parser.add_argument(name, type=type(default), default=default)
    options = parser.parse_args()
    if options.command == "count":
        key, answers = (Path(each).read_text(encoding="utf-8") for each in options.given)
        print(json.dumps(count_answers(json.loads(key)["swapped"], answers.split())))
        return
    sides = [pictures(each, options.first, options.count) for each in options.given]
    if len(sides[0]) == 0 or sides[0].keys() != sides[1].keys():
        raise SystemExit("Expected pictures of the same names on both sides.")
    swapped = (stream(options.seed, "order of pairs").random(len(sides[0])) < 0.5).tolist()
    write_png(Path(options.out), make_sheet(zip(*map(dict.values, sides), strict=True), swapped))
    atomic_write_json(Path(options.key), vars(options) | {"names": [*sides[0]], "swapped": swapped})


if __name__ == "__main__":
    main()
