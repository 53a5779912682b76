"""How fast faces are drawn and enlarged: whole commands, and runtimes side by side.

    python benchmarks/inference.py

The baseline is Keras on the same weights and the same machine: a program that imports it, draws 16
faces, enlarges them with `model.predict` and writes the same PNG files; and `model.predict` alone
for the networks. Each runtime lives in a process of its own (they would fight over threads), and
the processes take turns. Runtimes that are not installed are left out. About two minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from common import interleaved_medians, machine_facts, machine_line
from runtimes import RUNTIMES, serve

from anime_pipeline.core.storage import atomic_write_json

GENERATE = ["-m", "anime_pipeline", "generate", "-n", "16", "--upscale"]
IN_KERAS = """
import sys
from pathlib import Path
import numpy as np
from runtimes import keras_model
from anime_pipeline.core.randomness import latents
from anime_pipeline.images.codec import write_png
from anime_pipeline.models.ranges import lr_to_model, to_uint8
draw, enlarge = keras_model("draw"), keras_model("enlarge")
inputs = [latents(range(16), 128), np.zeros((16, draw.inputs[1].shape[1]), np.float32)]
faces = to_uint8(draw.predict(inputs, verbose=0))
for seed, face in enumerate(to_uint8(enlarge.predict(lr_to_model(faces), verbose=0))):
    write_png(Path(sys.argv[1], f"face_{seed}.png"), face, {})
"""
COMMANDS = ("generate", "upscale", "benchmark", "train-dcgan", "train-srgan", "evaluate", "export")


def run_program(arguments: list[str]) -> tuple[float, float]:
    """Run Python with arguments; return wall seconds and peak memory in MB."""
    begun = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments],
        cwd=Path(__file__).parent,  # where `runtimes` is found
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise RuntimeError(f"{' '.join(arguments)[:60]} failed with status {status}.")
    return seconds, usage.ru_maxrss * 1024 / 1e6


def whole_commands(rounds: int) -> list[dict[str, Any]]:
    """Time whole processes, from nothing to files: ours and the same in Keras, taking turns."""
    found: dict[str, list[tuple[float, float]]] = {"generate": [], "Keras": [], "--help": []}
    with tempfile.TemporaryDirectory() as folder:
        for index in range(rounds + 1):  # the first fills the disk's cache
            out = f"{folder}/{index}"
            os.makedirs(f"{out}k")
            times = {
                "generate": run_program([*GENERATE, "--out", out]),
                "Keras": run_program(["-c", IN_KERAS, f"{out}k"]),
                "--help": max(run_program(["-m", "anime_pipeline", c, "--help"]) for c in COMMANDS),
            }
            if index:
                for name, measured in times.items():
                    found[name].append(measured)
    titles = {
        "generate": "`generate -n 16 --upscale`",
        "Keras": "the same in Keras",
        "--help": f"`--help`, slowest of {len(COMMANDS)} commands",
    }
    return [
        {
            "what": titles[name],
            "seconds": median(seconds for seconds, _ in measured),
            "peak_mb": max(peak for _, peak in measured),
        }
        for name, measured in found.items()
    ]


def side_by_side(stage: str, rounds: int) -> list[dict[str, Any]]:
    """Time one stage on every runtime, for one face and for 32."""
    spawning, lines, rows = multiprocessing.get_context("spawn"), {}, {}
    for name in RUNTIMES:
        here, there = spawning.Pipe()
        process = spawning.Process(target=serve, args=(name, stage, there), daemon=True)
        process.start()
        there.close()  # so that a process that dies is noticed
        try:
            answer = here.recv()
        except EOFError:
            answer = "its process died."
        if isinstance(answer, str):
            print(f"{name} is left out: {answer.splitlines()[0]}", file=sys.stderr)
            continue
        lines[name], rows[name] = here, {"runtime": name, "stage": stage, "ready_s": answer}

    def caller(name: str, count: int) -> Callable[[], object]:
        def call() -> None:
            lines[name].send(count)
            rows[name]["peak_mb"] = lines[name].recv()

        return call

    for count in (1, 32):
        medians = interleaved_medians({name: caller(name, count) for name in lines}, rounds)
        baseline = medians["Keras `model.predict`"]
        for name, seconds in medians.items():
            rows[name][f"ms_{count}"] = seconds * 1e3
            rows[name][f"ratio_{count}"] = seconds / baseline
    for line in lines.values():
        line.send(0)
    return list(rows.values())


def tables(document: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = ["| whole process | median s | peak MB |", "|---|---|---|"]
    lines += [
        f"| {row['what']} | {row['seconds']:.2f} | {row['peak_mb']:.0f} |"
        for row in document["commands"]
    ]
    titles = {"draw": "Stage one, 32 px", "enlarge": "Stage two, 32 to 128 px"}
    for stage, title in titles.items():
        lines += [
            "",
            f"| {title} | one face, ms | ratio | 32 faces, ms | ratio | ready after s | peak MB |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row['runtime']} | {row['ms_1']:.1f} | {row['ratio_1']:.2f} | {row['ms_32']:.0f} "
            f"| {row['ratio_32']:.2f} | {row['ready_s']:.1f} | {row['peak_mb']:.0f} |"
            for row in document["runtimes"]
            if row["stage"] == stage
        ]
    return "\n".join(lines)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("outputs/inference.json"))
    arguments = parser.parse_args()
    facts = machine_facts()
    document = {
        "machine": facts,
        "commands": whole_commands(arguments.rounds),
        "runtimes": [row for s in ("draw", "enlarge") for row in side_by_side(s, arguments.rounds)],
    }
    atomic_write_json(arguments.out, document)
    print(f"{machine_line(facts)}; {arguments.rounds} rounds, medians\n\n{tables(document)}")


if __name__ == "__main__":
    main()
