"""Stage two of `train_shipped.py`: the upscalers, one after the other, within a given time.

`fidelity` goes on from the shipped one, the others from `fidelity`, so that weights of them mix.
While one trains, the next is compiled.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from packing import read_large, read_manifest, read_whole
from shipped_run import (
    PATIENCE_SHARE,
    Clock,
    Log,
    compile_forms,
    seconds_per_step,
    train,
)

from anime_pipeline.core.config import SrganConfig, from_dict, to_dict
from anime_pipeline.core.presets import SRGAN_PRESETS
from anime_pipeline.core.randomness import stream
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data.degrade import degrade
from anime_pipeline.images.codec import fit_square
from anime_pipeline.metrics.psnr import psnr_rgb
from anime_pipeline.models.precision import best_precision
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, Weights, assign, load_weights
from anime_pipeline.models.zoo import find_weights
from anime_pipeline.training.srgan.faces import FacesTask
from anime_pipeline.training.srgan.pool import draw_pool
from anime_pipeline.training.srgan.task import SrganTask

UNPLANNED = 1_000_000  # steps, until they have been timed
TIMING_SECONDS = 4.0
END_SHARE = 0.03  # of the clock, for the last files
JUDGED = 64  # held-out pictures
PHASES = ("fidelity_steps", "adversarial_steps", "faces_steps")

# Beside the preset. Whole pictures less a phase, so that the edges are seen as they come.
RECIPES: dict[str, dict[str, Any]] = {
    "fidelity": {
        "crop_size": 124,
        "pixel_loss": "mse",
        "degradations": "bicubic:10,area:5,bilinear:2,lanczos:1,nearest:1,blur:1,jpeg:1,noise:1",
        "flat_share": 0.1,
        "ema_half_life_images": 50_000.0,
        "fidelity_steps": UNPLANNED,
        "adversarial_steps": 0,
    },
    "perceptual": {
        "crop_size": 124,
        "degradations": "bicubic:10,area:4,bilinear:1,jpeg:1,noise:1,drawn:2",
        "flat_share": 0.1,
        "ema_half_life_images": 10_000.0,
        "fidelity_steps": 0,
        "adversarial_steps": UNPLANNED,
        "learning_rate_adversarial": 2e-4,
    },
    "faces": {
        "crop_size": 96,
        "batch_size": 16,
        "degradations": "bicubic:6,area:2,drawn:4",
        "flat_share": 0.1,
        "ema_half_life_images": 10_000.0,
        "fidelity_steps": 0,
        "adversarial_steps": 0,
        "faces_steps": UNPLANNED,
        "faces_batch_size": 32,
        "learning_rate_adversarial": 1e-4,
    },
    # Steps as `fidelity`'s, of pictures that have been through something.
    "denoise": {
        "crop_size": 124,
        "pixel_loss": "mse",
        "degradations": "bicubic:3,area:1,worn:8,noise:2",
        "flat_share": 0.1,
        "ema_half_life_images": 20_000.0,
        "fidelity_steps": UNPLANNED,
        "adversarial_steps": 0,
        "learning_rate": 3e-4,
    },
}
# What may be better, to be compared by whoever ships.
RECIPES["faces_bold"] = RECIPES["faces"] | {"critic_weight": 0.1}


def parse_share(text: str) -> tuple[str, float]:
    """Parse ``"fidelity:5"``."""
    name, _, share = text.partition(":")
    if name not in RECIPES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(RECIPES)}, not {name}")
    return name, float(share or 1)


def stage_two(
    given: argparse.Namespace, clock: Clock, overrides: Mapping[str, Any], log: Log
) -> None:
    """Train the upscalers in turn until the clock ends."""
    images = read_large(given.source)
    log("read", train=len(images["train"]), val=len(images["val"]))
    init = None
    if not given.from_noise:
        init = load_weights(find_weights("fidelity", SRGAN_KIND), SRGAN_KIND)
    with ThreadPoolExecutor(1, "compiling") as aside:

        def begin(name: str) -> Any:
            task = _task(name, given.source, images["train"], overrides, log)
            compile_forms(task, log, upscaler=name)
            return task

        # What comes next is compiled while something trains.
        tasks = {name: aside.submit(begin, name) for name, _ in given.upscalers}
        weights, failures = init, []
        for place, (name, share) in enumerate(given.upscalers):
            left = clock.left - END_SHARE * clock.seconds
            seconds = left * share / sum(share for _, share in given.upscalers[place:])
            try:
                task = tasks[name].result()
                made = _upscaler(given.out, name, task, weights, seconds, clock, log)
                _judge(name, task, made, images["val"][:JUDGED], log)
                if name == "fidelity":
                    weights = load_weights(given.out / f"{name}.npz", SRGAN_KIND)
            except Exception as error:  # the rented minutes that are left are the others'
                log("failed", upscaler=name, error=repr(error)[:2000])
                failures.append(error)
    if failures:
        raise failures[0]


def _task(
    name: str, source: Path, train: np.ndarray, overrides: Mapping[str, Any], log: Log
) -> SrganTask:
    fitting = {"precision": best_precision(), **RECIPES[name], **overrides}
    if not name.startswith("faces"):
        return SrganTask(replace(SRGAN_PRESETS["gpu"], **fitting), train)
    faces, names = read_whole(source), read_manifest(source)["whole"]["condition"]
    weights = load_weights(find_weights("dcgan", DCGAN_KIND), DCGAN_KIND)
    real = np.stack([fit_square(each, SrganConfig().faces_px, "crop") for each in faces.images])
    pool = draw_pool(real, faces.condition, names, weights)
    log("drawn", faces=pool.drawn.shape[:2], by=weights.sha256)
    config = replace(SRGAN_PRESETS["gpu"], condition=names, **fitting)
    return FacesTask(config, train, pool)


def _upscaler(
    out: Path,
    name: str,
    task: SrganTask,
    init: Weights | None,
    seconds: float,
    clock: Clock,
    log: Log,
) -> Any:
    """Train one upscaler for `seconds`, export it, and return its state."""
    begin, path = clock.passed, out / f"plan-{name}.json"
    if init:
        assign(task.generator.model, init)
    if path.is_file():
        config = from_dict(SrganConfig, json.loads(path.read_text(encoding="utf-8")))
    else:
        each = seconds_per_step(task, min(TIMING_SECONDS, seconds / 10), log, upscaler=name)
        count = max(1, int((seconds - (clock.passed - begin)) / each))
        field = next(f for f in PHASES if getattr(task.config, f) == UNPLANNED)
        config = replace(task.config, init_sha256=init.sha256 if init else "", **{field: count})
        atomic_write_json(path, to_dict(config))
        log("plan", upscaler=name, steps=count, seconds=seconds)
    task = task.rescheduled(config)
    middle = config.steps // 2

    def export(state: Any, step: int) -> None:
        # Halfway is kept as well: of two players later is not always better.
        half = ["-half"] if abs(step - middle) <= 8 and not config.fidelity_steps else []
        for suffix in ("", *half):
            task.save(out / f"{name}{suffix}.npz", state, step, dtype="float16")

    latest = begin + seconds + PATIENCE_SHARE * clock.seconds
    return train(task, out / f"state-{name}", clock, latest, log, export, upscaler=name)


def _judge(name: str, task: SrganTask, state: Any, images: np.ndarray, log: Log) -> None:
    """Log the mean PSNR of held-out pictures by both usual reductions."""
    scores = {}
    for reduction in ("bicubic", "area"):
        lr_images = [degrade(image, 4, reduction, stream(0, "judged")) for image in images]
        made = task.upscale(state, np.stack(lr_images))
        pairs = zip(images, made, strict=True)
        scores[reduction] = round(float(np.mean([psnr_rgb(hr, sr) for hr, sr in pairs])), 3)
    log("judged", upscaler=name, images=len(images), psnr_db=scores)
