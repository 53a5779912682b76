"""Stage one at work: seeds, and what the faces should look like, to faces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.progress import Progress, batches, ignored
from anime_pipeline.core.randomness import latents
from anime_pipeline.data import conditions
from anime_pipeline.data.conditions import Attributes
from anime_pipeline.inference.runtime import Session, check_result, generator_graph
from anime_pipeline.inference.spec import as_hex
from anime_pipeline.models.ranges import to_uint8
from anime_pipeline.models.weights import CONDITION_TABLE, DCGAN_KIND, Weights, load_weights, misfit


class FaceGenerator:
    """A trained generator: the same seed and attributes are the same face, whatever the batch.

    Attributes:
        config: The training configuration, in float32.
        weights: What the generator was loaded from.
        names: What faces can be asked for, such as ``("hair", "eyes")``; may be empty.

    Example:
        >>> generator = FaceGenerator.load(find_weights("dcgan", DCGAN_KIND))
        >>> condition = generator.condition([0, 1, 2], {"hair": (229, 139, 177)})
        >>> generator.draw(generator.latents([0, 1, 2]), condition).shape
        (3, 32, 32, 3)
    """

    def __init__(self, weights: Weights) -> None:
        config = weights.read_config(DcganConfig)
        # Inference is always float32, or a picture would depend on the machine.
        self.config = DcganConfig(**{**vars(config), "precision": "float32"})
        self.weights = weights
        self.names = _names(weights)
        self._table = condition_table(weights) if self.names else np.zeros((1, 0), np.float32)
        self._session = Session(generator_graph(weights))

    @property
    def attributes(self) -> tuple[str, ...]:
        """What can be asked for by a colour or a word, of hair, skin, eyes and length."""
        return conditions.without_tags(self.names)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a weights file of a DCGAN generator."""
        return cls(load_weights(path, DCGAN_KIND))

    def latents(self, seeds: Sequence[int]) -> np.ndarray:
        """Return the latent vectors of seeds: float32 [N, latent_dim]."""
        return latents(seeds, self.config.latent_dim, self.config.latent_distribution)

    def condition(self, seeds: Sequence[int], attributes: Attributes | None = None) -> np.ndarray:
        """Return what the faces of seeds are asked to show: float32 [N, K].

        Each seed draws a combination that a training picture had, so that hair, skin and
        eyes go together as they do there; attributes then replace their part of it.
        """
        drawn = conditions.draw(seeds, self._table)
        return conditions.fulfil(self.names, drawn, attributes or {})

    def asked(self, condition: np.ndarray) -> list[dict[str, str]]:
        """Return what each face of conditions [N, K] is asked to show, by its own name.

        Returns:
            Colours as ``#rrggbb`` and words, by name; what is left open is left out.
        """
        parts = [name for name in self.names if name in conditions.CENTRE_AND_SPREAD]
        places = {part: conditions.columns(self.names, part) for part in parts}
        return [
            {
                part: as_hex(conditions.decode_colour(part, row[place]))
                for part, place in places.items()
                if row[place][-1]  # or nothing is known of it
            }
            | conditions.words_asked(self.names, row)
            for row in condition
        ]

    def draw(
        self,
        latent: np.ndarray,
        condition: np.ndarray,
        batch_size: int = 32,
        progress: Progress = ignored,
    ) -> np.ndarray:
        """Draw one face per latent [N, latent_dim] and condition [N, K]: uint8 [N, S, S, 3]."""
        size = self.config.image_size
        faces = [np.zeros((0, size, size, 3), np.uint8)]
        for part in batches(len(latent), batch_size, progress):
            inputs = (latent[part], condition[part]) if self.names else (latent[part],)
            faces.append(to_uint8(check_result(self._session(*inputs), self.weights)))
        return np.concatenate(faces)


def condition_table(weights: Weights) -> np.ndarray:
    """Return the conditions that seeds draw from: float32 [M, K].

    Raises:
        CheckpointError: If the weights have none, or not of their condition's width.
    """
    names = _names(weights)
    table = weights.arrays.get(CONDITION_TABLE, np.zeros(0, np.float32))
    if table.ndim != 2 or not len(table) or table.shape[1] != conditions.width(names):
        raise misfit(weights, [CONDITION_TABLE])
    return table


def _names(weights: Weights) -> tuple[str, ...]:
    try:
        return conditions.parse_names(weights.read_config(DcganConfig).condition)
    except UsageError:
        raise misfit(weights, [CONDITION_TABLE]) from None
