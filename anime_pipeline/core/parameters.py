"""How many numbers a configuration's networks hold, without building them: upper bounds.

By these a weights file is measured before it is read, and a run that no machine could hold is
refused before it begins.
"""

import math
from typing import Any

from anime_pipeline.architectures import discriminator_of, generator_of
from anime_pipeline.architectures.layers import Node, network

MOST_PARAMETERS = 200_000_000  # of one network; the reference's for 128 px takes 140 million
WORDS = 16  # numbers that a name of the condition takes, at most
TABLE_ROWS = 4096  # conditions of training pictures that weights carry along
SPARE = 10_000  # so that a file of a few arrays too many is read, and refused by their names


def most_parameters(config: Any) -> int:
    """Return how many numbers the generator's weights file holds at most, its table included.

    Args:
        config: A `DcganConfig` or `SrganConfig`.
    """
    condition = _condition_width(config)
    return _held([generator_of(config, condition)[1]]) + TABLE_ROWS * condition + SPARE


def most_critic_parameters(config: Any) -> int:
    """Return how many numbers the discriminator holds at most, without feature heads."""
    return _held(discriminator_of(config, condition=_condition_width(config))[1])


def _held(outputs: list[Node]) -> int:
    return sum(math.prod(shape) for node in network(outputs) for shape in node.weights.values())


def _condition_width(config: Any) -> int:
    return WORDS * len([name for name in getattr(config, "condition", "").split(",") if name])
