"""Less memory for more work: a batch is computed in parts, and each part again for its gradient.

Losses still see the whole batch, so this is gradient accumulation that changes nothing but rounding
(Chen et al., "Training deep nets with sublinear memory cost", 2016). JAX only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import keras
from jax import lax


def in_parts(function: Callable[[Any], Any], inputs: Any, parts: int, devices: int = 1) -> Any:
    """Apply `function` to a batch, keeping for the gradient no more than it is given.

    Args:
        function: Maps trees of [N, ...] to trees of [N, ...], each row or group by itself.
        inputs: A tree of arrays [N, ...].
        parts: In how many parts one after the other; a batch that cannot be divided so stays whole.
        devices: How many share the batch: each does its rows of every part.
    """
    remembered_less = jax.checkpoint(function)
    count = keras.tree.flatten(inputs)[0].shape[0]
    if parts == 1 or count % (parts * devices):
        return remembered_less(inputs)
    share = count // (parts * devices)

    def divided(leaf: Any) -> Any:
        rows = leaf.reshape(devices, parts, share, *leaf.shape[1:]).swapaxes(0, 1)
        return rows.reshape(parts, devices * share, *leaf.shape[1:])

    def joined(leaf: Any) -> Any:
        rows = leaf.reshape(parts, devices, share, *leaf.shape[2:]).swapaxes(0, 1)
        return rows.reshape(count, *leaf.shape[2:])

    results = lax.map(remembered_less, keras.tree.map_structure(divided, inputs))
    return keras.tree.map_structure(joined, results)
