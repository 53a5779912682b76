"""Make the shipped weights with one command, from packed pictures, within a given time.

    python tools/train_shipped.py --pack PACK --data FACES96 --large PORTRAITS   # once, any machine
    KERAS_BACKEND=jax python tools/train_shipped.py --from PACK --minutes 11 --out OUT

The clock runs from the start of the process: reading, compiling and evaluating count. Stage one
times its steps, trains a few arms of the recipe briefly, lets AlexNet (nothing is trained on it)
choose on the val side, and trains the best afresh with its whole schedule for the time that is
left. Stage two goes on from the shipped upscalers. Started again with the same --out, it goes on
where it was.
Weights, log and samples lie in OUT, each file below 16 MiB; whatever happens, the newest weights.
"""

from __future__ import annotations

import argparse
import json
import os
import tarfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

STARTED = time.monotonic()
os.environ.setdefault("KERAS_BACKEND", "jax")
# Comparing the results of every kernel that is tried out takes longer than trying them, and a
# search for better matrix products than the library's is long for what 1x1 convolutions save.
os.environ.setdefault("XLA_FLAGS", "--xla_gpu_autotune_level=2 --xla_gpu_enable_triton_gemm=false")

import numpy as np  # noqa: E402
from packing import Faces, pack, read_manifest, read_small  # noqa: E402
from shipped_run import (  # noqa: E402
    LOG_EVERY,
    PATIENCE_SHARE,
    Clock,
    Log,
    compile_forms,
    numbers,
    seconds_per_step,
    steps,
)
from stage_two import parse_share, stage_two  # noqa: E402

from anime_pipeline.core.config import DcganConfig, SrganConfig, from_dict, to_dict  # noqa: E402
from anime_pipeline.core.errors import DataError  # noqa: E402
from anime_pipeline.core.presets import DCGAN_PRESETS  # noqa: E402
from anime_pipeline.core.storage import atomic_write, atomic_write_json  # noqa: E402
from anime_pipeline.models import backend  # noqa: E402
from anime_pipeline.models.precision import best_precision  # noqa: E402
from anime_pipeline.training.request import parse_assignments  # noqa: E402

AUTOTUNE = "autotune.tar"  # of OUT and of a pack, see `_remember_what_is_compiled`
KERNELS = "xla_gpu_per_fusion_autotune_cache_dir"  # XLA's own name for what it found

# What may be better than the preset, by numbers that share its compiled code.
ARMS: dict[str, dict[str, float]] = {
    "preset": {},
    "quick": {"learning_rate_g": 8e-4, "learning_rate_d": 8e-4},
    "loose": {"r1_gamma": 0.04, "r2_gamma": 0.04},
}
ARM_SHARE = 0.065  # of the clock, each
FINAL_SHARE = 0.4  # of the clock, that must be left for the last run, or there are no arms
TIMING_SHARE = 0.03  # 20 seconds of eleven minutes
LEAST_HELD_OUT = 8
END_SHARE = 0.04  # of the clock, for the last evaluations and files


