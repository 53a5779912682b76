"""The hair of drawn faces: its styles, where its locks lie, and how they are shaded."""

from typing import NamedTuple

import numpy as np

from anime_pipeline.sample import parts as dp
from anime_pipeline.sample.parts import Canvas, Color, Mask, Points, Tones, blade, bow, mix

Rng = np.random.Generator

# The skull from above an ear to its top, and the ends of the locks that stand out around it.
CAP = dp.path(".71 .14, .765 -.12, .725 -.43, .555 -.7, .29 -.845, 0 -.885")
CROWN = dp.path(
    "-.96 .26, -.98 -.14, -.84 -.54, -.54 -.84, -.16 -1, .22 -.98, .6 -.8, .88 -.48, .98 -.1,"
    ".94 .28"
)
# Each fringe: its lock ends, how deep the notches between them are, how full the ends are, and
# how far the locks are combed to one side.
FRINGES = {
    "blunt": ("-.53 -.02, -.37 -.05, -.2 -.06, 0 -.06, .2 -.06, .37 -.05, .53 -.02", 0.09, 0.96, 0),
    "swept": ("-.57 .2, -.47 .03, -.36 -.12, .1 -.12, .28 -.04, .44 .06, .57 .22", 0.18, 0.3, 0.1),
    "curtain": ("-.59 .3, -.51 .12, -.38 -.06, .38 -.06, .51 .12, .59 .3", 0.17, 0.35, 0),
    "lock": ("-.56 .12, -.41 -.06, -.24 -.14, .02 .14, .25 -.14, .41 -.06, .56 .12", 0.2, 0.3, 0),
    "spiky": ("-.54 .14, -.31 -.04, -.12 .02, .12 -.06, .34 .04, .54 .14", 0.24, 0.25, 0.04),
    "wispy": ("-.55 .1, -.4 -.1, -.27 .03, -.1 -.12, .04 0, .2 -.1, .35 .04, .5 .1", 0.15, 0.2, 0),
}


class BackStyle(NamedTuple):
    """A back-hair style: the hanging locks, the lengths before the ears, and what is tied up."""

    spread: float
    low: float
    curl: float = 0.0
    wave: float = 0.0
    sidelock: float = 0.8
    tails: str = ""  # tie x, tie y, how far out, how low
    extra: str = ""


BACK_STYLES = {
    "straight": BackStyle(0.66, 1.6, sidelock=1.1),
    "bob": BackStyle(0.66, 0.64, curl=0.16, sidelock=0.62),
    "flip": BackStyle(0.6, 0.84, curl=-0.4, sidelock=0.66),
    "wavy": BackStyle(0.7, 1.5, wave=0.11, sidelock=0.9),
    "twin tails": BackStyle(0.56, 0.5, tails="-.64 -.46 .36 1.2, .64 -.46 .36 1.2"),
    "low tails": BackStyle(0.58, 0.6, tails="-.56 .56 .12 1.5, .56 .56 .12 1.5", sidelock=0.5),
    "pony": BackStyle(0.54, 0.44, tails=".46 -.72 .5 .9", sidelock=0.6),
    "side tail": BackStyle(0.58, 0.56, tails=".7 -.2 .26 1.2", sidelock=0.6),
    "spiky": BackStyle(0.6, 0.5, curl=-0.15, sidelock=0.4, extra="spikes"),
    "fluffy": BackStyle(0.6, 0.4, sidelock=0.3, extra="fluffy"),
    "buns": BackStyle(0.58, 0.5, extra="buns"),
    "long buns": BackStyle(0.66, 1.6, extra="buns", sidelock=1.0),
    "ringlets": BackStyle(0.56, 0.5, extra="ringlets", sidelock=0.56),
}


