"""One DCGAN training step, a pure function of (state, inputs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.models.backend import value_and_grad
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import to_model
from anime_pipeline.training.gan.critic import Critic
from anime_pipeline.training.gan.state import (
    Inputs,
    Metrics,
    State,
    discriminator_of,
    update_generator,
)


@dataclass(eq=False)
class DcganStep:
    """The step for one configuration; call it with a state and the arrays of one step.

    A step updates the discriminator `d_steps` times and the generator once. The last
    discriminator update and the generator update share one generator pass: the pictures are made
    inside the generator's loss, the discriminator learns from them with the gradient stopped, and
    the updated discriminator then sees the same pictures.

    Attributes:
        config: The run's configuration.
        generator: The generator.
        critic: The discriminator and its half of the step.
    """

    config: DcganConfig
    generator: Network
    critic: Critic

    def __call__(self, state: State, inputs: Inputs) -> tuple[State, Metrics]:
        """Advance the state by one step.

        Args:
            state: See `training.gan.state`.
            inputs: Arrays as `DcganTask.inputs` makes them; leading axis `d_steps` where drawn
                once per discriminator update.

        Returns:
            The new state and scalar metrics.
        """
        generator, critic = state["generator"], self.critic
        players = discriminator_of(state)
        *earlier, last = (_of_update(inputs, update) for update in range(self.config.d_steps))
        for batch in earlier:
            fake, _ = self._generate(generator["params"], generator["stats"], batch)
            real_views = critic.views(to_model(batch["real"]), "real", batch)
            views = critic.views(fake, "fake", batch)
            players, _ = critic.update(players, real_views, views, batch)
        real_views = critic.views(to_model(last["real"]), "real", last)

        def generator_loss(params: Any) -> tuple[Any, Any]:
            fake, stats = self._generate(params, generator["stats"], last)
            views = critic.views(fake, "fake", last)
            updated, metrics = critic.update(
                players, real_views, [ops.stop_gradient(view) for view in views], last
            )
            fixed = keras.tree.map_structure(ops.stop_gradient, updated["discriminator"])
            loss, measured = critic.generator_loss(fixed, real_views, views, last)
            return loss, (updated, stats, metrics | measured)

        gradient = value_and_grad(generator_loss)
        (_, (players, stats, metrics)), gradients = gradient(generator["params"])
        return update_generator(state, players, gradients, stats, inputs, self.config), metrics

    def _generate(self, params: Any, stats: Any, batch: Inputs) -> tuple[Any, Any]:
        latent = batch["latent"]
        asked = [latent, batch["condition"]] if "condition" in batch else latent
        return self.generator(params, stats, asked, True)


def _of_update(inputs: Inputs, update: int) -> Inputs:
    """Return a step's arrays for one discriminator update; what has no leading axis is for all."""
    drawn = {k: v for k, v in inputs.items() if isinstance(v, dict | list) or len(v.shape)}
    batch = keras.tree.map_structure(lambda array: array[update], drawn)
    return {**inputs, **batch, "count_d": inputs["count_d"] + update}
