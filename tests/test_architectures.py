"""What every architecture of the registry must pass, and how one is added."""

import dataclasses

import keras
import numpy as np
import pytest
import toy_architecture
from conftest import TINY_DCGAN, TINY_SRGAN

from anime_pipeline import architectures
from anime_pipeline.architectures import ARCHITECTURES
from anime_pipeline.architectures.layers import Node, network
from anime_pipeline.core.config import DcganConfig, from_dict, to_dict
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.parameters import most_critic_parameters, most_parameters
from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS
from anime_pipeline.data.conditions import parse_names, width
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.runtime import Session, generator_graph, upscaler_graph
from anime_pipeline.models import backend, dcgan, srgan
from anime_pipeline.models.weights import (
    DCGAN_KIND,
    SRGAN_KIND,
    Weights,
    assign,
    load_weights,
    save_weights,
)
from anime_pipeline.training.dcgan.task import DcganTask

STAGES = {
    "dcgan": (dcgan, DCGAN_KIND, generator_graph, TINY_DCGAN),
    "srgan": (srgan, SRGAN_KIND, upscaler_graph, TINY_SRGAN),
}
WISHES = "hair,skin,eyes,length,Hat"
CHANGES = {
    "dcgan": [{}, {"condition": WISHES, "blocks": 2}, {"image_size": 64, "condition": "hair"}],
    "srgan": [{}],
}
CASES = [
    pytest.param(stage, {"architecture": name} | change, id=f"{stage} {name} {number}")
    for stage, name in ARCHITECTURES
    for number, change in enumerate(CHANGES[stage])
]


def config_of(stage, change):
    """A tiny configuration, asked for nothing if the architecture takes no conditions."""
    entry = ARCHITECTURES[stage, change["architecture"]]
    kept = {k: v for k, v in change.items() if k != "condition" or entry.conditional}
    return dataclasses.replace(STAGES[stage][3], **kept)


def random_weights(model, config, kind, tmp_path) -> Weights:
    """Weights in which every array matters: no zeros, ones or small numbers left of a start."""
    random = np.random.default_rng(5)
    arrays = {}
    for variable in model.variables:
        fan_in = max(1, np.prod(variable.shape[:-1]))
        array = random.standard_normal(variable.shape) / np.sqrt(fan_in)
        if variable.path.endswith(("variance", "gamma")):
            array = random.uniform(0.5, 2, variable.shape)
        arrays[variable.path] = array.astype(np.float32)
    path = tmp_path / "random.npz"
    return Weights(kind, to_dict(config), {}, arrays, "0" * 64, path)


def inputs_of(stage, model, shape=(2, 8, 8)):
    random = np.random.default_rng(1)
    if stage == "srgan":
        return [random.random((*shape, 3), dtype=np.float32)]
    sizes = [value.shape[-1] for value in model.inputs]
    return [random.standard_normal((3, size)).astype(np.float32) for size in sizes]


