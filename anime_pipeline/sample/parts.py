"""The canvas, the curves and the facial features that drawn faces are put together from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
Mask = NDArray[np.uint8]
Color = tuple[int, int, int]
Spot = tuple[float, float]

WHITE: Color = (255, 255, 255)
HEAD_RADIUS = 0.82
FIXED_BITS = 4


def path(text: str) -> Points:
    """Read points written as `x y, x y, ...`."""
    return np.array(text.replace(",", " ").split(), dtype=np.float64).reshape(-1, 2)


def mix(first: Color, second: Color, amount: float) -> Color:
    """Return the colour that lies the fraction `amount` of the way to `second`."""
    red, green, blue = (round(a + (b - a) * amount) for a, b in zip(first, second, strict=True))
    return red, green, blue


def scale(color: Color, *factors: float) -> Color:
    """Multiply each channel by its own factor."""
    red, green, blue = (min(255, round(c * f)) for c, f in zip(color, factors, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Tones:
    """One material: its base colour and the cel-shading colours that go with it."""

    base: Color
    shade: Color
    light: Color
    ink: Color

    @classmethod
    def of(cls, base: Color) -> Self:
        """Derive the tones of hair or cloth."""
        dark = 1.0 - sum(base) / 765
        light = mix(mix(base, WHITE, 0.68 - 0.3 * dark), (150, 170, 235), 0.3 * dark * dark)
        ink = mix(scale(base, 0.36, 0.28, 0.38), (56, 26, 46), 0.35)
        return cls(base, scale(base, 0.72, 0.64, 0.77), light, ink)

    @classmethod
    def of_skin(cls, base: Color) -> Self:
        """Derive the tones of skin, whose shadows are warm."""
        ink = mix(scale(base, 0.52, 0.36, 0.34), (96, 30, 40), 0.25)
        return cls(base, scale(base, 0.92, 0.77, 0.75), mix(base, WHITE, 0.5), ink)


def smooth(points: ArrayLike, closed: bool = False) -> Points:
    """Run a Catmull-Rom curve through the points."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        knots = np.vstack([knots[-1:], knots, knots[:2]])
    else:
        knots = np.vstack([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, 6, endpoint=False)
    t2, t3 = t**2, t**3
    terms = [-t + 2 * t2 - t3, 2 - 5 * t2 + 3 * t3, t + 4 * t2 - 3 * t3, t3 - t2]
    windows = np.stack([knots[:-3], knots[1:-2], knots[2:-1], knots[3:]], axis=1)
    curve: Points = (0.5 * np.stack(terms, axis=1) @ windows).reshape(-1, 2)
    return curve if closed else np.vstack([curve, knots[-2:-1]])


def bow(start: ArrayLike, control: ArrayLike, end: ArrayLike, steps: int = 10) -> Points:
    """Return a quadratic Bezier curve as points."""
    t = np.linspace(0, 1, steps)[:, None]
    first, middle, last = (np.asarray(p, dtype=np.float64) for p in (start, control, end))
    return (1 - t) ** 2 * first + 2 * t * (1 - t) * middle + t**2 * last


def blade(spine: Points, width: float, root: float = 0.0, belly: float = 0.4) -> Points:
    """Return the outline of a stroke that swells from its root to its belly and ends in a point."""
    t = np.linspace(0, 1, len(spine))
    rising = root + (1 - root) * np.sin(np.minimum(t / belly, 1) * np.pi / 2)
    half = 0.5 * width * np.where(t < belly, rising, 1 - ((t - belly) / (1 - belly)).clip(0) ** 1.7)
    along = np.gradient(spine, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    normal *= (half / (np.hypot(normal[:, 0], normal[:, 1]) + 1e-9))[:, None]
    return np.vstack([spine + normal, (spine - normal)[::-1]])


def oval(x: float, y: float, radius_x: float, radius_y: float, steps: int = 28) -> Points:
    """Return an axis-aligned ellipse as a polygon."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([x + radius_x * np.cos(angle), y + radius_y * np.sin(angle)], axis=1)


def flip(shape: ArrayLike, side: float = -1.0) -> Points:
    """Mirror a shape left to right where `side` is -1."""
    return np.asarray(shape, dtype=np.float64) * (side, 1.0)


class Canvas:
    """A supersampled picture that takes shapes in face units: x, y in -1..1, chin near 0.7."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.pixels: NDArray[np.uint8] = np.zeros((side, side, 3), np.uint8)
        self.place()

    def place(
        self, angle: float = 0, size: float = 1, shift: Spot = (0, 0), turn: float = 0
    ) -> None:
        """Set where later shapes go; `turn` looks to the side as if drawn on a round head."""
        # The neck is the pivot, so that a tilted head stays joined to an upright body.
        pivot = np.array([0.0, 0.7])
        cosine, sine = size * np.cos(angle), size * np.sin(angle)
        self.linear = self.side / 2 * np.array([[cosine, -sine], [sine, cosine]])
        self.offset = self.side / 2 * (1 + pivot + np.array(shift)) - self.linear @ pivot
        self.turn = turn

    def at(self, shape: Points) -> NDArray[np.int32]:
        """Convert face units to fixed-point pixels."""
        if self.turn:
            # What is in front moves most and the silhouette stays, as on a real turning head.
            depth = (1 - (shape[:, :1] / HEAD_RADIUS) ** 2).clip(0)
            shape = shape + depth * (self.turn * HEAD_RADIUS, 0)
        pixels = (shape @ self.linear.T + self.offset) * (1 << FIXED_BITS)
        corners: NDArray[np.int32] = np.rint(pixels).astype(np.int32)
        return corners

    def mask(self, shapes: Sequence[Points]) -> Mask:
        """Return a mask of the union of the shapes."""
        mask: Mask = np.zeros((self.side, self.side), np.uint8)
        for shape in shapes:
            cv2.fillPoly(mask, [self.at(shape)], 255, cv2.LINE_8, FIXED_BITS)
        return mask

    def fill(
        self,
        shape: Points,
        color: Color,
        low: Color | None = None,
        clip: Mask | None = None,
        alpha: float = 1.0,
    ) -> None:
        """Fill a shape, fading to the colour `low` at its bottom, only where `clip` is set."""
        corners = self.at(shape)
        if low is None and clip is None and alpha == 1.0:
            cv2.fillPoly(self.pixels, [corners], color, cv2.LINE_8, FIXED_BITS)
            return
        left, top = np.maximum(corners.min(axis=0) >> FIXED_BITS, 0)
        right, bottom = np.minimum((corners.max(axis=0) >> FIXED_BITS) + 2, self.side)
        if left >= right or top >= bottom:
            return
        inside: Mask = np.zeros((bottom - top, right - left), np.uint8)
        moved = (corners - (np.array([left, top]) << FIXED_BITS)).astype(np.int32)
        cv2.fillPoly(inside, [moved], 255, cv2.LINE_8, FIXED_BITS)
        if clip is not None:
            inside &= clip[top:bottom, left:right]
        self._lay(self.pixels[top:bottom, left:right], inside, color, low, alpha)

    def pour(self, mask: Mask, color: Color, low: Color | None = None, alpha: float = 1.0) -> None:
        """Fill a whole mask, fading to the colour `low` at the bottom of the picture."""
        self._lay(self.pixels, mask, color, low, alpha)

    def _lay(
        self, region: NDArray[np.uint8], mask: Mask, color: Color, low: Color | None, alpha: float
    ) -> None:
        rows = np.linspace(color, low or color, len(region)).astype(np.uint8)[:, None]
        paint = cv2.resize(rows, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
        if alpha < 1.0:
            paint = cv2.addWeighted(paint, alpha, region, 1 - alpha, 0)
        cv2.copyTo(paint, mask, region)

    def edge(self, shape: Points, color: Color, width: float = 0.022, closed: bool = True) -> None:
        """Draw the outline of a shape."""
        corners, thickness = self.at(shape), max(1, round(width * self.side / 2))
        cv2.polylines(self.pixels, [corners], closed, color, thickness, cv2.LINE_8, FIXED_BITS)

    def stroke(self, points: Points, width: float, color: Color, root: float = 0.0) -> None:
        """Draw a line that tapers like a pen stroke."""
        self.fill(blade(points, width, root), color)

    def glow(self, x: float, y: float, radii: Spot, color: Color, top: float) -> None:
        """Blend in a soft spot of colour whose centre has the opacity `top`."""
        for step in range(6):
            part = 1 - step / 6
            self.fill(oval(x, y, radii[0] * part, radii[1] * part), color, alpha=top / 6)


@dataclass(frozen=True)
class EyeLook:
    """The shape of a pair of eyes, in face units."""

    x: float
    y: float
    width: float
    height: float
    tilt: float
    openness: float
    gaze: float
    lashes: int

    def shape(self, local: ArrayLike, side: int) -> Points:
        """Move points from eye units (x outward, y down, -1..1) to face units."""
        across, down = np.asarray(local, dtype=np.float64).T
        y = self.y + self.height * down - self.tilt * self.width * across
        return np.stack([side * (self.x + self.width * across), y], axis=1)


UPPER_LID = path("-.97 .12, -.84 -.42, -.36 -.9, .2 -1, .74 -.7, 1 -.06")
LOWER_LID = path("1 -.06, .92 .45, .56 .88, 0 1, -.46 .94, -.82 .6, -.97 .12")


def draw_eye(canvas: Canvas, look: EyeLook, side: int, iris: Color, ink: Color) -> list[Points]:
    """Draw one open eye and return the lash shapes, which show faintly through the fringe."""
    lid = smooth(UPPER_LID * (1, look.openness) + (0, 0.45 * (1 - look.openness)))
    ball = look.shape(np.vstack([lid, smooth(LOWER_LID)[1:-1]]), side)
    clip = canvas.mask([ball])
    canvas.fill(ball, (232, 232, 244), WHITE)
    dark, bright = mix(scale(iris, 0.4, 0.34, 0.46), ink, 0.25), mix(iris, WHITE, 0.3)
    x = -0.06 + look.gaze * side

    def disc(size: float, y: float, color: Color, low: Color | None, alpha: float = 1.0) -> None:
        shape = look.shape(oval(x, y, 0.74 * size, 1.02 * size), side)
        canvas.fill(shape, color, low, clip, alpha)

    disc(1.0, 0.04, dark, mix(dark, iris, 0.3))
    disc(0.89, 0.04, mix(dark, iris, 0.3), bright)
    disc(0.52, 0.5, mix(bright, WHITE, 0.35), None, 0.5)
    disc(0.42, 0.0, mix(dark, ink, 0.6), mix(dark, iris, 0.15))
    shadow = np.vstack([lid + (0, -0.1), (lid * (1, 0.8) + (0, 0.26))[::-1]])
    canvas.fill(look.shape(shadow, side), mix(dark, (60, 50, 90), 0.5), clip=clip, alpha=0.45)
    # The light comes from one place, so the glints sit on the same side of both eyes.
    for across, down, size in ((-0.3, -0.4, 0.29), (0.32, 0.48, 0.14)):
        glint = oval(x + across * side, down, size, size * look.width / look.height)
        canvas.fill(look.shape(glint, side), WHITE, clip=clip)
    t = np.linspace(0, 1, len(lid))[:, None]
    thick = (0.12 + 0.26 * np.sin(t * np.pi * 0.6)) * (0, 1)
    tip = lid[-1:] + (0.3, -0.3)
    lashes = [look.shape(np.vstack([lid, tip, (lid - thick)[::-1]]), side)]
    for index in range(look.lashes):
        root = lid[-2 - 4 * index] + (0, -0.1)
        spine = bow(root, root + (0.2, -0.02), root + (0.36 - 0.06 * index, -0.28 - 0.12 * index))
        lashes.append(look.shape(blade(spine, 0.22, 1.0, 0.1), side))
    for lash in lashes:
        canvas.fill(lash, ink)
    crease = lid[5:-6] * (0.92, 1) + (0.04, -0.56)
    canvas.stroke(look.shape(crease, side), 0.014, mix(ink, (200, 120, 110), 0.4))
    low = smooth(LOWER_LID[:4])[4:]
    canvas.stroke(look.shape(low, side), 0.024, mix(ink, (190, 110, 100), 0.25))
    return lashes


def draw_recipe(
    canvas: Canvas,
    recipe: str,
    colors: dict[str, Color],
    place: Callable[[Points], Points] = np.asarray,
) -> None:
    """Draw shapes written as `flags color: points; ...`, with the outline in the colour `ink`.

    The flags: `o` outlined, `c` curved, `m` mirrored as well, `l` a line and no area, `.` none.
    """
    for clause in recipe.split(";"):
        head, points = clause.split(":")
        flags, color = head.split()
        shape = path(points)
        if "c" in flags:
            shape = smooth(shape, closed="l" not in flags)
        for side in (1, -1) if "m" in flags else (1,):
            placed = place(flip(shape, side))
            if "o" in flags:
                canvas.edge(placed, colors["ink"])
            if "l" in flags:
                canvas.stroke(placed, 0.024, colors[color], 0.4)
            else:
                canvas.fill(placed, colors[color])


def pinned(spot: Spot, size: float, angle: float = 0) -> Callable[[Points], Points]:
    """Return a function that sizes, turns and moves a shape to a spot."""
    turn = size * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return lambda shape: np.asarray(shape @ turn + np.array(spot))
