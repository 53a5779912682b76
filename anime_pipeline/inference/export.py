"""Writing networks for other programs, each file run and compared with Keras before it is kept."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from anime_pipeline.core.config import SCALE, DcganConfig
from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.machine import has_keras, import_keras_quietly, quiet_stderr
from anime_pipeline.core.platform import flush_to_disk
from anime_pipeline.core.randomness import latents, stream
from anime_pipeline.core.storage import atomic_write_bytes, folder_locked
from anime_pipeline.data import conditions
from anime_pipeline.inference.generator import condition_table
from anime_pipeline.inference.graph_layers import pictures_graph
from anime_pipeline.inference.runtime import Session
from anime_pipeline.models.weights import Weights

SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "savedmodel": ""}
LITERT = "ai_edge_litert"
TEMPORARY, BEFORE = ".anime-pipeline-export-", "before it was replaced"
EXAMPLES = 4
LR_EXAMPLE = (20, 28)  # height and width, of no training crop
# Of all values, how many must be within one grey level of Keras's. Not all: where stage one is half
# way between two levels, either is right, and stage two makes a little more of the difference.
WITHIN_ONE = 0.999

Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file, or the folder of a SavedModel.
        form: One of `SUFFIXES`.
        inputs: Type and shape of each input, in the order they are given.
        output: Type and shape of the pictures.
        examples: The inputs that it was checked with.
        difference: The largest difference from Keras in grey levels over the examples; None where
            Keras is not installed.
        within_one: The share of values that differ by one level at most; None likewise.
    """

    path: Path
    form: str
    inputs: dict[str, str]
    output: str
    examples: Inputs
    difference: int | None
    within_one: float | None


def export(generator: Weights | None, upscaler: Weights | None, form: str, path: Path) -> Exported:
    """Write one stage, or both as one network, and compare its pictures with those of Keras.

    Args:
        generator: Stage one, or None.
        upscaler: Stage two, or None.
        form: One of `SUFFIXES`.
        path: Where to; what is there is replaced.

    Raises:
        PipelineError: If what is needed for the form is not installed, or if what was written does
            not make the pictures that it should; nothing is kept then.
    """
    require_form(form)
    inputs = example_inputs(generator, upscaler)
    model = _keras_model(generator, upscaler)
    expected = model and np.asarray(model(list(inputs.values()))["image"])
    source = pictures_graph(generator, upscaler) if form == "onnx" else model
    _sweep(path.parent)
    with (
        tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=path.parent) as folder,
        folder_locked(Path(folder)),
    ):
        made = Path(folder, path.name)
        # The converters' chatter says nothing about the result.
        with warnings.catch_warnings(action="ignore"), quiet_stderr():
            found = WRITERS[form](source, made, inputs)
        difference, share = None, None
        if expected is not None:
            difference, share = _compare(found, expected)
            if share < WITHIN_ONE:
                raise PipelineError(
                    f"The {form} file differs from Keras by up to {difference} grey levels, and "
                    f"was not kept. Expected at most 1 in {WITHIN_ONE:.1%} of all values, received "
                    f"{share:.1%}. Install the package's libraries again."
                )
        _put_in_place(made, path)
    sides = {k: ", ".join(map(str, array.shape[1:])) for k, array in inputs.items()}
    sides |= {"lr_image": "H, W, 3"}
    shapes = {name: f"{array.dtype} [N, {sides[name]}]" for name, array in inputs.items()}
    factor = SCALE if upscaler else 1
    side = str(generator.read_config(DcganConfig).image_size * factor) if generator else ""
    output = f"uint8 [N, {side}, {side}, 3]" if side else "uint8 [N, 4H, 4W, 3]"
    return Exported(path, form, shapes, output, inputs, difference, share)


def require_form(form: str) -> None:
    """Check that a form can be written here.

    Raises:
        PipelineError: If something that it needs is not installed.
    """
    if form != "onnx" and not has_keras():
        raise PipelineError(
            f"--to {form} needs TensorFlow and Keras, which are not installed. Install all that "
            "the package requires, or choose --to onnx."
        )
    if form == "litert" and importlib.util.find_spec(LITERT) is None:
        raise PipelineError(
            f"--to litert checks its file with LiteRT ({LITERT}), which is not installed. Install "
            "it (pip install ai-edge-litert), or choose another form."
        )


