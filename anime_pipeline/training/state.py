"""The training state, one tree of arrays, and the pure updates of it.

Layout: `generator` and `discriminator` hold {"params", "stats"}, `adam_generator` and
`adam_discriminator` hold {"m", "v"}, `ema` is the averaged generator. Steps are counted outside.
"""

from __future__ import annotations

from typing import Any

import keras

from anime_pipeline.models import backend
from anime_pipeline.models.adam import adam, adam_slots
from anime_pipeline.models.network import Network

State = dict[str, Any]

EMA_RAMP = 0.05


def initial_state(generator: Network, discriminator: Network) -> State:
    """Return the state before the first step; a function of the seed, see `models.initial`."""
    generator_state = generator.initial_state()
    discriminator_state = discriminator.initial_state()
    return {
        "generator": generator_state,
        "discriminator": discriminator_state,
        "adam_generator": adam_slots(generator_state["params"]),
        "adam_discriminator": adam_slots(discriminator_state["params"]),
        # A copy: JAX may reuse a donated buffer, so no two entries may share one.
        "ema": keras.tree.map_structure(lambda leaf: leaf + 0, generator_state),
    }


def update_generator(
    state: State, players: State, gradients: Any, stats: Any, inputs: dict[str, Any], config: Any
) -> State:
    """Return the state after a generator update: Adam, new statistics, the running average.

    Args:
        state: State before the step.
        players: The discriminator's entries after its own update.
        gradients: Of the generator's loss.
        stats: The generator's statistics after its pass.
        inputs: The step's arrays: ``count_g``, ``learning_rate_g``, ``ema_decay``, and ``beta_2``
            where it changes during the run.
        config: The run's configuration: Adam's two decays, and whether there is an average.
    """
    params, slots = adam(
        state["generator"]["params"],
        gradients,
        state["adam_generator"],
        inputs["count_g"],
        inputs["learning_rate_g"],
        config.beta_1,
        inputs.get("beta_2", config.beta_2),
    )
    generator = {"params": params, "stats": stats}
    # Without averaging the decay is 0 and `average` gives the newest weights: not worth computing,
    # but JAX may reuse a donated buffer, so there no two entries may share one.
    averaged = config.ema_half_life_images > 0 or backend.name() == "jax"
    return {
        **players,
        "generator": generator,
        "adam_generator": slots,
        "ema": average(state["ema"], generator, inputs["ema_decay"]) if averaged else generator,
    }


def ema_decay(step: int, batch_size: int, half_life_images: float) -> float:
    """Return the averaging factor of one step: 0 keeps the newest weights only.

    The half-life grows with the images seen (Karras et al., ADA, 2020), or early averages would
    be dominated by the random start.
    """
    if half_life_images <= 0:
        return 0.0
    half_life = min(half_life_images, EMA_RAMP * max(step, 1) * batch_size)
    return float(0.5 ** (batch_size / max(half_life, 1e-9)))


def average(old: Any, new: Any, decay: Any) -> Any:
    """Return `decay * old + (1 - decay) * new`, leaf by leaf."""
    return keras.tree.map_structure(lambda o, n: n + (o - n) * decay, old, new)
