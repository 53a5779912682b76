"""The runtimes that `inference.py` compares, each behind the same call: a number of pictures."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, load_weights
from anime_pipeline.models.zoo import find_weights

Run = Callable[[int], object]  # how many pictures


def faces(count: int) -> np.ndarray:
    """Return the first faces of the shipped generator: uint8 [N, 32, 32, 3]."""
    from anime_pipeline import FaceSpec, Pipeline

    return Pipeline.load()([FaceSpec(seed) for seed in range(count)], size=32)


def keras_model(stage: str) -> Any:
    """Return a stage's Keras model with its weights."""
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
    return model


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
    model, inputs = keras_model(stage), _inputs(stage)
    return lambda count: model.predict(inputs(count), batch_size=32, verbose=0)


def tf_function(stage: str) -> Run:
    """Keras, compiled by hand."""
    import tensorflow as tf

    model, inputs = keras_model(stage), _inputs(stage)
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

    model, inputs = keras_model(stage), _inputs(stage)
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
