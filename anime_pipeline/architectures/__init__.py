"""The registry of architectures: to add one, write a module and name it in `ARCHITECTURES`."""

from collections.abc import Iterable
from typing import Any

from anime_pipeline.architectures import (
    dcgan_modulated,
    dcgan_reference,
    dcgan_residual,
    srgan,
    srgan_reference,
)
from anime_pipeline.architectures.entry import Architecture, Seen
from anime_pipeline.architectures.layers import Node, concat, enter

ARCHITECTURES: dict[tuple[str, str], Architecture] = {
    (module.ARCHITECTURE.stage, module.ARCHITECTURE.name): module.ARCHITECTURE
    for module in (dcgan_modulated, dcgan_residual, dcgan_reference, srgan, srgan_reference)
}


def architectures(stage: str) -> dict[str, Architecture]:
    """Return a stage's architectures by name."""
    return {name: entry for (of, name), entry in ARCHITECTURES.items() if of == stage}


def architecture_of(config: Any) -> Architecture:
    """Return the architecture that a `DcganConfig` or `SrganConfig` names."""
    return ARCHITECTURES[config.stage, config.architecture]


def generator_of(config: Any, condition: int = 0) -> tuple[list[Node], Node]:
    """Return a configuration's generator: its inputs and what comes out, [N, S, S, 3].

    Args:
        config: A `DcganConfig` or `SrganConfig`.
        condition: Stage one: numbers of the condition, whose input is second then.
    """
    if config.stage == "srgan":
        inputs = [enter("lr_image", None, None, 3)]
    else:
        inputs = [enter("latent", config.latent_dim)]
        inputs += [enter("condition", condition)] if condition else []
    x = concat(*inputs) if len(inputs) > 1 else inputs[0]
    return inputs, architecture_of(config).generator(config, x)


def discriminator_of(
    config: Any, maps: Iterable[tuple[str, int, int]] = (), condition: int = 0
) -> tuple[list[Node], list[Node]]:
    """Return a configuration's discriminator: its inputs, in the order of `Seen`, and outputs.

    Args:
        config: A `DcganConfig` or `SrganConfig`.
        maps: Stage one: name, side and channels of each feature map that it looks at.
        condition: Stage one: numbers of the condition.
    """
    own = architecture_of(config)
    if config.stage == "srgan":
        side = (config.crop_size or config.hr_size) if own.fixed_size else None
        seen = Seen(enter("image", side, side, 3))
    else:
        shapes = enumerate(own.dropout_shapes(config), start=1)
        seen = Seen(
            enter("image", config.image_size, config.image_size, 3),
            {name: enter(name, size, size, channels) for name, size, channels in maps},
            enter("condition", condition) if condition else None,
            [enter(f"mask{number}", *shape) for number, shape in shapes],
        )
    asked = [seen.condition] if seen.condition else []
    return [seen.image, *seen.maps.values(), *asked, *seen.masks], own.discriminator(config, seen)
