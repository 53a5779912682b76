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
Inputs = dict[str, Any]
Metrics = dict[str, Any]

EMA_RAMP = 0.05


def initial_state(generator: Network, discriminator: Network) -> State:
    """Return the state before the first step; a function of the seed, see `models.initial`."""
    state = entries_of("generator", generator) | entries_of("discriminator", discriminator)
    # A copy: JAX may reuse a donated buffer, so no two entries may share one.
    return {**state, "ema": keras.tree.map_structure(lambda leaf: leaf + 0, state["generator"])}


def entries_of(player: str, network: Network) -> State:
    """Return a player's entries of a state before the first step."""
    values = network.initial_state()
    return {player: values, f"adam_{player}": adam_slots(values["params"])}


def discriminator_of(state: State) -> State:
    """Return the entries of a state that a discriminator update changes."""
    return {key: state[key] for key in ("discriminator", "adam_discriminator")}


def update_player(
    player: str, state: State, gradients: Any, stats: Any, inputs: Inputs, config: Any
) -> State:
    """Return a player's entries of the state after an Adam step.

    Args:
        player: ``"generator"`` or ``"discriminator"``.
        state: Holds its entries.
        gradients: Of its loss.
        stats: Its statistics after its passes.
        inputs: The update's arrays: of a generator ``count_g`` (from 1) and ``learning_rate_g``,
            of a discriminator ``..._d``; ``beta_2`` where it changes during the run.
        config: The run's configuration, for Adam's two decays.
    """
    params, slots = adam(
        state[player]["params"],
        gradients,
        state[f"adam_{player}"],
        inputs[f"count_{player[0]}"],
        inputs[f"learning_rate_{player[0]}"],
        config.beta_1,
        inputs.get("beta_2", config.beta_2),
    )
    return {player: {"params": params, "stats": stats}, f"adam_{player}": slots}


def update_generator(
    state: State, players: State, gradients: Any, stats: Any, inputs: Inputs, config: Any
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
    updated = update_player("generator", state, gradients, stats, inputs, config)
    new = updated["generator"]
    # Without averaging the decay is 0 and `average` gives the newest weights: not worth computing,
    # but JAX may reuse a donated buffer, so there no two entries may share one.
    averaged = config.ema_half_life_images > 0 or backend.name() == "jax"
    ema = average(state["ema"], new, inputs["ema_decay"]) if averaged else new
    return {**players, **updated, "ema": ema}


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
