"""How large a tile may be, so that a process stays within the memory it was given."""

from dataclasses import dataclass, field

from anime_pipeline.core.config import SCALE
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import in_units
from anime_pipeline.core.machine import resident_bytes
from anime_pipeline.inference.upscaler import MARGIN_PX, MIN_TILE_PX, Extras

# Measured on ONNX Runtime: growth of the process over a tile's LR pixels, margins included.
NETWORK_BYTES_PER_PX = 5_600
EXTRAS_BYTES_PER_PX = 1_500  # float copies for the ensemble and back-projection
MAX_TILE_PX = 256  # larger ones are hardly faster
RESERVE = 60_000_000  # what is freed and not given back
DEFAULT_BYTES = 10**9
LEAST_ROOM = 180_000_000  # beside the framework, where nobody has set a limit


@dataclass(frozen=True)
class Budget:
    """The memory of a process.

    Attributes:
        max_bytes: The limit; None for `DEFAULT_BYTES`, or, where the framework has taken nearly
            all of that already, for `LEAST_ROOM` more than it holds.
        base_bytes: What the process holds now, with the network loaded and nothing computed. (What
            it holds later says little: frameworks keep freed memory for the next tile.)
    """

    max_bytes: int | None
    base_bytes: int = field(default_factory=resident_bytes)

    def tile_px(
        self, width: int, extras: Extras, held_bytes: int, instead: str = "", streams: int = 1
    ) -> int:
        """Return the largest tile side with which the process should stay within the limit.

        Args:
            width: Of the LR picture, which is decoded already.
            extras: What is computed around the network.
            held_bytes: What must be held beside the strips: the picture itself, and whole results
                that are encoded at once.
            instead: What would need less, for the error message.
            streams: How many pictures are enlarged side by side; colours and alpha are two.

        Raises:
            DataError: If even the smallest tile would need more; says how much.
        """
        per_px = NETWORK_BYTES_PER_PX + (EXTRAS_BYTES_PER_PX if extras != Extras() else 0)

        def needed(tile_px: int) -> int:
            # One strip being made, one resized, one encoded.
            strips = 3 * SCALE**2 * tile_px * width * 3 * streams
            network = per_px * (tile_px + 2 * MARGIN_PX) ** 2
            return self.base_bytes + RESERVE + strips + network

        limit = self.max_bytes or max(DEFAULT_BYTES, self.base_bytes + LEAST_ROOM)
        for tile_px in range(MAX_TILE_PX, MIN_TILE_PX - 1, -16):
            if needed(tile_px) + held_bytes <= limit:
                return tile_px
        raise DataError(
            f"image: needs about {in_units(needed(MIN_TILE_PX) + held_bytes)} of memory and "
            f"--max-memory allows {in_units(limit)}; allow more"
            + (f", or {instead}" if instead else "")
        )