class Evaluation:
    """Both networks and what they see of the held-out side; the first one chooses."""

    names = ("alexnet", "vgg16")

    def __init__(self, real: np.ndarray) -> None:
        from anime_pipeline.metrics.features import Features, common_scale

        self.features = {name: Features(name) for name in self.names}
        self.real, self.scale = {}, {}
        for name, features in self.features.items():
            seen = features(real)
            self.scale[name] = common_scale(seen)
            self.real[name] = seen / self.scale[name]

    def __call__(self, fakes: np.ndarray) -> dict[str, float]:
        """Return KID, precision and recall by each."""
        from anime_pipeline.metrics.kid import kid
        from anime_pipeline.metrics.precision_recall import precision_recall

        figures = {}
        for name, features in self.features.items():
            seen = features(fakes) / self.scale[name]
            shares = precision_recall(self.real[name], seen)
            figures[f"kid_{name}"] = round(kid(self.real[name], seen).mean, 5)
            figures[f"precision_{name}"] = round(shares.precision, 4)
            figures[f"recall_{name}"] = round(shares.recall, 4)
        return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=Path, help="write a pack into this folder, and stop")
    parser.add_argument("--data", type=Path, action="append", default=[], help="stage one's faces")
    parser.add_argument("--large", type=Path, action="append", default=[], help="stage two's")
    parser.add_argument("--from", dest="source", type=Path, help="the pack to train on")
    parser.add_argument("--minutes", type=float, default=11.0)
    parser.add_argument("--stage", choices=("dcgan", "srgan", "both"), default="dcgan")
    parser.add_argument("--share", type=float, default=0.7, help="stage one's, of both")
    parser.add_argument("--arms", nargs="*", choices=sorted(ARMS), default=list(ARMS))
    parser.add_argument("--out", type=Path, default=Path("outputs/shipped"))
    parser.add_argument(
        "--upscalers",
        nargs="+",
        type=parse_share,
        default=[("fidelity", 5.0), ("perceptual", 2.0), ("denoise", 1.0), ("faces", 4.0)],
        metavar="NAME:SHARE",
        help="what stage two trains, in order, and how much of its time each gets",
    )
    parser.add_argument("--from-noise", action="store_true", help="stage two, not from the shipped")
    parser.add_argument("--samples", type=int, default=2000, help="faces drawn to be evaluated")
    parser.add_argument("--set", action="append", default=[], help="FIELD=VALUE of stage one")
    parser.add_argument("--set-srgan", action="append", default=[], help="FIELD=VALUE of stage two")
    given = parser.parse_args(arguments)
    if given.pack:
        print(json.dumps(pack(given.pack, given.data, given.large), indent=2))
        return
    if not given.source:
        parser.error("give --from PACK to train, or --pack PACK to make one")
    os.environ["ANIME_PIPELINE_ASSETS"] = str(given.source / "networks")
    given.out.mkdir(parents=True, exist_ok=True)
    clock, log = Clock(given.minutes), Log(given.out / "log.jsonl")
    if backend.name() == "jax":
        _remember_what_is_compiled(given.source, given.out)
    log("start", backend=backend.name(), gpu=backend.has_gpu(), minutes=given.minutes,
        pack=read_manifest(given.source))  # fmt: skip
    if given.stage in ("dcgan", "both"):
        end = clock.seconds * (given.share if given.stage == "both" else 1)
        overrides = parse_assignments(given.set, DcganConfig())
        stage_one(given, clock, end, overrides, log)
    if given.stage in ("srgan", "both"):
        overrides = parse_assignments(given.set_srgan, SrganConfig())
        stage_two(given, clock, overrides, log)
    if backend.name() == "jax":
        pack_kernels(given.out)
    log("end")


def _remember_what_is_compiled(source: Path, out: Path) -> None:
    """Let JAX keep what it compiles and which kernels it found fastest, in OUT/compiled.

    Trying kernels out took 340 of 400 seconds before the first step on an H200. The choices are
    small: OUT/autotune.tar, put into a pack, spares the next machine of that kind the search.
    """
    import jax

    place = out / "compiled"
    if (source / AUTOTUNE).is_file() and not (place / KERNELS).exists():
        with tarfile.open(source / AUTOTUNE) as archive:
            archive.extractall(place, filter="data")
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    jax.config.update("jax_persistent_cache_enable_xla_caches", KERNELS)


def pack_kernels(out: Path) -> None:
    """Write what was found about this GPU as one file; nothing without one."""
    if (out / "compiled" / KERNELS).is_dir():
        with tarfile.open(out / AUTOTUNE, "w") as archive:
            archive.add(out / "compiled" / KERNELS, KERNELS)


