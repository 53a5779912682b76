"""The colours of a PNG in sRGB, where a cICP chunk or gAMA and cHRM say that they are others.

W3C PNG, third edition: what counts most is cICP (section 11.3.2.6, by ITU-T H.273), then an ICC
profile (see `images.formats.profiles`), then sRGB, then gAMA and cHRM.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from anime_pipeline.images.colour import linear_to_srgb, srgb_to_linear
from anime_pipeline.images.formats.png import PngHeader

Curve = Callable[[np.ndarray], np.ndarray]

D65, C, EQUAL, DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
SRGB_PRIMARIES = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
# H.273, table 2: x and y of white, red, green and blue.
PRIMARIES: dict[int, tuple[float, ...]] = {
    1: SRGB_PRIMARIES,
    4: (*C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    10: (*EQUAL, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (*DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
# Lam, "Metamerism and colour constancy", 1985: the usual way from one white to another.
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
# What counts as the same: libpng takes colours for sRGB's up to about these.
SAME_PRIMARIES, SAME_GAMMA = 0.002, 0.02
# ITU-R BT.2408: the white of a page lies at 203 cd/m2. What is brighter is clipped.
WHITE_NITS, PQ_NITS, HLG_NITS, HLG_OOTF = 203.0, 10_000.0, 1000.0, 0.2
LUMINANCE = np.array([0.2627, 0.678, 0.0593], np.float32)  # of BT.2100 colours
BAND_PX = 2**18  # converted to floats at once


@dataclass(frozen=True)
class ColourSpace:
    """How numbers become linear sRGB.

    Attributes:
        curve: Samples from 0 to 1 to linear light, 1 for white.
        matrix: Linear colours to linear sRGB, [3, 3]; None where they are the same.
        scene: Whether light is the scene's, which a screen makes steeper (HLG).
    """

    curve: Curve
    matrix: np.ndarray | None
    scene: bool = False


def colour_space(header: PngHeader) -> ColourSpace | None:
    """Return what the chunks of a PNG say, None for sRGB and where a profile says it."""
    if header.cicp and (found := _from_cicp(header.cicp, header.depth)):
        return _unless_srgb(found)
    if header.profiled or header.srgb:
        return None
    curve: Curve = srgb_to_linear
    if header.gamma and abs(header.gamma * 2.2 - 1) > SAME_GAMMA:
        curve = _power(1 / header.gamma)
    matrix = _matrix(header.chromaticities) if header.chromaticities else None
    return _unless_srgb(ColourSpace(curve, matrix))


def coded_space(primaries: int, transfer: int) -> ColourSpace | None:
    """Return what an AVIF file's code points mean (ITU-T H.273), None for sRGB and unknown ones.

    Those of television cameras are shown as sRGB's by all browsers, so they are here.
    """
    if transfer in CAMERAS:
        transfer = SRGB
    return _unless_srgb(_from_cicp((primaries, transfer, 0, 1), 8))


def _unless_srgb(space: ColourSpace | None) -> ColourSpace | None:
    plain = space and space.curve is srgb_to_linear and space.matrix is None
    return None if plain else space


def overrides_profile(header: PngHeader) -> bool:
    """Tell whether a cICP chunk that is understood stands above an ICC profile."""
    return header.cicp is not None and _from_cicp(header.cicp, header.depth) is not None


def rgb_to_srgb(rgb: np.ndarray, space: ColourSpace) -> np.ndarray:
    """Convert colours.

    Args:
        rgb: uint8 or uint16 [H, W, 3], the whole range of the type.
        space: What they mean.

    Returns:
        uint8 [H, W, 3], clipped where sRGB ends.
    """
    most = np.iinfo(rgb.dtype).max
    table = space.curve(np.arange(most + 1) / most).astype(np.float32)
    result = np.empty(rgb.shape, np.uint8)
    for rows in _bands(rgb.shape):
        linear = table[rgb[rows]]
        if space.scene:
            linear = linear * (linear @ LUMINANCE)[..., None] ** HLG_OOTF
            linear *= HLG_NITS / WHITE_NITS
        if space.matrix is not None:
            linear = linear @ space.matrix.T.astype(np.float32)
        result[rows] = linear_to_srgb(linear)
    return result


def grey_curve(space: ColourSpace | None, levels: int) -> np.ndarray:
    """Return sRGB uint8 for each of so many levels of grey; primaries do not matter to it."""
    samples = np.arange(levels) / (levels - 1)
    if space is None:
        return np.rint(samples * 255).astype(np.uint8)
    linear = space.curve(samples)
    if space.scene:
        linear = linear ** (1 + HLG_OOTF) * (HLG_NITS / WHITE_NITS)
    return linear_to_srgb(linear)


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(1, BAND_PX // max(1, shape[1]))
    for top in range(0, shape[0], rows):
        yield slice(top, top + rows)


def _from_cicp(cicp: tuple[int, int, int, int], depth: int) -> ColourSpace | None:
    """Return what code points mean; None for unknown ones, and for YCbCr, which no PNG can be."""
    primaries, transfer, coefficients, full_range = cicp
    curve = TRANSFERS.get(transfer)
    if primaries not in PRIMARIES or curve is None or coefficients or full_range > 1:
        return None
    if not full_range:
        curve = _narrow(curve, depth)
    return ColourSpace(curve, _matrix(PRIMARIES[primaries]), scene=transfer == HLG)


def _matrix(numbers: tuple[float, ...]) -> np.ndarray | None:
    """Return the way to linear sRGB; None where there is none to go, or the numbers make no sense.

    Args:
        numbers: x and y of white, red, green and blue.
    """
    if np.abs(np.subtract(numbers, SRGB_PRIMARIES)).max() <= SAME_PRIMARIES:
        return None
    try:
        with np.errstate(all="ignore"):  # whatever comes of senseless numbers is looked at below
            source, white = _to_xyz(numbers)
            target, d65 = _to_xyz(SRGB_PRIMARIES)
            adapted = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ d65) / (BRADFORD @ white))
            matrix = np.linalg.inv(target) @ adapted @ BRADFORD @ source
    except np.linalg.LinAlgError:
        return None
    return matrix if np.isfinite(matrix).all() else None


def _to_xyz(numbers: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix from linear colours to XYZ, and the white's XYZ (SMPTE RP 177)."""
    # x + y + z = 1. Corners need no scale, which is as well: code point 10 has two without any y.
    white, *corners = (np.array([x, y, 1 - x - y]) for x, y in np.reshape(numbers, (4, 2)))
    white = white / white[1]
    columns = np.stack(corners, axis=1)
    return columns * np.linalg.solve(columns, white), white


