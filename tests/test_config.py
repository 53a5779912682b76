import dataclasses

import pytest

from anime_pipeline.core.config import (
    DcganConfig,
    SrganConfig,
    differences,
    from_dict,
    to_dict,
)
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS


@pytest.mark.parametrize("config", [*DCGAN_PRESETS.values(), *SRGAN_PRESETS.values()])
def test_a_configuration_survives_json(config):
    assert from_dict(type(config), to_dict(config)) == config


@pytest.mark.parametrize(
    "values,message",
    [
        ({"widht": 3}, "Unknown"),
        ({"loss": "magic"}, "one of bce"),
        ({"width": "wide"}, "type int"),
        ({"width": True}, "type int"),
        ({"flip": 1}, "type bool"),
        ({"learning_rate_g": "fast"}, "type float"),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(UsageError, match=message):
        from_dict(DcganConfig, values)


@pytest.mark.parametrize(
    "kind,values",
    [
        (DcganConfig, {"image_size": 20}),
        (DcganConfig, {"batch_size": 6}),
        (DcganConfig, {"save_every": 0}),
        (DcganConfig, {"r1_interval": 0}),
        (DcganConfig, {"seed": 2**63}),
        (DcganConfig, {"beta_1": 1.0}),
        (SrganConfig, {"scale": 2}),
        (SrganConfig, {"hr_size": 130}),
        (SrganConfig, {"crop_size": 30}),
        (SrganConfig, {"crop_size": 2}),
        (SrganConfig, {"fidelity_steps": 0, "adversarial_steps": 0}),
    ],
)
def test_values_out_of_range_are_refused(kind, values):
    with pytest.raises(UsageError, match=f"`{next(iter(values))}`. Expected"):
        from_dict(kind, values)


def test_differences_name_the_field_and_both_values():
    old, new = SrganConfig(), dataclasses.replace(SrganConfig(), blocks=3)
    assert differences(old, old) == []
    assert differences(old, new) == ["blocks: the run has 16, you asked for 3"]


def test_the_reference_preset_is_the_original_design():
    reference = DCGAN_PRESETS["reference"]
    assert (reference.latent_dim, reference.latent_distribution) == (100, "uniform")
    assert (reference.d_steps, reference.batch_size, reference.steps) == (10, 16, 75_000)
    assert (reference.learning_rate_g, reference.learning_rate_d) == (1e-5, 2e-5)
    assert (reference.fit, reference.real_label, reference.loss) == ("stretch", 0.9, "bce")
    upscaler = SRGAN_PRESETS["reference"]
    assert (upscaler.steps, upscaler.learning_rate, upscaler.batch_size) == (117_000, 9e-5, 8)


@pytest.mark.parametrize("field, value", [("condition", "hair"), ("image_size", 8)])
def test_the_reference_takes_only_what_it_can(field, value):
    with pytest.raises(UsageError, match=field):
        dataclasses.replace(DCGAN_PRESETS["reference"], **{field: value})
