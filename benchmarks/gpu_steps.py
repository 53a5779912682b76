"""Time training steps of stage one on a GPU, alone and several in one dispatch.

    KERAS_BACKEND=jax python benchmarks/gpu_steps.py --data FACES

Prints milliseconds a step for each preset's networks with one and with sixteen steps a dispatch,
and writes them with the machine's facts as JSON. Compiling takes about a minute a row.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import machine_facts, machine_line

from anime_pipeline.core.presets import DCGAN_PRESETS
from anime_pipeline.core.progress import unseen
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data.opening import training_split
from anime_pipeline.models import backend
from anime_pipeline.training import Request
from anime_pipeline.training.dcgan.stage import DcganStage
from anime_pipeline.training.loop import dispatches

STEPS_PER_DISPATCH = (1, 16)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--preset", action="append", choices=("cpu", "gpu"))
    parser.add_argument("--steps", type=int, default=320, help="timed steps, a multiple of 16")
    parser.add_argument("--out", type=Path, default=Path("outputs/gpu_steps.json"))
    arguments = parser.parse_args()
    facts = {**machine_facts(), "backend": backend.name(), "gpu": backend.has_gpu()}
    print(machine_line(facts), "on a GPU" if facts["gpu"] else "without a GPU")
    rows = [
        measure(arguments.data, preset, together, arguments.steps)
        for preset in arguments.preset or ("cpu", "gpu")
        for together in STEPS_PER_DISPATCH
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_json(arguments.out, {"facts": facts, "rows": rows})


def measure(data: list[Path], preset: str, together: int, steps: int) -> dict[str, Any]:
    """Time `steps` steps of a preset in bfloat16, after a first round that compiles.

    Input arrays are made before: in training a thread makes them during the step before.
    """
    stage = DcganStage(Request(data=data), print, unseen)
    config = replace(DCGAN_PRESETS[preset], precision="bfloat16", steps_per_dispatch=together)
    store = stage.open_pictures(data, config, annotate=False)
    config = stage.with_data(config, store)
    task = stage.make_task(config, store, training_split(store, 0).train)
    first = config.r1_interval  # a whole window of dispatches, with one penalised step
    planned = [
        (span.start, [task.inputs(step) for step in span])
        for span in dispatches(task, first, first + steps)
    ]
    state = backend.to_device(task.initial_state())
    for start, inputs in planned[: config.r1_interval]:
        state, metrics = task.advance(state, start, *inputs)
    backend.to_numpy(metrics)
    begin = time.perf_counter()
    for start, inputs in planned:
        state, metrics = task.advance(state, start, *inputs)
    backend.to_numpy((metrics, state["adam_generator"]))
    seconds = (time.perf_counter() - begin) / steps
    row = {
        "preset": preset,
        "batch_size": config.batch_size,
        "steps_per_dispatch": together,
        "milliseconds_per_step": round(seconds * 1000, 2),
        "images_per_second": round(config.batch_size / seconds),
    }
    print(json.dumps(row))
    return row


if __name__ == "__main__":
    main()
