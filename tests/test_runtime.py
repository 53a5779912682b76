"""The shipped graphs against Keras, their oracle, and all against the arrays they come from."""

import dataclasses

import numpy as np
import onnx
import pytest
from conftest import TINY_DCGAN
from onnx import numpy_helper
from test_architectures import random_weights

from anime_pipeline import FaceSpec, Pipeline
from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.data.conditions import table_of
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.runtime import generator_graph, upscaler_graph
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.models import dcgan
from anime_pipeline.models.weights import (
    CONDITION_TABLE,
    DCGAN_KIND,
    SRGAN_KIND,
    Weights,
    load_weights,
)
from anime_pipeline.models.zoo import find_weights


@pytest.mark.parametrize("name", ["dcgan", "fidelity", "perceptual"])
def test_a_graph_is_tied_to_its_arrays_by_their_hash(name):
    kind = DCGAN_KIND if name == "dcgan" else SRGAN_KIND
    weights = load_weights(find_weights(name, kind), kind)
    make = generator_graph if name == "dcgan" else upscaler_graph
    model = make(weights)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "weights-sha256": weights.sha256
    }
    assert model.SerializeToString(deterministic=True) == make(weights).SerializeToString(
        deterministic=True
    )
    scope = "generator" if name == "dcgan" else "upscaler"
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    np.testing.assert_array_equal(
        stored[f"{scope}/to_rgb/kernel"], weights.arrays["to_rgb/kernel"].transpose(3, 2, 0, 1)
    )


def spoiled(weights: Weights, what: str) -> Weights:
    arrays = dict(weights.arrays)
    name = "to_rgb/kernel"
    if what == "missing":
        del arrays[name]
    elif what == "another shape":
        arrays[name] = arrays[name][..., :-1]
    elif what == "another rank":
        arrays[name] = arrays[name][0]
    else:
        arrays["nobody/kernel"] = np.zeros(3, np.float32)
    return dataclasses.replace(weights, arrays=arrays)


@pytest.mark.parametrize("what", ["missing", "another shape", "another rank", "too many"])
@pytest.mark.parametrize("name", ["dcgan", "fidelity"])
def test_arrays_of_another_network_are_refused(name, what):
    kind = DCGAN_KIND if name == "dcgan" else SRGAN_KIND
    weights = load_weights(find_weights(name, kind), kind)
    with pytest.raises(CheckpointError, match="does not fit the architecture"):
        (FaceGenerator if name == "dcgan" else Upscaler)(spoiled(weights, what))


def test_the_table_of_conditions_is_no_part_of_the_network(tmp_path):
    config = dataclasses.replace(TINY_DCGAN, condition="hair")
    weights = random_weights(dcgan.build_generator(config), config, DCGAN_KIND, tmp_path)
    weights.arrays[CONDITION_TABLE] = table_of(np.ones((4, 4), np.float32), seed=0)
    assert Pipeline(FaceGenerator(weights))([FaceSpec(0)], 16).shape == (1, 16, 16, 3)


def altered(name: str, **changes) -> Weights:
    """The shipped generator or `fidelity` with other arrays or settings; None deletes."""
    kind = DCGAN_KIND if name == "dcgan" else SRGAN_KIND
    weights = load_weights(find_weights(name, kind), kind)
    arrays, config = dict(weights.arrays), dict(weights.config)
    for argument, value in changes.items():
        key = argument.replace("__", "/")
        where = config if key in config else arrays
        if value is None:
            del where[key]
        else:
            where[key] = value
    return dataclasses.replace(weights, arrays=arrays, config=config)


ODD = {
    "no table": {"condition__table": None},
    "an empty table": {"condition__table": np.zeros((0, 8), np.float32)},
    "a flat table": {"condition__table": np.zeros(8, np.float32)},
    "a narrow table": {"condition__table": np.zeros((5, 3), np.float32)},
    "a name that is none": {"condition": "a b"},
    "a latent beyond reason": {"latent_dim": 10**30},
}


@pytest.mark.parametrize("what", ODD)
def test_odd_generators_are_refused_in_words(what):
    with pytest.raises(CheckpointError):
        FaceGenerator(altered("dcgan", **ODD[what]))


def test_a_negative_variance_is_refused(tmp_path):
    model = dcgan.build_generator(TINY_DCGAN)
    weights = random_weights(model, TINY_DCGAN, DCGAN_KIND, tmp_path)
    FaceGenerator(weights)
    weights.arrays["bn1/moving_variance"][0] = -1
    with pytest.raises(CheckpointError, match="bn1/moving_variance"):
        FaceGenerator(weights)


def test_settings_that_have_a_default_may_be_missing():
    assert FaceGenerator(altered("dcgan", image_size=None)).config.image_size == 32


def test_results_that_are_no_numbers_are_never_pictures():
    kernel = np.full_like(altered("fidelity").arrays["up1/kernel"], 3e38)
    upscaler = Upscaler(altered("fidelity", up1__kernel=kernel))
    with pytest.raises(CheckpointError, match="no finite numbers"):
        upscaler.upscale_batch(np.full((1, 8, 8, 3), 200, np.uint8))


def test_pictures_in_another_range_are_refused():
    upscaler = Upscaler.load(find_weights("fidelity", SRGAN_KIND))
    with pytest.raises(ValueError, match="uint8"):
        upscaler.upscale_batch(np.zeros((1, 8, 8, 3), np.float32))
