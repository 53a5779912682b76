"""Adam as a pure function of trees of arrays, on every backend; Keras's own keeps state."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def adam_slots(params: Any) -> dict[str, Any]:
    """Return zeroed first and second moments for `params`."""
    return {
        "m": keras.tree.map_structure(ops.zeros_like, params),
        "v": keras.tree.map_structure(ops.zeros_like, params),
    }


def adam(
    params: Any,
    gradients: Any,
    slots: dict[str, Any],
    count: Any,
    learning_rate: Any,
    beta_1: float,
    beta_2: Any,
    epsilon: float = 1e-8,
) -> tuple[Any, dict[str, Any]]:
    """Take one Adam step (Kingma and Ba, ICLR 2015, algorithm 1).

    Args:
        params: Tree of arrays.
        gradients: Tree like `params`.
        slots: {"m", "v"} from `adam_slots` or the previous call.
        count: Number of this update, from 1, as a float scalar.
        learning_rate: Scalar.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment: a number, or a scalar where it changes between steps.
        epsilon: Floor of the denominator.

    Returns:
        New parameters and new slots.
    """
    map_structure = keras.tree.map_structure
    m = map_structure(lambda m, g: beta_1 * m + (1 - beta_1) * g, slots["m"], gradients)
    v = map_structure(lambda v, g: beta_2 * v + (1 - beta_2) * g * g, slots["v"], gradients)
    rate = learning_rate / (1 - beta_1**count)
    scale = 1 / (1 - beta_2**count)
    new = map_structure(
        lambda p, m, v: p - rate * m / (ops.sqrt(v * scale) + epsilon), params, m, v
    )
    return new, {"m": m, "v": v}
