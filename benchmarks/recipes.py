"""Compare recipes of stage one at an equal budget: pictures seen, or minutes of processor time.

    python benchmarks/recipes.py --data FACES --images 300000 --seeds 2
    python benchmarks/recipes.py --data FACES --minutes 60 --only cpu --only reference

Every recipe is the `cpu` preset with some things changed; `reference` is the original project's.
Each run starts from nothing and is measured once, at its end, on the held-out val side: KID,
precision and recall on AlexNet's features, which nothing is trained on, and on VGG16's, as
`anime-pipeline evaluate` does on the test side. Processor time is that of all cores together, so
that a busy machine changes little; to run two comparisons at once, give each a core (`taskset -c 0
python ...`). Results are printed as Markdown and appended to a JSON file, which lets a stopped
comparison go on: what stands there is not run again, and a recipe that was stopped on the way
goes on from its last save, in a folder beside that file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.checkpoint import load_latest, rebuild, save, steps_in
from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.errors import TrainingInterruptedError
from anime_pipeline.core.machine import cpu_name, usable_cores
from anime_pipeline.core.presets import DCGAN_PRESETS, with_architecture
from anime_pipeline.core.progress import unseen
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data import conditions
from anime_pipeline.data.opening import open_store
from anime_pipeline.data.store import split_store
from anime_pipeline.metrics.features import Features, common_scale
from anime_pipeline.metrics.kid import kid
from anime_pipeline.metrics.precision_recall import precision_recall
from anime_pipeline.models import backend
from anime_pipeline.models.precision import best_precision
from anime_pipeline.training import Request, loop
from anime_pipeline.training.dcgan.stage import DcganStage
from anime_pipeline.training.dcgan.task import DcganTask

# What `cpu` was up to 0.5.
MODULATED: dict[str, Any] = {"architecture": "modulated"}
RECIPES: dict[str, dict[str, Any]] = {
    "cpu": {},
    "no feature critic": {"feature_critic": False},
    "no condition": {"condition": ""},
    "non-saturating loss": {"loss": "bce"},
    "no R2": {"r2_gamma": 0.0},
    "R1 and R2 gamma 0.02": {"r1_gamma": 0.02, "r2_gamma": 0.02},
    "R1 and R2 gamma 2": {"r1_gamma": 2.0, "r2_gamma": 2.0},
    "no DiffAugment": {"diff_augment": False},
    "no minibatch stddev": {"minibatch_std": False},
    "no averaging": {"ema_half_life_images": 0.0},
    "width 32": {"width": 32},
    "width 64": {"width": 64},
    "VGG16 at 64 px": {"feature_px": 64},
    "one vote of the pixels": {"pixel_votes": 1},
    "penalties every 16th step": {"r1_interval": 16},
    "modulated": MODULATED,
    "modulated, no feature critic": MODULATED | {"feature_critic": False},
    "reference": {},
}
Measure = Callable[[Any], dict[str, float]]
CURVE = (1 / 8, 1 / 4, 1 / 2)  # shares of a run after which it is measured on the way
SAVE_EVERY_S = 120  # of processor time
NETWORKS = ("alexnet", "vgg16")  # the first one ranks


class Benchmark:
    """The pictures and the measure that all recipes share."""

    def __init__(self, roots: list[Path], fakes: int) -> None:
        self.store = open_store(roots, 32)
        self.split = split_store(self.store)
        self.stage = DcganStage(Request(data=roots), print, unseen)
        self.fakes = fakes
        self.features = {network: Features(network) for network in NETWORKS}
        self.real, self.scale = {}, {}
        for network, features in self.features.items():
            real = features(self.store.images[self.split.val])
            self.scale[network] = common_scale(real)
            self.real[network] = real / self.scale[network]

    def run(
        self, name: str, seed: int, images: int, minutes: float, folder: Path
    ) -> dict[str, Any]:
        """Train one recipe from nothing, or from what `folder` keeps of it, and measure it."""
        config = self._config(name, seed)
        log = folder / "progress.json"
        if log.is_file():
            progress = json.loads(log.read_text(encoding="utf-8"))
        else:
            steps = max(1, images // (config.batch_size * config.d_steps))
            if minutes:
                steps = _steps_in(self._task(config), minutes)
            progress = {"steps": steps, "step": 0, "seconds": 0.0, "curve": []}
        task = self._task(replace(config, steps=progress["steps"]))
        state = task.initial_state()
        if steps_in(folder):
            progress["step"], flat = load_latest(folder, print, state)
            state = rebuild(flat, state)

        def measure(state: Any) -> dict[str, float]:
            return self._measure(task.sample(state, self.fakes))

        keep = Keep(task, folder, progress, measure)
        state = loop.run(task, state, progress["step"], folder, [keep])
        seen = progress["steps"] * task.images_per_step
        facts = {"recipe": name, "seed": seed, "images_seen": seen, "steps": progress["steps"]}
        facts |= {"minutes": progress["seconds"] / 60, "curve": progress["curve"]}
        facts["images_per_second"] = seen / progress["seconds"]
        return facts | measure(state)

    def _config(self, name: str, seed: int) -> DcganConfig:
        preset = "reference" if name == "reference" else "cpu"
        changes = RECIPES[name]
        base = DCGAN_PRESETS[preset]
        base = with_architecture(base, changes.get("architecture", base.architecture))
        config = replace(base, seed=seed, **changes)
        precision = "float32" if name == "reference" else best_precision()
        condition = conditions.resolve(config.condition, self.store.records)
        return replace(config, precision=precision, condition=condition)

    def _task(self, config: DcganConfig) -> DcganTask:
        return self.stage.make_task(config, self.store, self.split.train)

    def _measure(self, faces: np.ndarray) -> dict[str, float]:
        figures = {}
        for network, features in self.features.items():
            fake = features(faces) / self.scale[network]
            distance = kid(self.real[network], fake)
            shares = precision_recall(self.real[network], fake)
            figures[f"kid_{network}"] = distance.mean
            figures[f"kid_error_{network}"] = distance.error
            figures[f"precision_{network}"] = shares.precision
            figures[f"recall_{network}"] = shares.recall
        return figures


class Keep(loop.Callback):
    """Saves every two minutes of processor time and when it stops; measures on the way."""

    def __init__(
        self, task: DcganTask, folder: Path, log: dict[str, Any], measure: Measure
    ) -> None:
        self.task = task
        self.folder = folder
        self.log = log
        self.measure = measure
        self.marks = {max(1, round(log["steps"] * share)) for share in CURVE}
        self.begun = time.process_time()

    def after_step(self, progress: loop.Progress) -> None:
        """Measure and save when it is time."""
        late = time.process_time() - self.begun > SAVE_EVERY_S
        if late or progress.step in self.marks:
            self.on_stop(progress)

    def on_stop(self, progress: loop.Progress) -> None:
        """Save, after a measurement where one is due."""
        step = progress.step
        if step == self.log["step"]:
            return
        seconds = self.log["seconds"] + time.process_time() - self.begun
        self.log |= {"step": step, "seconds": seconds}
        if step in self.marks:
            point = {"images_seen": step * self.task.images_per_step, "minutes": seconds / 60}
            self.log["curve"].append(point | self.measure(progress.state))
            print(f"{self.folder.name}: {self.log['curve'][-1]}", flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        save(self.folder, step, progress.state, keep=1)
        atomic_write_json(self.folder / "progress.json", self.log)
        self.begun = time.process_time()  # measuring and saving are no training


def _steps_in(task: DcganTask, minutes: float, timed: int = 20) -> int:
    """Return the steps that fit into `minutes`, timed after a first, compiling round."""
    for _ in range(2):
        begun, state = time.process_time(), task.initial_state()
        for step in range(timed):
            state, metrics = task.advance(state, step, task.inputs(step))
        backend.to_numpy(metrics)
        seconds = (time.process_time() - begun) / timed
    return max(1, int(minutes * 60 / seconds))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table, the best KID first."""
    heads = "| KID-AlexNet | precision | recall | KID-VGG16 | precision | recall |"
    lines = [f"| recipe | seed | images seen | processor min {heads}", "|---" * 10 + "|"]
    for row in sorted(rows, key=lambda row: float(row[f"kid_{NETWORKS[0]}"])):
        figures = " | ".join(
            f"{row[f'kid_{n}']:.4f} ± {row[f'kid_error_{n}']:.4f} "
            f"| {row[f'precision_{n}']:.2f} | {row[f'recall_{n}']:.2f}"
            for n in NETWORKS
        )
        lines.append(
            f"| {row['recipe']} | {row['seed']} | {row['images_seen']:,} | {row['minutes']:.1f} "
            f"| {figures} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--images", type=int, default=0, help="pictures that each recipe sees")
    budget.add_argument("--minutes", type=float, default=0.0, help="processor minutes each")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", action="append", choices=RECIPES, help="may be repeated")
    parser.add_argument(
        "--fakes", type=int, default=1000, help="faces drawn to measure a recipe by"
    )
    parser.add_argument("--out", type=Path, default=Path("outputs/recipes.json"))
    arguments = parser.parse_args()

    document: dict[str, Any] = {"cpu": cpu_name(), "cores": usable_cores(), "rows": []}
    if arguments.out.is_file():
        document = json.loads(arguments.out.read_text(encoding="utf-8"))
    budget_key = f"{arguments.images} images, {arguments.minutes:g} processor minutes"
    rows = [row for row in document["rows"] if row["budget"] == budget_key]
    done = {(row["recipe"], row["seed"]) for row in rows}
    backend.make_deterministic()
    benchmark = Benchmark(arguments.data, arguments.fakes)
    for seed in range(arguments.seeds):
        for name in arguments.only or RECIPES:
            if (name, seed) in done:
                continue
            folder = arguments.out.with_suffix("") / f"{budget_key}, {name}, seed {seed}"
            try:
                row = benchmark.run(name, seed, arguments.images, arguments.minutes, folder)
            except TrainingInterruptedError:
                sys.exit("Stopped and saved: the same command goes on from here.")
            rows.append(row | {"budget": budget_key, "vgg16": benchmark.features["vgg16"].source})
            document["rows"].append(rows[-1])
            atomic_write_json(arguments.out, document)
            print(table([row]).splitlines()[-1], flush=True)
    print(f"\n{document['cpu']}, {document['cores']} cores; {budget_key} each\n\n{table(rows)}")


if __name__ == "__main__":
    main()
