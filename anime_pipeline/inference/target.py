"""How large a result shall be. Knows no framework: commands check requests before they load one."""

from dataclasses import dataclass

from anime_pipeline.core.config import SCALE
from anime_pipeline.core.errors import DataError

MAX_FACTOR = SCALE * SCALE

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Target:
    """How large a result shall be: `factor` times, or fitted into `box`.

    Attributes:
        factor: 2, 3, 4 or 8, or any number up to 16; ignored where there is a box.
        box: Width and height, 0 for "as follows from the other".
        exact: Fill the box, though proportions suffer.
    """

    factor: float = SCALE
    box: Size | None = None
    exact: bool = False

    def __str__(self) -> str:
        """Return it as `--scale` and `--size` have it."""
        exact = "!" if self.exact else ""
        return f"{self.box[0]}x{self.box[1]}{exact}" if self.box else f"{self.factor:g}"

    def size(self, width: int, height: int) -> Size:
        """Return the result's width and height for a picture's.

        Raises:
            DataError: If the picture would have to grow more than 16 times.
        """
        if self.box is None:
            wanted = (round(width * self.factor), round(height * self.factor))
        elif self.exact:
            wanted = self.box
        else:
            ratios = [b / a for b, a in zip(self.box, (width, height), strict=True) if b]
            wanted = (round(width * min(ratios)), round(height * min(ratios)))
        wanted = (max(1, wanted[0]), max(1, wanted[1]))
        if max(wanted[0] / width, wanted[1] / height) > MAX_FACTOR:
            raise DataError(
                f"image: {width}x{height} would have to become {wanted[0]}x{wanted[1]}, more than "
                f"{MAX_FACTOR} times as large; ask for less"
            )
        return wanted
