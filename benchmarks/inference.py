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
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from common import interleaved_medians, machine_facts, machine_line

from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, load_weights
from anime_pipeline.models.zoo import find_weights

GENERATE = ["-m", "anime_pipeline", "generate", "-n", "16", "--upscale"]
IN_KERAS = """
import sys
from dataclasses import replace
import numpy as np
from anime_pipeline.core.machine import import_keras_quietly
import_keras_quietly()
from anime_pipeline.core.config import DcganConfig, SrganConfig
from anime_pipeline.core.randomness import latents
from anime_pipeline.data.conditions import draw
from anime_pipeline.images.codec import write_png
from anime_pipeline.models import dcgan, srgan
from anime_pipeline.models.ranges import lr_to_model, to_uint8
from anime_pipeline.models.weights import CONDITION_TABLE, assign, load_weights
from anime_pipeline.models.zoo import find_weights
from pathlib import Path
weights = [load_weights(find_weights(name, kind), kind) for name, kind in
           (("dcgan", "dcgan-generator"), ("perceptual", "srgan-generator"))]
configs = [replace(w.read_config(k), precision="float32") for w, k in zip(weights, (DcganConfig, SrganConfig))]
models = [module.build_generator(c) for module, c in zip((dcgan, srgan), configs)]
for model, w in zip(models, weights):
    assign(model, w)
inputs = [latents(range(16), 128), draw(range(16), weights[0].arrays[CONDITION_TABLE])]
faces = to_uint8(models[0].predict(inputs, verbose=0))
large = to_uint8(models[1].predict(lr_to_model(faces), verbose=0))
for seed, face in enumerate(large):
    write_png(Path(sys.argv[1], f"face_{seed}.png"), face, {})
"""  # noqa: E501
COMMANDS = ("generate", "upscale", "benchmark", "train-dcgan", "train-srgan", "evaluate", "export")

Run = Callable[[int], object]  # how many pictures


def run_program(arguments: list[str]) -> tuple[float, float]:
    """Run Python with arguments; return wall seconds and peak memory in MB."""
    begun = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
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


def faces(count: int) -> np.ndarray:
    """Return the first faces of the shipped generator: uint8 [N, 32, 32, 3]."""
    from anime_pipeline.inference.generator import FaceGenerator

    return FaceGenerator.load(find_weights("dcgan", DCGAN_KIND)).generate(range(count))


def keras_models(stage: str) -> tuple[Any, Callable[[int], Any]]:
    """Return a stage's Keras model with its weights, and a function that makes its inputs."""
    from dataclasses import replace

    from anime_pipeline.core.machine import import_keras_quietly

    import_keras_quietly()
    from anime_pipeline.core.config import DcganConfig, SrganConfig
    from anime_pipeline.models import dcgan, srgan
    from anime_pipeline.models.weights import assign

    module, name, kind = (dcgan, "dcgan", DCGAN_KIND) if stage == "draw" else (
        srgan, "fidelity", SRGAN_KIND
    )  # fmt: skip
    weights = load_weights(find_weights(name, kind), kind)
    config = weights.read_config(DcganConfig if stage == "draw" else SrganConfig)  # type: ignore[type-var]
    model = module.build_generator(replace(config, precision="float32"))
    assign(model, weights)
    return model, _inputs(stage)


def _inputs(stage: str) -> Callable[[int], Any]:
    if stage == "enlarge":
        from anime_pipeline.models.ranges import lr_to_model

        lr_images = lr_to_model(faces(32))
        return lambda count: [lr_images[:count]]
    from anime_pipeline.inference.generator import FaceGenerator

    draw = FaceGenerator.load(find_weights("dcgan", DCGAN_KIND))
    latent, condition = draw.latents(range(32)), draw.condition(range(32))
    return lambda count: [latent[:count], condition[:count]]


def predict(stage: str) -> Run:
    """Keras as most programs use it."""
    model, inputs = keras_models(stage)
    return lambda count: model.predict(inputs(count), batch_size=32, verbose=0)


def tf_function(stage: str) -> Run:
    """Keras, compiled by hand."""
    import tensorflow as tf

    model, inputs = keras_models(stage)
    compiled = tf.function(lambda *x: model(list(x), training=False), reduce_retracing=True)
    return lambda count: np.asarray(compiled(*map(tf.constant, inputs(count))))


def ours(stage: str, precision: str = "float32") -> Run:
    """This program: pictures in, pictures out, in batches as its commands make them."""
    from anime_pipeline.inference.generator import FaceGenerator
    from anime_pipeline.inference.upscaler import Upscaler

    if stage == "draw":
        draw = FaceGenerator.load(find_weights("dcgan", DCGAN_KIND))
        latent, condition = draw.latents(range(32)), draw.condition(range(32))
        return lambda count: draw.draw(latent[:count], condition[:count])
    weights = load_weights(find_weights("fidelity", SRGAN_KIND), SRGAN_KIND)
    upscaler = Upscaler(weights, precision)  # type: ignore[arg-type]
    lr_images = faces(32)
    return lambda count: upscaler.upscale_batch(lr_images[:count])


def litert(stage: str) -> Run:
    """LiteRT on a converted Keras model."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from anime_pipeline.core.machine import quiet_stderr, usable_cores

    model, inputs = keras_models(stage)
    with tempfile.TemporaryDirectory() as folder, quiet_stderr():
        model.export(folder, format="tf_saved_model", verbose=False)
        content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
        interpreter = Interpreter(model_content=content, num_threads=usable_cores())
    run = interpreter.get_signature_runner()
    return lambda count: run(
        **dict(zip((i.name for i in model.inputs), inputs(count), strict=True))
    )


def openvino(stage: str) -> Run:
    """OpenVINO in float32 on our graph."""
    import openvino as ov

    from anime_pipeline.core.machine import usable_cores
    from anime_pipeline.inference import runtime

    kind, name = (DCGAN_KIND, "dcgan") if stage == "draw" else (SRGAN_KIND, "fidelity")
    make = runtime.generator_graph if stage == "draw" else runtime.upscaler_graph
    core, inputs = ov.Core(), _inputs(stage)
    network = core.read_model(
        make(load_weights(find_weights(name, kind), kind)).SerializeToString()
    )
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": usable_cores()}
    request = core.compile_model(network, "CPU", settings).create_infer_request()
    return lambda count: request.infer(dict(enumerate(inputs(count))), share_inputs=True)


def bfloat16(stage: str) -> Run:
    """This program with `--precision bfloat16`, which stage one does not have."""
    if stage == "draw":
        raise ModuleNotFoundError("Stage one is always float32.")
    return ours(stage, "bfloat16")


RUNTIMES: dict[str, Callable[[str], Run]] = {
    "Keras `model.predict`": predict,
    "Keras in `tf.function`": tf_function,
    "ONNX Runtime (ours)": ours,
    "LiteRT": litert,
    "OpenVINO": openvino,
    "OpenVINO bfloat16 (ours: `--precision bfloat16`)": bfloat16,
}


def serve(name: str, stage: str, line: Connection) -> None:
    """Live in a process: prepare a runtime, then run it whenever a number comes."""
    begun = time.perf_counter()
    try:
        run = RUNTIMES[name](stage)
    except Exception as error:  # reported by the parent, which goes on without it
        line.send(f"{type(error).__name__}: {error}")
        return
    run(1)
    line.send(time.perf_counter() - begun)
    while count := line.recv():
        run(count)
        line.send(_peak_mb())


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


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
