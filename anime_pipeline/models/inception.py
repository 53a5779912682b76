"""Inception-v3 of 2015-12-05 (Szegedy et al., CVPR 2016), the network that FID is defined by.

Heusel et al. (NeurIPS 2017) read `pool_3` of the frozen graph `classify_image_graph_def.pb`. It is
not `keras.applications.InceptionV3`, which has other weights, leaves the resize to its user and
averages in its last block where this one takes the maximum: distances by it are no FID. The graph
is read as data: of the file only the nodes between the picture and `pool_3` are used, and only if
every one is of a kind known to compute and do nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.files import read_regular
from anime_pipeline.core.machine import import_keras_quietly
from anime_pipeline.models.assets import find_asset

ASSET_FILE = "classify_image_graph_def.pb"
ASSET_BYTES = 95_673_916
ARCHIVE = "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
WIDTH = 2048
BATCH = 16
PICTURE, POOL = "ExpandDims", "pool_3"
# Arithmetic on what it is given, all of it: nothing reads, writes, calls Python or other functions.
HARMLESS = frozenset(
    "Const Identity CheckNumerics ResizeBilinear Sub Mul Conv2D BatchNormWithGlobalNormalization "
    "BiasAdd Relu MaxPool AvgPool Concat ConcatV2".split()
)


def asset_path() -> Path | None:
    """Return the graph in `$ANIME_PIPELINE_ASSETS`, if there."""
    return find_asset(ASSET_FILE)


class Inception:
    """Pictures uint8 [N, S, S, 3], any one S, to `pool_3`: float64 [N, 2048], not negative.

    Attributes:
        sha256: Of the file.
    """

    def __init__(self, path: Path, expected_bytes: int = ASSET_BYTES) -> None:
        """Read and check the graph.

        Args:
            path: `classify_image_graph_def.pb`.
            expected_bytes: The file's size; another size is another network.

        Raises:
            PipelineError: If it is another file or holds anything but arithmetic.
        """
        data = _read(path, expected_bytes)
        self.sha256 = hashlib.sha256(data).hexdigest()
        import_keras_quietly()  # brings TensorFlow in without its start-up lines
        import tensorflow as tf

        graph = tf.Graph()
        with graph.as_default():
            try:
                tf.graph_util.import_graph_def(_arithmetic(data, path), name="")
            except ValueError as error:
                raise PipelineError(
                    f"{path} is damaged: TensorFlow refuses it ({error}). Restore the file."
                ) from None
        self._session = tf.compat.v1.Session(graph=graph)

    def __call__(
        self, images: np.ndarray, progress: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """Return the features of `images`.

        Args:
            images: uint8 [N, S, S, 3]; the graph brings them to 299 px itself, bilinearly
                as TensorFlow did in 2015.
            progress: Called as ``progress(done, total)`` after each batch.

        Raises:
            PipelineError: If what comes out is not what Inception-v3 gives.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not len(images):
            raise ValueError(
                "Invalid value for argument `images`. Expected uint8 [N, S, S, 3] with N >= 1. "
                f"Received: {images.dtype}{images.shape}"
            )
        parts = []
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH].astype(np.float32)  # in [0, 255]
            pooled = self._session.run(f"{POOL}:0", {f"{PICTURE}:0": batch})
            if pooled.shape != (len(batch), 1, 1, WIDTH):
                raise PipelineError(
                    f"The graph is not the Inception-v3 that FID is defined by. Expected "
                    f"{[len(batch), 1, 1, WIDTH]} at {POOL}. Received: {list(pooled.shape)}"
                )
            parts.append(pooled[:, 0, 0].astype(np.float64))
            if progress:
                progress(min(start + BATCH, len(images)), len(images))
        return np.concatenate(parts)


def _read(path: Path, expected_bytes: int) -> bytes:
    size = path.stat().st_size
    if size != expected_bytes:
        raise PipelineError(
            f"{path} is not the Inception-v3 that FID is defined by. Expected {ASSET_FILE} of "
            f"{ARCHIVE} ({expected_bytes:,} bytes). Received {size:,} bytes."
        )
    return read_regular(path, expected_bytes)


def _arithmetic(data: bytes, path: Path) -> Any:
    """Return the part of a frozen graph that leads from the picture to `pool_3`.

    Raises:
        PipelineError: If it is no such graph, or a node of that part is of a kind not known to be
            harmless.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    whole = tf.compat.v1.GraphDef()
    try:
        whole.ParseFromString(data)
    except DecodeError as error:
        raise PipelineError(
            f"{path} is damaged or no TensorFlow graph ({error}). Restore the file."
        ) from None
    nodes = {node.name: node for node in whole.node}
    part = tf.compat.v1.GraphDef(versions=whole.versions)  # old ones still have the old kernels
    # What stands before the picture (a JPEG decoder) is left out, and functions are not taken over.
    picture = part.node.add(name=PICTURE, op="Placeholder")
    picture.attr["dtype"].type = tf.float32.as_datatype_enum
    waiting, seen = [POOL], {PICTURE}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        node = nodes.get(name)
        if node is None or node.op not in HARMLESS:
            found = f"{node.op} at {name}" if node else f"no {name}"
            raise PipelineError(
                f"{path} is not the Inception-v3 that FID is defined by. Expected arithmetic from "
                f"{PICTURE} to {POOL}. Received: {found}"
            )
        part.node.append(node)
        waiting += [source.lstrip("^").split(":")[0] for source in node.input]
    return part
