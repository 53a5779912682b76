"""Whether faces show the hair and skin that they were asked to show, measured on the pictures.

The measuring instrument (`data.estimate`) has nothing to do with any network here. It is noisy, so
each figure stands between two others: the ceiling, the same measure on real faces against their own
table, and the floor, requests shuffled among the faces. All differences are CIEDE2000.
"""

from collections.abc import Sequence

import numpy as np

from anime_pipeline.core.randomness import stream
from anime_pipeline.data.estimate import estimate_colors
from anime_pipeline.images.colour import delta_e, rgb_to_lab
from anime_pipeline.metrics.diversity import mean_pair_distance
from anime_pipeline.metrics.memorisation import THUMBNAIL_PX

ALIKE = 1.5  # CIEDE2000 between table entries that count as the same skin
MOST_PAIRS = 2000


def measure(images: np.ndarray, part: str) -> np.ndarray:
    """Return the measured Lab colours float32 [N, 3] of a part (`hair` or `skin`) of faces."""
    return rgb_to_lab(np.array([getattr(estimate_colors(image), part) for image in images]))


def agreement(
    shown: np.ndarray, asked: np.ndarray, real_shown: np.ndarray, real_table: np.ndarray
) -> tuple[float, float, float]:
    """Compare what generated faces show with what was asked for.

    Args:
        shown: Measured Lab [N, 3] of generated faces.
        asked: Requested Lab [N, 3].
        real_shown: Measured Lab [M, 3] of real faces.
        real_table: Their table's Lab [M, 3].

    Returns:
        Mean CIEDE2000 of generated faces against what they were asked for, then what it lies
        between: the ceiling, of real faces against their own table, for no generator can be
        measured better; and the floor, of generated faces against requests made for others.
    """
    shuffled = asked[stream(0, "shuffled requests").permutation(len(asked))]
    pairs = ((shown, asked), (real_shown, real_table), (shown, shuffled))
    asked_for, ceiling, floor = (float(delta_e(*pair).mean()) for pair in pairs)
    return asked_for, ceiling, floor


def leakage(shown: np.ndarray) -> float:
    """Return how much a part changes when another is asked for: mean CIEDE2000 over pairs.

    Args:
        shown: Measured Lab [faces, variants, 3], the variants differing in the other part alone.
    """
    first, second = np.triu_indices(shown.shape[1], k=1)
    return float(delta_e(shown[:, first], shown[:, second]).mean())


def measuring_noise(shown: np.ndarray, table: np.ndarray) -> float:
    """Return the mean CIEDE2000 between measures of real faces whose tables agree.

    Args:
        shown: Measured Lab [N, 3].
        table: The tables' Lab [N, 3].

    Returns:
        The mean over up to 2,000 such pairs; NaN if there are none.
    """
    order = stream(0, "pairs of like faces").permutation(len(table))
    # Of neighbours by lightness many agree, of random pairs few.
    order = order[np.argsort(table[order, 0], kind="stable")]
    first, second = order[:-1], order[1:]
    alike = delta_e(table[first], table[second]) < ALIKE
    first, second = first[alike][:MOST_PAIRS], second[alike][:MOST_PAIRS]
    return float(delta_e(shown[first], shown[second]).mean()) if len(first) else float("nan")


def diversity_within(groups: Sequence[np.ndarray], real: np.ndarray) -> float:
    """Return how varied faces of one condition are: mean distance over that of real faces.

    Args:
        groups: uint8 [N, S, S, 3] each, the faces of one condition.
        real: uint8 [M, S, S, 3], of any.

    Returns:
        1 if faces that were asked to show the same are as varied as all real faces together. Colour
        is part of the distance, so a good generator stays below 1.
    """
    within = [mean_pair_distance(group, THUMBNAIL_PX) for group in groups]
    return float(np.mean(within)) / mean_pair_distance(real, THUMBNAIL_PX)
