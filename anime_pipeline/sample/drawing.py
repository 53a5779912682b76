"""Anime-style face drawings made by code, a small world of portraits that needs no download."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from anime_pipeline.sample import hair as dh
from anime_pipeline.sample import parts as dp
from anime_pipeline.sample.parts import Canvas, Color, Mask, Points, Tones, blade, bow, mix

Rng = np.random.Generator
Redraw = Callable[[], None]

HAIR_COLORS = (
    "34303e 423432 6e4a36 9e6c46 c89058 f0ce80 fae2a8 d4d8e4 f8a8be ec789e 5c84dc 7cbaf0 46c0c4 "
    "3aa096 6ebe78 a0cc74 9470cc c2a4e6 c63e44 e2603c f09044"
).split()
SKIN_COLORS = (
    "fff0e4 fff0e4 fff0e4 ffe8d8 ffe8d8 ffe8d8 ffe8d8 fde0c8 fde0c8 f6d2b4 f6d2b4 "
    "e4b690 c69270 a2704e 825640"
).split()
BACK_COLORS = "9cc8f4 f8b4c4 f8dc94 a8dcb8 c4b0ec f4bc98 9cdce0 e8e4ec d4e8a0 f0a0a8".split()
EYE_COLORS = "4678dc 3cacdc 28aa96 48ac54 d09a2c a8663a cc3e4a dc5c98 8c5cd4 74769a".split()
CLOTH_COLORS = "f6f4f2 34406e 2c2c3a d8505c f0a0b4 86b4e0 8cc8a8 f0cc74 8a6cb4 b4bcc8".split()

FACE = dp.path("0 -.72, .42 -.6, .575 -.2, .58 .1, .535 .32, .39 .525, .19 .665, .055 .715")
# Each mood: the mouths it may have, how far the inner end of the brow sinks, how wide eyes open.
MOODS = {
    "happy": ("open smile open cat", -0.02, 1.0),
    "calm": ("smile neutral smile", 0.0, 0.94),
    "worried": ("neutral oh wavy", -0.06, 0.97),
    "cross": ("pout neutral wavy", 0.06, 0.86),
    "bold": ("fang smile open", 0.045, 0.95),
    "surprised": ("oh open", -0.03, 1.06),
    "sleepy": ("neutral cat smile", -0.01, 0.68),
}

# Drawings in the small language of `draw_recipe`.
MOUTHS = {
    "open": "oc mouth: -.14 -.035, 0 -.015, .14 -.035, .1 .07, 0 .125, -.1 .07; c tongue: -.07 .09,"
    "0 .05, .07 .09, 0 .118; . white: -.1 -.018, 0 -.006, .1 -.018, .08 .014, -.08 .014",
    "fang": "oc mouth: -.14 -.035, 0 -.015, .14 -.035, .09 .06, 0 .1, -.09 .06; c tongue: -.06 .07,"
    "0 .035, .06 .07, 0 .095; . white: .04 -.014, .1 -.022, .07 .045",
    "oh": "oc mouth: 0 -.03, .05 .02, 0 .07, -.05 .02; c tongue: 0 .03, .03 .045, 0 .06, -.03 .045",
    "smile": "cl ink: -.13 -.03, -.07 .015, 0 .03, .07 .015, .13 -.03",
    "neutral": "cl ink: -.06 .005, 0 -.002, .06 .005",
    "pout": "cl ink: -.085 .03, -.03 -.008, .03 -.008, .085 .03",
    "cat": "cl ink: -.14 -.03, -.1 .02, -.05 .02, 0 -.025, .05 .02, .1 .02, .14 -.03",
    "wavy": "cl ink: -.1 .015, -.05 -.01, 0 .012, .05 -.01, .1 .012",
}
CLOSED_EYE = "cl ink: -.95 .45, -.55 0, 0 -.15, .6 .05, 1.05 .55; cl ink: -.7 .17, 0 -.09, 1.25 .2"
EARS = "ocm base: .55 .02, .65 -.03, .69 .1, .64 .28, .55 .34; cm shade: .6 .04, .65 .1, .61 .24"
NECK = (
    "o base: -.15 .4, .15 .4, .16 .84, .6 1, .6 1.9, -.6 1.9, -.6 1, -.16 .84;"
    ". shade: -.15 .4, .15 .4, .155 .8, .06 .86, -.155 .78"
)
TORSO = (
    "o base: 0 1.04, .2 .87, .38 .93, .82 1.05, 1.05 1.25, 1.2 1.9, -1.2 1.9, -1.05 1.25,"
    "-.82 1.05, -.38 .93, -.2 .87; lm shade: .62 1.05, .6 1.2, .55 1.5;"
)
RIBBON = (
    "om shade: 0 0, .75 1, .5 1, .32 1.2; ocm base: 0 0, .6 -.55, 1.05 -.5, 1 .1, 1.05 .55, .6 .5;"
    "lm ink: .15 -.02, .4 -.1, .7 -.2; oc base: 0 -.28, .26 0, 0 .28, -.26 0"
)
COLLARS = {
    "tee": TORSO + "cl trim: -.22 .88, -.1 1, 0 1.05, .1 1, .22 .88",
    "sailor": TORSO + "om trim: .16 .8, .32 .88, .56 1.02, .34 1.4, 0 1.26, .01 1.16;"
    "lm white: .47 1.02, .3 1.3, .02 1.2",
    "shirt": TORSO + "om white: .15 .78, .24 .87, .29 1.04, .18 1.1, 0 .96",
    "turtle": TORSO + "oc base: -.19 .76, 0 .8, .19 .76, .23 .96, 0 1.01, -.23 .96",
    "wrap": TORSO + "o trim: -.15 .78, -.28 .85, -.1 1.2, .3 1.7, .5 1.7, .02 1.1;"
    "o trim: .15 .78, .28 .85, .1 1.2, -.3 1.7, -.5 1.7, -.02 1.1",
}
ACCESSORIES = {
    "ribbon": RIBBON,
    "flower": "ocm base: .05 -.1, .3 -.8, .95 -.55, .5 0; ocm base: .05 0, .8 0, .75 .8, .1 .5;"
    "oc base: 0 0, -.4 -.75, 0 -1, .4 -.75; oc light: 0 -.3, .3 0, 0 .3, -.3 0",
    "pins": "o base: -.9 -.5, .9 -.3, .9 -.05, -.9 -.25; o base: -.9 .1, .9 .3, .9 .55, -.9 .35",
    "star": "o base: 0 -1, .28 -.35, .95 -.3, .42 .14, .6 .8, 0 .42, -.6 .8, -.42 .14, -.95 -.3,"
    "-.28 -.35",
}
HEADBAND = (
    "oc base: -.75 -.28, -.73 -.4, -.5 -.68, 0 -.81, .5 -.68, .73 -.4, .75 -.28, .7 -.3, .48 -.58,"
    "0 -.69, -.48 -.58, -.7 -.3; cl light: -.6 -.53, -.35 -.71, .05 -.77"
)
CAT_EARS = (
    "ocm base: .2 -.72, .26 -.86, .46 -1.06, .63 -1.15, .66 -1.15, .73 -1, .76 -.76, .7 -.4;"
    "cm pink: .32 -.8, .46 -.96, .61 -1.07, .63 -1.06, .67 -.92, .68 -.74, .5 -.7"
)


@dataclass(frozen=True)
class DrawnFace:
    """One drawing, with the colours that a test or a label may want to know."""

    image: np.ndarray
    hair_rgb: tuple[int, int, int]
    skin_rgb: tuple[int, int, int]


def _pick(rng: Rng, palette: list[str], spread: float = 7.0) -> Color:
    code = bytes.fromhex(palette[int(rng.integers(len(palette)))])
    red, green, blue = (int(np.clip(c + rng.normal(0, spread), 0, 255)) for c in code)
    return red, green, blue


def _draw_background(canvas: Canvas, rng: Rng) -> None:
    top, low = (mix(_pick(rng, BACK_COLORS), dp.WHITE, rng.uniform(0, 0.6)) for _ in "ab")
    kind = rng.choice(["plain", "gradient", "bokeh", "stripes"], p=[0.15, 0.35, 0.3, 0.2])
    low = top if kind == "plain" else mix(top, low, 0.8)
    canvas.fill(dp.path("-9 -9, 9 -9, 9 9, -9 9"), top, low)
    for _ in range(12 if kind == "bokeh" else 0):
        spot = dp.oval(*rng.uniform(-1, 1, 2), *[rng.uniform(0.06, 0.3)] * 2)
        canvas.fill(spot, dp.WHITE, alpha=rng.uniform(0.2, 0.5))
    lean, step = rng.choice([-1, 0, 1]), rng.uniform(0.18, 0.34)
    for x in np.arange(-2.2, 2.2, step) if kind == "stripes" else ():
        band = np.array([(-lean, -1), (step / 2 - lean, -1), (lean + step / 2, 1), (lean, 1)])
        canvas.fill(band + (x, 0), mix(top, dp.WHITE, 0.5), mix(low, dp.WHITE, 0.5))


def _colors(tones: Tones, trim: Color = dp.WHITE) -> dict[str, Color]:
    mouth = {"mouth": (178, 64, 76), "tongue": (242, 136, 140), "pink": (250, 190, 196)}
    return {**vars(tones), **mouth, "white": (252, 252, 252), "trim": trim}


def _draw_body(canvas: Canvas, rng: Rng, skin: Tones, cloth: Tones, trim: Tones) -> None:
    collar = str(rng.choice(list(COLLARS)))
    dp.draw_recipe(canvas, NECK, _colors(skin))
    dp.draw_recipe(canvas, COLLARS[collar], _colors(cloth, trim.base))
    if collar in ("sailor", "shirt"):
        spot = (0.0, 1.2 if collar == "sailor" else 1.02)
        dp.draw_recipe(canvas, RIBBON, _colors(trim), dp.pinned(spot, 0.15))


def _draw_skin(canvas: Canvas, rng: Rng, skin: Tones, hair: Mask) -> None:
    dp.draw_recipe(canvas, EARS, _colors(skin))
    right = FACE.copy()
    right[4:, 0] *= rng.uniform(0.92, 1.05)
    shape = dp.smooth(np.vstack([right, dp.flip(right[:0:-1])]), closed=True)
    canvas.edge(shape, skin.ink)
    canvas.fill(shape, skin.base)
    drop = round(0.05 * canvas.side / 2)
    shadow = np.vstack([np.zeros_like(hair[:drop]), hair[:-drop]])
    canvas.pour(shadow & canvas.mask([shape]), skin.shade, alpha=0.85)
    blush, strength = mix(skin.base, (244, 84, 100), 0.6), rng.uniform(0.3, 0.8)
    for side in (-1, 1):
        canvas.glow(side * 0.36, 0.4, (0.17, 0.1), blush, strength)
    canvas.stroke(bow((0.0, 0.37), (0.016, 0.395), (-0.012, 0.4)), 0.02, skin.ink)


def _draw_brows(canvas: Canvas, look: dp.EyeLook, sink: float, ink: Color, alpha: float) -> None:
    y = look.y - look.height - 0.1
    spine = bow((look.x - 0.14, y + sink), (look.x, y - 0.06), (look.x + 0.17, y - sink * 0.4))
    for side in (-1, 1):
        canvas.fill(dp.flip(blade(spine, 0.034, 0.5, 0.35), side), ink, alpha=alpha)


def _draw_eyes(canvas: Canvas, rng: Rng, look: dp.EyeLook, mood: str, ink: Color) -> list[Points]:
    left, other = (_pick(rng, EYE_COLORS) for _ in "ab")
    right = other if rng.random() < 0.02 else left
    shut = {"happy": (-1, 1), "bold": (1,)}.get(mood, ()) if rng.random() < 0.2 else ()
    lashes: list[Points] = []
    for side, iris in ((-1, left), (1, right)):
        if side in shut:
            dp.draw_recipe(canvas, CLOSED_EYE, {"ink": ink}, partial(look.shape, side=side))
        else:
            lashes += dp.draw_eye(canvas, look, side, iris, ink)
    return lashes


def _draw_glasses(canvas: Canvas, look: dp.EyeLook, color: Color) -> None:
    for side in (-1, 1):
        rim = look.shape(dp.oval(0, 0.2, 1.3, 1.2), side)
        canvas.fill(rim, dp.WHITE, alpha=0.12)
        canvas.edge(rim, color, 0.026)
    inner = look.x - 1.28 * look.width
    bridge = bow((-inner, look.y), (0, look.y - 0.05), (inner, look.y))
    canvas.edge(bridge, color, closed=False)


def _draw_extras(canvas: Canvas, rng: Rng, ties: Points, trim: Tones) -> None:
    colors, size = _colors(trim), rng.uniform(0.15, 0.24)
    for x, y in ties:
        dp.draw_recipe(canvas, RIBBON, colors, dp.pinned((x, y), size, -0.3 * np.sign(x)))
    kind = str(rng.choice([*ACCESSORIES, "band", "", "", ""]))
    if kind == "band":
        dp.draw_recipe(canvas, HEADBAND, colors)
    elif kind and not len(ties):
        small, side = kind in ("pins", "star"), rng.choice([-1.0, 1.0])
        spot = (side * 0.54, -0.4 if small else -0.58)
        place = dp.pinned(spot, 0.1 if small else 0.17, side * -0.6)
        dp.draw_recipe(canvas, ACCESSORIES[kind], colors, place)


def _draw_features(canvas: Canvas, rng: Rng, hair: Tones, skin: Tones, trim: Tones) -> Redraw:
    mood = str(rng.choice([*MOODS, "happy", "happy", "calm"]))
    mouths, sink, openness = MOODS[mood]
    x, y, width, height = rng.uniform((0.275, 0.12, 0.165, 0.155), (0.3, 0.16, 0.195, 0.205))
    tilt, gaze, lash_count = rng.normal(0, 0.1), rng.normal(0, 0.05), int(rng.integers(0, 3))
    look = dp.EyeLook(x, y, width, height, tilt, openness, gaze, lash_count)
    ink = mix(hair.ink, (40, 24, 34), 0.6)
    lashes = _draw_eyes(canvas, rng, look, mood, ink)
    lips = {**_colors(skin), "ink": mix(skin.ink, (110, 20, 40), 0.4)}
    mouth = MOUTHS[str(rng.choice(mouths.split()))]
    dp.draw_recipe(canvas, mouth, lips, dp.pinned((0, 0.53), rng.uniform(0.85, 1.15)))
    brow = mix(hair.ink, hair.base, 0.25)
    _draw_brows(canvas, look, sink, brow, 1.0)
    if rng.random() < 0.09:
        _draw_glasses(canvas, look, trim.shade)

    def through_fringe() -> None:
        _draw_brows(canvas, look, sink, brow, 0.45)
        for lash in lashes:
            canvas.fill(lash, ink, alpha=0.4)

    return through_fringe


def draw_face(seed: int, size_px: int = 160) -> DrawnFace:
    """Draw the face that belongs to a seed; the same seed always gives the same face."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    # Small pictures are drawn large as well, so that lines keep their width.
    canvas = Canvas(size_px * max(3, -(-480 // size_px)))
    hair, cloth, trim = (Tones.of(_pick(rng, p)) for p in (HAIR_COLORS, CLOTH_COLORS, CLOTH_COLORS))
    skin = Tones.of_skin(_pick(rng, SKIN_COLORS, 3))
    _draw_background(canvas, rng)
    style = dh.BACK_STYLES[str(rng.choice(list(dh.BACK_STYLES)))]
    cat = rng.random() < 0.06
    size = rng.uniform(0.94, 1.12) * (0.86 if cat or style.extra or style.tails else 1.0)
    shift = (rng.normal(0, 0.03), rng.normal(0, 0.025))
    angle, turn = rng.normal(0, (0.07, 0.13)).clip(-0.3, 0.3)
    behind, ties = dh.back_locks(rng, style)
    front, notches = dh.front_locks(rng, style, str(rng.choice(list(dh.FRINGES))))
    canvas.place(angle, size, shift, turn)
    dh.draw_back(canvas, behind, hair)
    canvas.place(angle * 0.3, size, shift)
    _draw_body(canvas, rng, skin, cloth, trim)
    canvas.place(angle, size, shift, turn)
    if style.extra == "ringlets":
        dh.draw_ringlets(canvas, hair)
    _draw_skin(canvas, rng, skin, canvas.mask(front))
    through_fringe = _draw_features(canvas, rng, hair, skin, trim)
    if cat:
        dp.draw_recipe(canvas, CAT_EARS, _colors(hair))
    dh.draw_front(canvas, rng, hair, front, notches)
    # Brows and lashes stay faintly visible on top of the hair, as anime draws them.
    through_fringe()
    _draw_extras(canvas, rng, ties, trim)
    pixels = cv2.resize(canvas.pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return DrawnFace(pixels, hair.base, skin.base)
