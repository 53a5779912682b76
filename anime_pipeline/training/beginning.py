"""What a run of stage one begins from when it does not begin from noise.

The averaged generator of an earlier run, and where its folder still has a state, the discriminator
that played against it: one from noise would first have to catch up, and spoil the generator until
it has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, open_arrays
from anime_pipeline.core.checkpoint import SEPARATOR, steps_in
from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, read_regular
from anime_pipeline.core.presets import AUTO
from anime_pipeline.core.runs import CHECKPOINT_FOLDER
from anime_pipeline.core.storage import expand_user, sha256_of
from anime_pipeline.data.conditions import parse_names
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


@dataclass(frozen=True)
class Beginning:
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


def find_beginning(wanted: str) -> Beginning:
    """Load what `--init` names.

    Args:
        wanted: A shipped name, a `.npz` file, a run folder or the name of a run. Of a run, its last
            generator rather than its best snapshot: the discriminator belongs to that one.

    Raises:
        CheckpointError: If there are no such weights.
    """
    path = find_weights(wanted, DCGAN_KIND, prefer="generator")
    named = wanted in shipped(DCGAN_KIND) or expand_user(Path(wanted)).is_file()
    arrays = {} if named else _last_discriminator(path.parent / CHECKPOINT_FOLDER)
    return Beginning(load_weights(path, DCGAN_KIND), arrays)


def _last_discriminator(folder: Path) -> dict[str, np.ndarray]:
    """Read the discriminator of the newest whole checkpoint; nothing in the folder is changed."""
    lead = f"discriminator{SEPARATOR}"
    for step in reversed(steps_in(folder)):
        path = folder / f"state-{step:08d}.npz"
        try:
            record = read_regular(path.with_suffix(".json"), MAX_DOCUMENT_BYTES, follow=False)
            expected = json.loads(record)["sha256"]
            if sha256_of(path) != expected:
                continue
            with open_arrays(path, compressed=False) as arrays:
                # Such as "discriminator|params|down1/kernel".
                names = [name for name in arrays.headers if name.startswith(lead)]
                return {
                    name.split(SEPARATOR, 2)[2]: array for name, array in arrays.read_each(names)
                }
        except (*UNREADABLE, IndexError):
            continue
    return {}
