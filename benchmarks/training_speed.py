"""Measure training on this machine's CPU against naive Keras, both sides in one process.

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --only cpu/reference --only srgan --rounds 9

The sides take turns and the medians are compared, so that a busy machine distorts the ratios
little. No data is needed: pictures are noise, which costs what faces cost. An image a second is one
real picture seen by the discriminator, with its share of the generator's work; one call of a side
is 16 steps of the `cpu` preset, so that its lazy penalty is counted at its rate. Prints Markdown,
and writes all figures as JSON.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from common import interleaved_medians, machine_facts, machine_line

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data import conditions
from anime_pipeline.models import backend
from anime_pipeline.models.precision import best_precision
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.srgan.task import SrganTask

CYCLE = DCGAN_PRESETS["cpu"].r1_interval
CONDITION = "hair,skin"
PICTURES = 2048
REFERENCE_BATCH = DCGAN_PRESETS["reference"].batch_size
REFERENCE_D_STEPS = DCGAN_PRESETS["reference"].d_steps


@dataclass(frozen=True)
class Side:
    """Something to time.

    Attributes:
        call: Does the work and returns when it is done.
        images: Pictures that one call counts for.
        inputs: Draws and converts the arrays of one step; None for the naive sides.
        steps: Steps in one call.
    """

    call: Callable[[], object]
    images: int
    inputs: Callable[[int], object] | None = None
    steps: int = 1


@dataclass(frozen=True)
class Comparison:
    """Two sides by name, and what the reader must know of them."""

    ours: str
    theirs: str
    note: str


COMPARISONS = {
    "cpu/reference": Comparison(
        "cpu", "naive reference, d_steps 1", "no feature critic; both one D update a G update"
    ),
    "cpu/reference at 10": Comparison(
        "cpu", "naive reference, d_steps 10", "no feature critic; 1 D update a G update against 10"
    ),
    "cpu/naive": Comparison(
        "cpu", "naive cpu, stock layers", "no feature critic; same networks, loss and penalties"
    ),
    "cpu/naive, our layers": Comparison(
        "cpu", "naive cpu, our layers", "as above, UpsampleConv and fused BN on the naive side too"
    ),
    "reference/naive": Comparison(
        "reference, d_steps 1", "naive reference, d_steps 1", "one D update a G update"
    ),
    "reference/naive at 10": Comparison(
        "reference, d_steps 10", "naive reference, d_steps 10", "the preset's 10 D updates"
    ),
    "features/reference": Comparison(
        "cpu, feature critic", "naive reference, d_steps 1", "the preset as shipped, with VGG16"
    ),
    "srgan": Comparison(
        "fidelity", "naive upscaler", "batch 8, equal crops, so images compare as HR pixels do"
    ),
}


class Sides:
    """Builds sides by name."""

    def __init__(self, crop_px: int) -> None:
        draws = np.random.default_rng(0)
        self.crop_px = crop_px
        self.faces = draws.integers(0, 256, (PICTURES, 32, 32, 3), np.uint8)
        self.large = draws.integers(0, 256, (64, 128, 128, 3), np.uint8)
        width = conditions.width(conditions.parse_names(CONDITION))
        self.shown = draws.standard_normal((PICTURES, width)).astype(np.float32)

    def build(self, name: str) -> Side:
        """Return a side ready to be called."""
        config = replace(DCGAN_PRESETS["cpu"], condition=CONDITION, feature_critic=False)
        ours = replace(config, precision=best_precision())
        if name == "cpu":
            return self._training(DcganTask(ours, self.faces, self.shown), CYCLE)
        if name == "cpu, feature critic":
            task = DcganTask(replace(ours, feature_critic=True), self.faces, self.shown)
            return self._training(task, CYCLE)
        if name.startswith("naive cpu"):
            return self._naive_cpu(config, name.endswith("stock layers"))
        if name.startswith("reference"):
            return self._reference(int(name.split()[-1]))
        if name == "fidelity":
            config = replace(SRGAN_PRESETS["cpu"], adversarial_steps=0, crop_size=self.crop_px)
            config = replace(config, precision=best_precision())
            return self._training(SrganTask(config, self.large), 1)
        import naive_training

        if name == "naive upscaler":
            batch = SRGAN_PRESETS["cpu"].batch_size
            return Side(naive_training.upscaler_step(batch, self.crop_px), batch)
        d_steps = int(name.split()[-1])
        step = naive_training.reference_step(REFERENCE_BATCH, d_steps)
        return Side(step, REFERENCE_BATCH * d_steps)

    def _reference(self, d_steps: int) -> Side:
        config = replace(DCGAN_PRESETS["reference"], d_steps=d_steps, precision=best_precision())
        return self._training(DcganTask(config, self.faces), 1)

    def _naive_cpu(self, config: DcganConfig, stock: bool) -> Side:
        import naive_training

        task = DcganTask(config, self.faces, self.shown)
        step = naive_training.own_step(config, task, stock)

        def call() -> None:
            for _ in range(CYCLE):
                step()

        return Side(call, config.batch_size * CYCLE)

    @staticmethod
    def _training(task: Any, steps: int) -> Side:
        state, begun = task.initial_state(), 0

        def call() -> None:
            nonlocal state, begun
            for step in range(begun, begun + steps):
                state, [metrics] = task.advance(state, step, task.inputs(step))
            begun += steps
            {name: float(value) for name, value in metrics.items()}

        def inputs(step: int) -> object:
            return backend.to_device(task.inputs(step))

        images = steps * task.config.batch_size * getattr(task.config, "d_steps", 1)
        return Side(call, images, inputs, steps)


def input_share(
    inputs: Callable[[int], object], seconds_per_step: float, repeats: int = 30
) -> float:
    """Return the part of a step that drawing and converting its arrays would take, if waited for.

    In the training loop a thread prepares them while the step before is computed.
    """
    times = []
    for step in range(repeats):
        begun = time.thread_time()
        inputs(step)
        times.append(time.thread_time() - begun)
    return median(times) / seconds_per_step


def measure(names: list[str], rounds: int, crop_px: int) -> tuple[list[dict], list[dict]]:
    """Return a row per comparison, and one per side of ours with its inputs' share of a step."""
    sides_of = Sides(crop_px)
    build = cache(sides_of.build)
    wanted = dict.fromkeys(
        side for name in names for side in (COMPARISONS[name].ours, COMPARISONS[name].theirs)
    )
    built = {name: build(name) for name in wanted}
    seconds = interleaved_medians({name: side.call for name, side in built.items()}, rounds)
    speed = {name: side.images / seconds[name] for name, side in built.items()}
    rows = []
    for name in names:
        pair = COMPARISONS[name]
        rows.append(
            {
                "comparison": name,
                "ratio": speed[pair.ours] / speed[pair.theirs],
                "ours": pair.ours,
                "ours_images_per_second": speed[pair.ours],
                "theirs": pair.theirs,
                "theirs_images_per_second": speed[pair.theirs],
                "note": pair.note + (f", crop {crop_px} px" if name == "srgan" else ""),
            }
        )
    inputs = [
        {"side": name, "inputs_share": input_share(side.inputs, seconds[name] / side.steps)}
        for name, side in built.items()
        if side.inputs
    ]
    return rows, inputs


