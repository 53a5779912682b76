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

    Attributes:
        model: The model.
        parts: In training, in how many parts a batch is computed to save memory, see
            `models.parts`; 0 saves none. What has statistics of the batch computes it whole.
        devices: How many share a batch.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.parts = 0
        self.devices = 1
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
        if not (training and self.parts):
            return self._apply(params, stats, inputs, training)
        import jax

        from anime_pipeline.models.parts import in_parts

        if self._stats:
            again = jax.checkpoint(lambda p, s, x: self._apply(p, s, x, True))
            result: tuple[Any, Arrays] = again(params, stats, inputs)
            return result
        return in_parts(
            lambda rows: self._apply(params, stats, rows, True)[0],
            inputs,
            self.parts,
            self.devices,
        ), stats

    def _apply(
        self, params: Arrays, stats: Arrays, inputs: Any, training: bool
    ) -> tuple[Any, Arrays]:
        outputs, new_stats = self.model.stateless_call(
            [params[path] for path in self._params],
            [stats[path] for path in self._stats],
            inputs,
            training=training,
        )
        return outputs, dict(zip(self._stats, new_stats, strict=True))