@pytest.mark.parametrize("stage, change", CASES)
def test_the_graph_is_the_keras_network(stage, change, tmp_path):
    module, kind, graph, _ = STAGES[stage]
    config = config_of(stage, change)
    model = module.build_generator(config)
    weights = random_weights(model, config, kind, tmp_path)
    assign(model, weights)
    session = Session(graph(weights))
    for shape in [(2, 8, 8), (1, 5, 11), (1, 1, 1)] if stage == "srgan" else [()]:
        inputs = inputs_of(stage, model, shape)
        expected = np.asarray(model(inputs if len(inputs) > 1 else inputs[0], training=False))
        found = session(*inputs)
        assert np.ptp(expected) > 0.5  # not a flat picture, which would prove little
        # An eighth of a grey level is 1e-3.
        np.testing.assert_allclose(found, expected, atol=5e-4 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("stage, change", CASES)
def test_what_is_counted_is_what_is_held(stage, change):
    module, config = STAGES[stage][0], config_of(stage, change)
    held = module.build_generator(config).count_params()
    assert held <= most_parameters(config) <= held + 500_000  # rows of conditions, at most
    critic = module.build_discriminator(config).count_params()
    asked = getattr(config, "condition", "")
    spare = 200 * (16 * len(parse_names(asked)) - width(parse_names(asked)))
    assert critic <= most_critic_parameters(config) <= critic + spare


@pytest.mark.parametrize("preset", [*DCGAN_PRESETS, *(f"{name} (srgan)" for name in SRGAN_PRESETS)])
def test_every_preset_builds_and_gives_pictures(preset):
    stage, presets = ("srgan", SRGAN_PRESETS) if "(" in preset else ("dcgan", DCGAN_PRESETS)
    config = dataclasses.replace(presets[preset.split()[0]], precision="float32")
    if stage == "dcgan":
        config = dataclasses.replace(config, condition="", feature_critic=False)
    module = STAGES[stage][0]
    model = module.build_generator(config)
    inputs = inputs_of(stage, model, (1, 7, 12))
    images = np.asarray(model(inputs[0], training=False))
    assert images.shape == ((3, 32, 32, 3) if stage == "dcgan" else (1, 28, 48, 3))
    assert images.dtype == np.float32 and np.abs(images).max() <= (1 if stage == "dcgan" else 3)
    critic = module.build_discriminator(config)
    shapes = [tuple(side or 32 for side in value.shape[1:]) for value in critic.inputs]
    seen = [np.ones((4, *shape), np.float32) for shape in shapes]
    logits, *guess = keras.tree.flatten(
        critic(seen if stage == "dcgan" else seen[0], training=False)
    )
    assert logits.shape[0] == 4 and logits.shape[-1] == 1 and not guess


# Two pixels by two of a seeded tiny generator's first picture, where batch norm takes the batch's
# own statistics: the same numbers forever, on every backend.
GOLDEN = {
    ("dcgan", "modulated"): [[-0.034470, 0.031185], [-0.041933, -0.029549]],
    ("dcgan", "residual"): [[0.077988, 0.108949], [0.091078, 0.122696]],
    ("dcgan", "reference"): [[-0.135342, -0.108158], [-0.888989, -0.961003]],
    ("srgan", "best"): [[0.644457, -0.750080], [0.471241, 0.889760]],
    ("srgan", "reference"): [[0.072564, 0.292098], [0.013867, -0.056857]],
}


@pytest.mark.parametrize("stage, name", ARCHITECTURES)
def test_golden_slice(stage, name):
    model = STAGES[stage][0].build_generator(config_of(stage, {"architecture": name}))
    images = np.asarray(model(inputs_of(stage, model)[0], training=True))
    found = images[0, 7:9, 7:9, 0]
    assert found == pytest.approx(np.array(GOLDEN[stage, name]), abs=1e-4), found.tolist()


def test_names_are_unknown_or_those_of_before():
    with pytest.raises(
        UsageError, match="`architecture`. Expected one of modulated, residual, ref"
    ):
        from_dict(DcganConfig, {"architecture": "magic"})
    assert from_dict(DcganConfig, {"architecture": "best"}).architecture == "modulated"


def test_one_is_added_by_a_module_and_a_line(monkeypatch, tiny_images, tmp_path):
    entry = toy_architecture.ARCHITECTURE
    monkeypatch.setitem(architectures.ARCHITECTURES, (entry.stage, entry.name), entry)
    config = dataclasses.replace(TINY_DCGAN, architecture="toy")
    task = DcganTask(config, tiny_images)
    state = task.initial_state()
    before = backend.to_numpy(state["generator"]["params"])
    for step in range(2):
        state, _ = task.advance(state, step, task.inputs(step))
    arrays = backend.to_numpy(state["ema"]["params"])
    assert (arrays["paint/kernel"] != before["paint/kernel"]).any()
    save_weights(tmp_path / "toy.npz", arrays, DCGAN_KIND, to_dict(config), {"step": 2})
    generator = FaceGenerator(load_weights(tmp_path / "toy.npz", DCGAN_KIND))
    faces = generator.draw(generator.latents(range(4)), generator.condition(range(4)))
    assert np.abs(faces.astype(int) - task.sample(state, 4)).max() <= 1
    with pytest.raises(UsageError, match="condition"):
        dataclasses.replace(config, condition="hair")


def test_a_network_can_be_computed_in_its_order():
    for stage, name in ARCHITECTURES:
        config = config_of(stage, {"architecture": name})
        inputs, image = architectures.generator_of(config)
        done: set[Node] = set()
        for node in network([image]):
            assert set(node.inputs) <= done
            done.add(node)
        assert set(inputs) <= done and image in done