def stage_one(
    given: argparse.Namespace, clock: Clock, end: float, overrides: dict[str, Any], log: Log
) -> None:
    """Train a generator until `end` seconds after the start."""
    from anime_pipeline.training.dcgan.task import DcganTask

    source, out = given.source, given.out
    faces, names = read_small(source), read_manifest(source)["faces32"]["condition"]
    train: Faces = faces["train"]
    plan_path = out / "plan-dcgan.json"
    plan = json.loads(plan_path.read_text(encoding="utf-8")) if plan_path.is_file() else None
    fitting: dict[str, Any] = {"condition": names, "precision": best_precision()}
    preset = replace(DCGAN_PRESETS["gpu"], **fitting | overrides)
    config = from_dict(DcganConfig, plan["config"]) if plan else preset
    task = DcganTask(config, train.images, train.condition)
    log("ready", parameters=[n.model.count_params() for n in (task.generator, task.discriminator)])
    held_out = faces["val"].images[: given.samples]
    if len(held_out) < LEAST_HELD_OUT:
        raise DataError(
            f"The pack's val side holds {len(held_out)} faces. Needed are {LEAST_HELD_OUT}, to "
            "evaluate by: Make the pack of more pictures, a few hundred at least."
        )
    with ThreadPoolExecutor(1) as aside:  # what is evaluated need not hold training up
        if plan is None:
            compile_forms(task, log)
            seconds = seconds_per_step(task, TIMING_SHARE * clock.seconds, log)
            pack_kernels(out)
        ready: Future[Evaluation] = aside.submit(Evaluation, held_out)

        def evaluate(state: Any, step: int) -> Future[dict[str, float]]:
            samples = task.sample(state, given.samples)
            return aside.submit(lambda: _evaluated(ready.result(), samples, log, step=step))

        if plan is None:
            plan = _plan(given, clock, end, task, seconds, evaluate, log)
            atomic_write_json(plan_path, plan)
        task = task.rescheduled(from_dict(DcganConfig, plan["config"]))

        def export(state: Any, step: int) -> None:
            task.save(out / "generator.npz", state, step, dtype="float16")  # as it is shipped
            evaluate(state, step)

        latest = end + PATIENCE_SHARE * clock.seconds
        state = train(task, out / "state-dcgan", clock, latest, log, export)
        samples = task.sample(state, given.samples)
        atomic_write(out / "samples.npy", lambda file: np.save(file, samples))  # type: ignore[arg-type]
        real = train.images[-given.samples :]
        aside.submit(lambda: _evaluated(ready.result(), real, log, of="training faces")).result()
    count = min(256, len(faces["val"].images))
    shown = {"train": train.images[:count], "val": faces["val"].images[:count]}
    shown["drawn"] = task.fakes(state, count)
    log("mean logits", **{name: float(task.logits(state, x).mean()) for name, x in shown.items()})


def _evaluated(
    evaluation: Evaluation, images: np.ndarray, log: Log, **facts: Any
) -> dict[str, float]:
    figures = evaluation(images)
    log("evaluated", **facts, **figures)
    return figures


def _plan(
    given: argparse.Namespace,
    clock: Clock,
    end: float,
    task: Any,
    seconds: float,
    evaluate: Callable[[Any, int], Future[dict[str, float]]],
    log: Log,
) -> dict[str, Any]:
    """Compare the arms if time allows, and return the last run's configuration."""
    arms, chosen = given.arms, ARMS[given.arms[0]] if given.arms else {}
    after = end - clock.passed - len(arms) * 1.1 * ARM_SHARE * clock.seconds
    if len(arms) > 1 and after < FINAL_SHARE * clock.seconds:
        log("no arms", why="too little time is left after compiling", arm=arms[0])
    elif len(arms) > 1:
        length = max(1, int(ARM_SHARE * clock.seconds / seconds))
        changes = {name: ARMS[name] | {"steps": length} for name in arms}
        found = {name: _arm(task, name, changes[name], evaluate, log) for name in arms}
        best = min(found, key=lambda name: found[name])
        log("chosen", arm=best, kid_alexnet=found)
        chosen = ARMS[best]
    left = end - clock.passed - END_SHARE * clock.seconds
    config = replace(task.config, **chosen, steps=max(1, int(left / seconds)))
    log("plan", steps=config.steps, images=config.steps * config.batch_size, seconds_left=left)
    return {"config": to_dict(config), "seconds_per_step": seconds}


def _arm(
    task: Any,
    name: str,
    changes: dict[str, Any],
    evaluate: Callable[[Any, int], Future[dict[str, float]]],
    log: Log,
) -> float:
    """Train one arm from the start and return its distance from real faces."""
    task = task.rescheduled(replace(task.config, **changes))
    state = task.initial_state()
    begin = time.monotonic()
    for step, inputs in steps(task, 0):
        state, metrics = task.advance(state, step, inputs)
        if step % LOG_EVERY == 0:
            log("step", arm=name, step=step, **numbers(metrics[0]))
    figures = evaluate(state, step + 1).result()
    log("arm", arm=name, seconds=round(time.monotonic() - begin, 1), **changes, **figures)
    distance = figures["kid_alexnet"]
    return distance if np.isfinite(distance) else float("inf")


if __name__ == "__main__":
    main()
