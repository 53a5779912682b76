"""VGG16 features (Simonyan and Zisserman, ICLR 2015) for losses, critics and metrics.

Weights come from `$ANIME_PIPELINE_ASSETS/vgg16_notop_torch.npz` (float16, torch preprocessing) or,
without it, from `keras.applications` (downloaded once, caffe preprocessing). A run's `config.json`
says which.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, open_arrays
from anime_pipeline.core.config import Precision
from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.models.assets import VGG_FILE, find_asset
from anime_pipeline.models.backend import keras

TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


@dataclass(frozen=True)
class FeatureMap:
    """A feature map for pictures of one size: its layer, side and channels."""

    name: str
    size: int
    channels: int


@dataclass(frozen=True)
class Vgg:
    """A feature extractor and where its weights came from.

    Attributes:
        model: Images [N, H, W, 3] in [-1, 1], RGB, to a list of feature maps.
        source: ``"torch"`` or ``"caffe"``.
    """

    model: keras.Model
    source: str


def load_vgg(layer_names: Sequence[str], precision: Precision = "float32") -> Vgg:
    """Build the extractor for some layers, such as ``"block3_conv3"`` (after its ReLU).

    Args:
        layer_names: Layers whose outputs are wanted.
        precision: Arithmetic of the convolutions.

    Raises:
        CheckpointError: If the local file is damaged, or there is none and the download fails.
    """
    path = find_asset(VGG_FILE)
    try:
        # Frozen, so kept as they are computed with: nothing is to be cast at every step.
        # Keras reports its download on stdout, which belongs to results.
        with contextlib.redirect_stdout(sys.stderr), _policy(precision):
            base = keras.applications.VGG16(include_top=False, weights=None if path else "imagenet")
    except Exception as error:  # Keras raises bare Exception when a download fails
        raise CheckpointError(
            f"VGG16 weights are neither in $ANIME_PIPELINE_ASSETS ({VGG_FILE}) nor could "
            f"Keras download them ({error}). Fetch them with anime-pipeline models fetch FOLDER "
            "and set the variable to that folder."
        ) from None
    if path:
        _assign_asset(base, path)
    trunk = keras.Model(base.input, [base.get_layer(name).output for name in layer_names])
    image = keras.Input((None, None, 3), name="image")
    features = trunk(_preprocess(image, "torch" if path else "caffe"))
    model = keras.Model(image, features, name="vgg16_features")
    model.trainable = False
    return Vgg(model, "torch" if path else "caffe")


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    """Make `name` the policy of new layers: `keras.applications` takes none."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _assign_asset(base: keras.Model, path: Path) -> None:
    try:
        with open_arrays(path) as file:
            for layer in base.layers:
                if layer.weights:
                    names = [f"{layer.name}/{part}" for part in ("kernel", "bias")]
                    wanted = [tuple(weight.shape) for weight in layer.weights]
                    if [file.headers[name].shape for name in names] != wanted:
                        raise ValueError(f"{layer.name} is of another shape")
                    layer.set_weights([a.astype(np.float32) for _, a in file.read_each(names)])
    except UNREADABLE as error:
        raise CheckpointError(
            f"{path} is damaged or no VGG16 weights ({error}). Restore the file."
        ) from None


def _preprocess(image: keras.KerasTensor, mode: str) -> keras.KerasTensor:
    """Map [-1, 1] RGB to what the weights were trained on."""
    if mode == "torch":
        mean, std = np.array(TORCH_MEAN, np.float32), np.array(TORCH_STD, np.float32)
        return image * (0.5 / std) + (0.5 - mean) / std
    return image[..., ::-1] * 127.5 + (127.5 - np.array(CAFFE_MEAN_BGR, np.float32))