def back_locks(rng: Rng, style: BackStyle) -> tuple[list[Points], Points]:
    """Lay out the hair behind the head; also return the spots where it is tied."""
    locks, t, phase = [dp.oval(0, -0.1, 0.75, 0.76)], np.linspace(0, 1, 16), rng.uniform(0, 6)
    for place in np.linspace(-1, 1, 9):
        tip = (place * style.spread * (1 - style.curl), style.low - 0.1 * abs(place))
        tip += rng.normal(0, 0.035, 2)
        spine = bow((place * 0.56, -0.5), (place * style.spread * 1.18, 0.1), tip, 16)
        spine[:, 0] += style.wave * t * np.sin(t * 13 + place * 2 + phase)
        locks.append(blade(spine, 0.32, 0.7, 0.62))
    sway, mirror = rng.choice([0.0, 0.05]), rng.choice([-1.0, 1.0])
    for x, y, out, low in dp.path(style.tails).reshape(-1, 4):
        for place in np.linspace(-1, 1, 4):
            elbow = (x + np.sign(x) * (out + 0.1 * place), y - 0.08)
            tip = (x + np.sign(x) * (out * 0.65 + 0.15 * place), low + rng.normal(0, 0.08))
            spine = bow((x, y), elbow, tip, 16)
            spine[:, 0] += sway * t * np.sin(t * 11 + place)
            locks.append(dp.flip(blade(spine, 0.24, 0.3, 0.45), mirror))
    if style.extra == "buns":
        locks += [dp.oval(side * 0.55, -0.76, 0.23, 0.22) for side in (-1, 1)]
    return locks, dp.path(style.tails).reshape(-1, 4)[:, :2] * (mirror, 1)


def _fringe(rng: Rng, kind: str) -> tuple[Points, Points]:
    """Lay out the hairline, left to right; also return the notches between its locks."""
    text, deep, full, comb = FRINGES[kind]
    mirror = rng.choice([-1.0, 1.0])
    tips = dp.flip(dp.path(text), mirror)
    tips = tips[np.argsort(tips[:, 0])]
    tips += rng.normal(0, (0.016, 0.006 if kind == "blunt" else 0.028), tips.shape)
    depth = deep * (np.diff(tips[:, 0]) / 0.2).clip(0.5) ** 0.75
    depth *= rng.uniform(0.55, 1.15, len(depth))
    across = (tips[:-1, 0] + tips[1:, 0]) / 2 - comb * mirror
    notches = np.stack([across, np.minimum(tips[:-1, 1], tips[1:, 1]) - depth], axis=1)
    ends = np.vstack([(-0.66, 0.18), notches, (0.66, 0.18)])
    line = []
    for tip, left, right in zip(tips, ends[:-1], ends[1:], strict=True):
        lean = np.clip((tip[0] - (left[0] + right[0]) / 2) / (right[0] - left[0]), -1, 1)
        for side, notch in ((-1, left), (1, right)):
            # A combed lock bulges on the side it leans away from and is hollow on the other.
            tilt = 0.3 * side * lean
            reach = np.array([0.5 - 0.45 * full + tilt, 0.5 + 0.45 * full - tilt])
            line.append(bow(notch, notch + (tip - notch) * reach, tip, 7)[::-side])
    return np.vstack(line), notches


def front_locks(rng: Rng, style: BackStyle, kind: str) -> tuple[list[Points], Points]:
    """Lay out the cap with its fringe and the locks before the ears; also return the notches."""
    line, notches = _fringe(rng, kind)
    arc = dp.smooth(np.vstack([dp.flip(CAP), CAP[-2::-1]]))
    locks = [np.vstack([arc, line[::-1]])]
    thick, tuck = rng.choice([0.1, 0.15, 0.19]), rng.random() < 0.2
    inner = 0.16 if tuck else style.sidelock
    for side in (-1, 1):
        for start, out, end, low, width in (
            (0.63, 0.74, 0.63, style.sidelock * 0.94, 0.2),
            (0.58, 0.64, 0.53, inner, thick),
        ):
            tip = (side * (end + rng.normal(0, 0.02)), low + rng.normal(0, 0.04))
            locks.append(blade(bow((side * start, -0.4), (side * out, 0.15), tip, 14), width, 0.8))
    lean = rng.choice([-0.14, 0.14])
    for x, y in CROWN * 0.86 if style.extra == "fluffy" else ():
        locks.append(dp.oval(x, y, rng.uniform(0.16, 0.22), rng.uniform(0.15, 0.2)))
    for x, y in CROWN if style.extra == "spikes" else ():
        tip = (x * 1.06 + lean * (1.1 - abs(x)), y * 1.08 + 0.1 * x**4) + rng.normal(0, 0.04, 2)
        root, elbow = (x * 0.45, y * 0.4 - 0.06), (x * 0.78 - lean * 0.4, y * 0.78 - 0.12)
        locks.append(blade(bow(root, elbow, tip), 0.36, 0.9, 0.2))
    if rng.random() < 0.25:
        wisp = blade(bow((0, -0.8), (-0.08, -1.28), (0.3, -0.99)), 0.075, 0.8)
        locks.append(dp.flip(wisp, rng.choice([-1.0, 1.0])))
    return locks, notches


