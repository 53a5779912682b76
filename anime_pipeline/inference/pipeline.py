"""The front door: faces from specifications, pictures enlarged, with the weights of both stages.

Importing this loads no library; `Pipeline.load` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anime_pipeline.core.config import SCALE, Precision
from anime_pipeline.core.errors import UsageError, invalid
from anime_pipeline.core.progress import ignored
from anime_pipeline.inference.spec import SOFTWARE, WEIGHTS, FaceSpec

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from anime_pipeline.inference.generator import FaceGenerator
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.models.weights import Weights

Progress = Callable[[str, int, int], None]  # of which stage, done, total

DRAWING, UPSCALING = "Drawing", "Upscaling"
BATCH = 32
UPSCALE_BATCH = 8  # larger ones are no faster
MOST_ENLARGEMENTS = 2


class Pipeline:
    """Both stages with their weights; stage two is loaded with the first picture that needs it.

    Attributes:
        generator: Stage one.

    Example:
        >>> pipeline = Pipeline.load()
        >>> pipeline([FaceSpec(7, {"hair": "pink"}), FaceSpec(8)], size=128).shape
        (2, 128, 128, 3)
    """

    def __init__(
        self,
        generator: FaceGenerator,
        upscaler: Upscaler | Callable[[bool], Upscaler] | None = None,
    ) -> None:
        """Join two stages.

        Args:
            generator: Stage one.
            upscaler: Stage two, or what loads it (for drawn faces, if True, else for pictures);
                None for the shipped one as `load` has it.
        """
        self.generator = generator
        self._upscaler = upscaler or _load_upscaler

    @classmethod
    def load(
        cls,
        generator: str | Path = "dcgan",
        upscaler: str | Path | None = None,
        realism: float | None = None,
        denoise: float = 0.0,
        precision: Precision = "float32",
    ) -> Pipeline:
        """Find both stages and load stage one.

        Args:
            generator: A shipped name, a ``.npz`` file, a run folder or the name of a run.
            upscaler: Likewise; None for the shipped ones.
            realism: 0 (true to the input) to 1 (crisp), between the two upscalers of a pair; None
                for what suits, 1 for drawn faces and 0 for pictures, or for `upscaler` as it is.
            denoise: 0 to 1: how much blur, noise and JPEG's marks are taken from pictures.
            precision: Stage two's; ``"bfloat16"`` is faster on some processors, a little coarser.

        Raises:
            CheckpointError: If weights are not found, damaged or of another architecture.
            UsageError: If a realism is asked for between a single upscaler and nothing.
        """
        from anime_pipeline.models.blend import find_upscaler
        from anime_pipeline.models.weights import DCGAN_KIND
        from anime_pipeline.models.zoo import find_weights

        path = find_weights(str(generator), DCGAN_KIND)
        wanted = None if upscaler is None else str(upscaler)
        # What was named is looked for at once; the shipped ones when they are needed.
        if wanted is not None or realism is not None or denoise:
            find_upscaler(wanted, realism)
            if denoise:
                find_upscaler(wanted, realism, False, denoise)
        from anime_pipeline.inference.generator import FaceGenerator

        load = partial(
            _load_upscaler, wanted=wanted, realism=realism, denoise=denoise, precision=precision
        )
        return cls(FaceGenerator.load(path), load)

    @cached_property
    def upscaler(self) -> Upscaler:
        """Stage two, for drawn faces."""
        return self._upscaler(True) if callable(self._upscaler) else self._upscaler

    @cached_property
    def picture_upscaler(self) -> Upscaler:
        """Stage two, for pictures that somebody has."""
        return self._upscaler(False) if callable(self._upscaler) else self._upscaler

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the pictures that can be asked for, in pixels: 32, 128 and 512 as shipped."""
        side = self.generator.config.image_size
        return tuple(side * SCALE**times for times in range(MOST_ENLARGEMENTS + 1))

    def __call__(
        self,
        specs: Sequence[FaceSpec],
        size: int | None = None,
        batch_size: int = BATCH,
        progress: Progress = ignored,
    ) -> np.ndarray:
        """Draw one face for each specification.

        Args:
            specs: Which faces.
            size: One of `sizes`: stage one's, or enlarged once (the default) or twice.
            batch_size: Faces computed at once; does not change them by more than a grey level.
            progress: Called with the stage's name, and how many faces are done of how many.

        Returns:
            uint8 [N, size, size, 3], RGB.

        Raises:
            UsageError: If the weights know nothing of an attribute, or there is no such size.
        """
        condition = self.condition(specs)
        return self.draw(self.latents(specs), condition, size, batch_size, progress)

    def draw(
        self,
        latent: np.ndarray,
        condition: np.ndarray,
        size: int | None = None,
        batch_size: int = BATCH,
        progress: Progress = ignored,
    ) -> np.ndarray:
        """Draw one face for each latent [N, D] and condition [N, K]; else as for specifications."""
        times = self._times(size)
        progress(DRAWING, 0, len(latent))  # shown before the first batch is done
        pictures = self.generator.draw(latent, condition, batch_size, partial(progress, DRAWING))
        enlarged = partial(progress, UPSCALING)
        for index in range(times):
            # Twice enlarged faces are sixteen times as large: one at a time is work enough.
            together = min(batch_size, UPSCALE_BATCH) if index == 0 else 1
            pictures = self.upscaler.upscale_batch(pictures, together, enlarged)
        return pictures

    def upscale(self, image: np.ndarray | Image, scale: float = SCALE) -> np.ndarray:
        """Enlarge a picture of any size; transparency and grey are kept.

        Args:
            image: uint8 [H, W] grey, [H, W, 3] RGB or [H, W, 4] RGBA, or a picture of Pillow's.
            scale: How many times, up to 16.

        Returns:
            uint8 with as many channels.

        Raises:
            ValueError: If an array is no such picture.
            DataError: If it would become too large, or memory is short.
        """
        import numpy as np
        from PIL.Image import fromarray

        from anime_pipeline.inference.enlarge import Enlarger
        from anime_pipeline.inference.target import Target

        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.shape[2:] not in {(), (3,), (4,)} or image.ndim < 2:
                received = f"{image.dtype}{image.shape}"
                raise invalid("image", "uint8 [H, W], [H, W, 3] or [H, W, 4]", received)
            image = fromarray(image)
        result = Enlarger(self.picture_upscaler, Target(scale))(image).whole()
        return result[..., 0] if result.shape[2] == 1 else result

    def latents(self, specs: Sequence[FaceSpec]) -> np.ndarray:
        """Return the latents of faces, moved to the neighbour and truncated: float32 [N, D]."""
        import numpy as np

        from anime_pipeline.inference.latents import neighbour

        result = self.generator.latents([spec.seed for spec in specs])
        kind = self.generator.config.latent_distribution
        for row, spec in enumerate(specs):
            if spec.strength:
                nearby = (spec.seed, spec.variation, spec.strength, kind)
                result[row] = neighbour(result[row], *nearby)
        return result * np.array([[spec.truncation] for spec in specs], np.float32).reshape(-1, 1)

    def condition(self, specs: Sequence[FaceSpec]) -> np.ndarray:
        """Return what faces are asked to show: float32 [N, K].

        Raises:
            UsageError: If the weights know nothing of an attribute.
        """
        from anime_pipeline.data import conditions

        result = self.generator.condition([spec.seed for spec in specs])
        rows: dict[frozenset[Any], list[int]] = defaultdict(list)
        for row, spec in enumerate(specs):
            rows[frozenset(spec.attributes.items())].append(row)
        for alike in rows.values():
            asked = specs[alike[0]].attributes
            result[alike] = conditions.fulfil(self.generator.names, result[alike], asked)
        return result

    def interpolate(
        self, specs: Sequence[FaceSpec], frames: int = 24, loop: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Go from face to face, slower near each: latents on the sphere, colours straight in Lab.

        Args:
            specs: At least two faces to pass.
            frames: Pictures from one to the next.
            loop: Whether to return to the first; else the last face ends the journey.

        Returns:
            Latents and conditions of all frames, for `draw`.
        """
        from anime_pipeline.inference.latents import walk

        latents, conditions = list(self.latents(specs)), list(self.condition(specs))
        return walk(latents, frames, loop, True), walk(conditions, frames, loop, False)

    def weights(self, size: int | None = None) -> dict[str, Weights]:
        """Return which weights make pictures of a size, by stage: ``dcgan`` and ``srgan``."""
        found = {"dcgan": self.generator.weights}
        return found | ({"srgan": self.upscaler.weights} if self._times(size) else {})

    def provenance(self, spec: FaceSpec | None = None, size: int | None = None) -> dict[str, str]:
        """Return the text entries of a picture's PNG file, by which it can be made again.

        Args:
            spec: Which face; None for a sheet, of which only software and weights are said.
            size: As for the picture.

        Returns:
            Entries by name: the software, the face as `FaceSpec.from_texts` reads it, and the
            sha256 of the weights of each stage that took part.
        """
        hashes = {WEIGHTS[stage]: each.sha256 for stage, each in self.weights(size).items()}
        return SOFTWARE | (spec.texts if spec else {}) | hashes

    def keras_generator(self) -> Any:
        """Return stage one as a `keras.Model`.

        Input: latents [N, D], or [latents, conditions [N, K]] where the weights have conditions.
        Output: float32 [N, S, S, 3] in [-1, 1]: the same pictures, once rounded to grey levels.
        """
        from anime_pipeline.inference.export_keras import keras_generator

        return keras_generator(self.generator.weights)

    def keras_upscaler(self) -> Any:
        """Return stage two as a `keras.Model` that limits flat areas as `clamp` does.

        Input: float32 [N, H, W, 3] in [0, 1]. Output: [N, 4H, 4W, 3] in about [-1, 1]; as above.
        """
        from anime_pipeline.inference.export_keras import keras_upscaler

        return keras_upscaler(self.upscaler.weights)

    def _times(self, size: int | None) -> int:
        sizes = self.sizes
        if size is not None and size not in sizes:
            raise UsageError(
                f"Invalid value for size: {size!r}. Expected one of {', '.join(map(str, sizes))}."
            )
        return 1 if size is None else sizes.index(size)


def _load_upscaler(
    drawn: bool,
    wanted: str | None = None,
    realism: float | None = None,
    denoise: float = 0.0,
    precision: Precision = "float32",
) -> Upscaler:
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.models.blend import find_upscaler

    # Drawn faces have nothing on them to be cleaned away.
    files = find_upscaler(wanted, realism, drawn, 0.0 if drawn else denoise)
    return Upscaler(files.load(), precision)
