"""A Keras model seen as a pure function of named arrays: `outputs, stats = network(state, x)`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from anime_pipeline.models.backend import to_device

Arrays = dict[str, Any]
NetworkState = dict[str, Arrays]  # {"params": {path: array}, "stats": {path: array}}


class Network:
    """Pure view of a Keras model.

    Parameters (trained) and statistics (batch-norm averages) are dictionaries keyed by variable
    path such as ``"up1/kernel"``, so that a checkpoint does not depend on variable order.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._params = [variable.path for variable in model.trainable_variables]
        self._stats = [variable.path for variable in model.non_trainable_variables]

    def initial_state(self) -> NetworkState:
        """Return the model's current values as backend tensors."""
        model = self.model
        return to_device(
            {
                "params": {v.path: np.asarray(v) for v in model.trainable_variables},
                "stats": {v.path: np.asarray(v) for v in model.non_trainable_variables},
            }
        )

    def __call__(
        self, params: Arrays, stats: Arrays, inputs: Any, training: bool
    ) -> tuple[Any, Arrays]:
        """Apply the model.

        Returns:
            The outputs and the statistics after this call (unchanged unless `training`).
        """
        outputs, new_stats = self.model.stateless_call(
            [params[path] for path in self._params],
            [stats[path] for path in self._stats],
            inputs,
            training=training,
        )
        return outputs, dict(zip(self._stats, new_stats, strict=True))