def example_inputs(generator: Weights | None, upscaler: Weights | None) -> Inputs:
    """Return inputs for a few pictures: those of seeds, or noise that is not square."""
    if generator is None:
        pixels = stream(0, "export").integers(0, 256, (EXAMPLES, *LR_EXAMPLE, 3), dtype=np.uint8)
        return {"lr_image": pixels}
    config, seeds = generator.read_config(DcganConfig), range(EXAMPLES)
    inputs = {"latent": latents(seeds, config.latent_dim, config.latent_distribution)}
    if conditions.parse_names(config.condition):
        inputs["condition"] = conditions.draw(seeds, condition_table(generator))
    return inputs


def _keras_model(generator: Weights | None, upscaler: Weights | None) -> Any:
    """Return what every file is compared with; None where Keras is not installed."""
    if not has_keras():
        return None
    import_keras_quietly()
    from anime_pipeline.inference.export_keras import pictures_model

    return pictures_model(generator, upscaler)


def _compare(found: np.ndarray, expected: np.ndarray) -> tuple[int, float]:
    """Return the largest difference, and the share of values that differ by 1 at most."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return 255, 0.0
    apart = np.abs(found.astype(int) - expected)
    return int(apart.max()), float(np.mean(apart <= 1))


def _write_onnx(graph: onnx.ModelProto, path: Path, inputs: Inputs) -> np.ndarray:
    onnx.checker.check_model(graph, full_check=True)
    atomic_write_bytes(path, graph.SerializeToString())
    return Session(onnx.load(path))(*inputs.values())


def _write_savedmodel(model: Any, path: Path, inputs: Inputs) -> np.ndarray:
    tf = _tensorflow()
    model.export(path, format="tf_saved_model", verbose=False)
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    return np.asarray(serve(**{k: tf.constant(v) for k, v in inputs.items()})["image"])


def _write_litert(model: Any, path: Path, inputs: Inputs) -> np.ndarray:
    tf = _tensorflow()
    from ai_edge_litert.interpreter import Interpreter

    with tempfile.TemporaryDirectory() as folder:
        _write_savedmodel(model, Path(folder), inputs)
        content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    atomic_write_bytes(path, content)
    run = Interpreter(model_path=str(path)).get_signature_runner()
    return np.asarray(run(**inputs)["image"])


def _tensorflow() -> Any:
    from anime_pipeline.models import backend

    if backend.name() != "tensorflow":
        raise PipelineError(
            "SavedModel and LiteRT files are written by TensorFlow, and the backend is "
            f"{backend.name()}. Set KERAS_BACKEND=tensorflow, or choose --to onnx."
        )
    import tensorflow as tf

    return tf


WRITERS: dict[str, Callable[[Any, Path, Inputs], np.ndarray]] = {
    "onnx": _write_onnx,
    "litert": _write_litert,
    "savedmodel": _write_savedmodel,
}


def _sweep(folder: Path) -> None:
    """Delete what killed exports left: what bears our mark, and nobody holds."""
    for left in folder.glob(f"{TEMPORARY}*"):
        if left.is_symlink() or not left.is_dir():
            continue
        with contextlib.suppress(OSError), folder_locked(left, wait=False):
            before = left / BEFORE
            for made in left.iterdir():
                # Killed between moving the old one out and the new one in.
                if made != before and before.exists() and not os.path.lexists(folder / made.name):
                    before.rename(folder / made.name)
            shutil.rmtree(left)


def _put_in_place(made: Path, path: Path) -> None:
    """Rename what is whole; a folder that is in the way moves out, as it cannot be replaced."""
    for each in (made, *made.rglob("*")):
        flush_to_disk(each)
    if path.is_dir() and not path.is_symlink():
        path.rename(made.with_name(BEFORE))
    made.rename(path)
    flush_to_disk(path.parent)