def tables(rows: list[dict[str, Any]], inputs: list[dict[str, Any]]) -> str:
    """Return the figures as Markdown."""
    lines = ["| comparison | ratio | ours, img/s | naive, img/s | naive side | conditions |"]
    lines.append("|---|---|---|---|---|---|")
    for row in rows:
        lines.append(
            f"| {row['comparison']} | **{row['ratio']:.2f}** | {row['ours_images_per_second']:.1f} "
            f"| {row['theirs_images_per_second']:.1f} | {row['theirs']} | {row['note']} |"
        )
    lines += ["", "| side | inputs, share of a step |", "|---|---|"]
    lines += [f"| {row['side']} | {row['inputs_share']:.2%} |" for row in inputs]
    return "\n".join(lines)


def main() -> None:
    """Run the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=COMPARISONS, help="may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="counted calls of each side")
    parser.add_argument("--crop-px", type=int, default=96, help="HR side of stage two's pictures")
    parser.add_argument("--out", type=Path, default=Path("outputs/training_speed.json"))
    arguments = parser.parse_args()
    backend.make_deterministic()  # as the command line trains
    if backend.name() != "tensorflow" or backend.has_gpu():
        parser.error("these comparisons are of TensorFlow on a CPU; set KERAS_BACKEND=tensorflow")
    names = arguments.only or list(COMPARISONS)
    if not arguments.only:
        from anime_pipeline.models.assets import VGG_FILE, find_asset

        if find_asset(VGG_FILE) is None:  # nothing is fetched for a default run
            print("No VGG16 weights (ANIME_PIPELINE_ASSETS): features/reference is left out.\n")
            names.remove("features/reference")
    facts = machine_facts() | {"precision": best_precision()}
    rows, inputs = measure(names, arguments.rounds, arguments.crop_px)
    document = {**facts, "rounds": arguments.rounds, "rows": rows, "inputs": inputs}
    atomic_write_json(arguments.out, document)
    print(f"{machine_line(facts)}; trains in {facts['precision']}\n\n{tables(rows, inputs)}")


if __name__ == "__main__":
    main()