def _power(exponent: float) -> Curve:
    return lambda value: value**exponent


def _bt709(value: np.ndarray) -> np.ndarray:
    return np.where(value >= 0.081243, ((value + 0.099297) / 1.099297) ** (1 / 0.45), value / 4.5)


def _smpte240(value: np.ndarray) -> np.ndarray:
    return np.where(value >= 0.0913, ((value + 0.1115) / 1.1115) ** (1 / 0.45), value / 4)


def _pq(value: np.ndarray) -> np.ndarray:
    root = value ** (1 / 78.84375)
    linear = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578)
    return linear * (PQ_NITS / WHITE_NITS)


def _hlg(value: np.ndarray) -> np.ndarray:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(value > 0.5, (np.exp((value - c) / a) + b) / 12, value**2 / 3)


def _logarithmic(decades: float) -> Curve:
    return lambda value: np.where(value > 0, 10 ** (decades * (value - 1)), 0)


def _narrow(curve: Curve, depth: int) -> Curve:
    """Return a curve for samples of which black is 16 and white 235, in steps of 8 bits."""
    step = 2.0 ** (depth - 8) / (2**depth - 1)
    return lambda value: curve(np.clip((value / step - 16) / 219, 0, 1))


# H.273, table 3. The curves of cameras are undone as they are written there.
HLG, SRGB = 18, 13
CAMERAS = (1, 6, 14, 15)
TRANSFERS: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _bt709),
    4: _power(2.2),
    5: _power(2.8),
    7: _smpte240,
    8: _power(1.0),
    9: _logarithmic(2.0),
    10: _logarithmic(2.5),
    SRGB: srgb_to_linear,
    16: _pq,
    17: lambda value: value**2.6 * (52.37 / 48),
    HLG: _hlg,
}
