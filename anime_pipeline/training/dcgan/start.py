"""What a run of stage one starts from: initial weights, and how large its critic sees pictures.

Initial weights are the averaged generator of an earlier run, and where its folder still has a
state, the discriminator that played against it: one from noise would first have to catch up, and
spoil the generator until it has.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from anime_pipeline.core.checkpoint import load_branch
from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.presets import AUTO, with_architecture
from anime_pipeline.core.runs import CHECKPOINT_FOLDER
from anime_pipeline.core.storage import expand_user
from anime_pipeline.data.conditions import parse_names
from anime_pipeline.models import backend
from anime_pipeline.models.feature_extractor import FeatureExtractor
from anime_pipeline.models.measured import once_a_machine
from anime_pipeline.models.network import Network
from anime_pipeline.models.weights import DCGAN_KIND, Weights, load_weights
from anime_pipeline.models.zoo import find_weights, shipped

GENERATOR_FIELDS = (
    "image_size",
    "architecture",
    "latent_dim",
    "latent_distribution",
    "width",
    "blocks",
)
DISCRIMINATOR_FIELDS = ("width_d", "feature_critic", "feature_px", "minibatch_std")
LARGE_PX = 64
# Where fewer can be seen, seeing better gains less than seeing many: docs/recipes.md has both sizes
# on a CPU core, where the small one is ahead, and the large one on a GPU, whose runs begin here.
WORTHWHILE_AN_HOUR = 500_000


@dataclass(frozen=True)
class InitialWeights:
    """Weights to start from.

    Attributes:
        weights: The generator's.
        discriminator: Arrays by variable path; empty where there are none.
    """

    weights: Weights
    discriminator: dict[str, np.ndarray]

    def fit_config(self, config: DcganConfig, overrides: Mapping[str, Any]) -> DcganConfig:
        """Return a configuration with the architecture of the weights and the user's other fields.

        Args:
            config: The preset's.
            overrides: Fields that the user set.

        Raises:
            CheckpointError: If this version cannot build the weights' architecture.
            UsageError: If the user set another architecture than theirs; lists each difference.
        """
        theirs = self.weights.read_config(DcganConfig)
        wrong = [
            f"{name}: the weights have {getattr(theirs, name)!r}, you asked for {overrides[name]!r}"
            for name in GENERATOR_FIELDS
            if name in overrides and overrides[name] != getattr(theirs, name)
        ]
        asked = overrides.get("condition", AUTO)
        if asked != AUTO and set(parse_names(asked)) != set(parse_names(theirs.condition)):
            wrong.append(
                f"condition: the weights have {theirs.condition!r}, you asked for {asked!r}"
            )
        if wrong:
            raise UsageError(
                f"{self.weights.path} has another architecture than you asked for:\n  "
                + "\n  ".join(wrong)
                + "\nLeave these options out, or start without --init."
            )
        names = (*GENERATOR_FIELDS, *DISCRIMINATOR_FIELDS)
        # All at once, as half of them might be no architecture.
        fields = {name: getattr(theirs, name) for name in names} | dict(overrides)
        fields["condition"] = theirs.condition
        config = with_architecture(config, theirs.architecture)
        return replace(config, **fields, init_sha256=self.weights.sha256)

    def fill_discriminator(self, network: Network) -> bool:
        """Put the arrays into a discriminator if they are all of its own; tell whether they are."""
        variables = {variable.path: variable for variable in network.model.variables}
        shapes = {path: array.shape for path, array in self.discriminator.items()}
        if not shapes or shapes != {path: tuple(v.shape) for path, v in variables.items()}:
            return False
        for path, variable in variables.items():
            variable.assign(self.discriminator[path])
        return True


def find_initial_weights(wanted: str) -> InitialWeights:
    """Load what `--init` names.

    Args:
        wanted: A shipped name, a `.npz` file, a run folder or the name of a run. Of a run, its last
            generator rather than its best snapshot: the discriminator belongs to that one.

    Raises:
        CheckpointError: If there are no such weights.
    """
    path = find_weights(wanted, DCGAN_KIND, prefer="generator")
    alone = wanted in shipped(DCGAN_KIND) or expand_user(Path(wanted)).is_file()
    arrays = {} if alone else load_branch(path.parent / CHECKPOINT_FOLDER, "discriminator")
    return InitialWeights(load_weights(path, DCGAN_KIND), arrays)


def choose_feature_px(config: DcganConfig) -> tuple[int, float]:
    """Choose a configuration's `feature_px` by how fast this machine is.

    Returns:
        The side in pixels, 0 for pictures as they are, and the pictures an hour that training at
        `LARGE_PX` would show at most: as many as VGG16 alone can take.

    Raises:
        PipelineError: If there are no weights of VGG16.
    """
    large = replace(config, feature_px=LARGE_PX)
    detail = f"{large.architecture}, {large.batch_size} pictures, {large.precision}"
    seconds = once_a_machine("critic", lambda: _seconds_per_picture(large), _is_duration, detail)
    an_hour = 3600 / seconds
    return LARGE_PX if an_hour >= WORTHWHILE_AN_HOUR else 0, an_hour


def _is_duration(value: Any) -> bool:
    return isinstance(value, float) and 0 < value < float("inf")


def _seconds_per_picture(config: DcganConfig, repeats: int = 2) -> float:
    """Time what VGG16 does in a step: real pictures forward, drawn ones forward and back."""
    features = FeatureExtractor(config)

    def through(images: Any) -> tuple[Any, Any]:
        return sum(ops.mean(ops.cast(view, "float32")) for view in features(images)), ()

    def both(images: Any) -> Any:
        seen, _ = through(images)
        (drawn, _), gradient = backend.value_and_grad(through)(images)
        return seen + drawn + ops.mean(gradient)

    compiled = backend.jit(both)
    side = config.image_size
    images = backend.to_device(np.zeros((config.batch_size, side, side, 3), np.float32))
    fastest = float("inf")
    for _ in range(1 + repeats):  # the first compiles
        begun = time.perf_counter()
        backend.to_numpy(compiled(images))
        fastest = min(fastest, time.perf_counter() - begun)
    return fastest / config.batch_size