def _lay(canvas: Canvas, locks: list[Points], ink: Color, top: Color, low: Color) -> Mask:
    for lock in locks:
        canvas.edge(lock, ink, 0.026)
    mask = canvas.mask(locks)
    canvas.pour(mask, top, low)
    return mask


def draw_back(canvas: Canvas, locks: list[Points], hair: Tones) -> None:
    """Draw the hair behind the head."""
    top, low = mix(hair.base, hair.shade, 0.45), mix(hair.base, hair.shade, 0.95)
    _lay(canvas, locks, hair.ink, top, low)
    for lock in locks:
        if len(lock) == 32:  # a hanging lock, not the skull or a bun
            canvas.stroke(lock[4:15], 0.016, mix(hair.shade, hair.ink, 0.5))


def draw_ringlets(canvas: Canvas, hair: Tones) -> None:
    """Draw the coils that hang beside the face."""
    for step in range(6, -1, -1):
        for side in (-1, 1):
            place = dp.pinned((side * (0.76 + 0.012 * step), 0.1 + 0.16 * step), 1, side * 0.3)
            coil = place(dp.oval(0, 0, 0.18 - 0.013 * step, 0.125))
            canvas.edge(coil, hair.ink)
            canvas.fill(coil, hair.base, hair.shade)
            shine = place(dp.oval(-0.05 * side, -0.02, 0.04, 0.03))
            canvas.fill(shine, mix(hair.base, hair.light, 0.8))


def _sheen(canvas: Canvas, rng: Rng, mask: Mask, color: Color) -> None:
    level, split = rng.uniform(0.6, 0.68), rng.uniform(-0.5, 0.5)
    for start, end in ((-1.05, split - 0.05), (split + 0.05, 1.05)):
        t = np.linspace(0, 1, 2 * max(3, round((end - start) * 5)) + 1)
        angle, odd = start + (end - start) * t, np.arange(len(t)) % 2
        depth = np.sin(np.pi * t) ** 0.6 * np.where(odd, rng.uniform(0.07, 0.17, len(t)), 0.03)
        radius = np.concatenate([level + 0.012 * odd, (level - depth)[::-1]])
        turn = np.concatenate([angle, angle[::-1]])
        ring = np.stack([np.sin(turn) * radius, 0.1 - np.cos(turn) * radius], axis=1)
        canvas.fill(ring, color, clip=mask, alpha=0.8)


def draw_front(canvas: Canvas, rng: Rng, hair: Tones, locks: list[Points], notches: Points) -> None:
    """Draw the cap, the fringe and the locks before the ears, with their strands and sheen."""
    low = mix(hair.base, hair.shade, 0.3)
    mask = _lay(canvas, locks, hair.ink, mix(hair.base, hair.light, 0.15), low)
    part = float(np.mean(notches[:, 0])) * 0.6
    for x in np.linspace(-0.66, 0.66, 9) + rng.normal(0, 0.03, 9):
        spine = bow((part + 0.12 * x, -0.82), (x, -0.76), (x * 1.08, rng.uniform(-0.4, -0.1)))
        canvas.stroke(spine, 0.02, mix(hair.base, hair.shade, 0.8))
    spines = [
        bow((x, y), (x * 1.04, y - 0.25), (part * 0.3 + x * 0.7, max(y - 0.4, -0.74)))
        for x, y in notches
    ]
    for spine in spines:
        canvas.stroke(spine + (0.014, 0), 0.07, mix(hair.base, hair.shade, 0.75), 0.25)
    _sheen(canvas, rng, mask, hair.light)
    lines = [border for lock in locks[1:5] for border in (lock[13:3:-1], lock[14:-3])]
    for line in spines + lines:
        canvas.stroke(line, 0.017, hair.ink, 0.9)
