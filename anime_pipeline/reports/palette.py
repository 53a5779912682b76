"""The hair and skin colours of a dataset as one picture: what a generator can learn to draw."""

import io
from collections.abc import Sequence

import numpy as np
from scipy.cluster.vq import kmeans2
from skimage.color import lab2rgb, rgb2lab

from anime_pipeline.data.characters import Colors

SWATCHES = 20
MOST_POINTS = 4000


def plot_palette(colors: Sequence[Colors]) -> bytes:
    """Draw hair and skin: the commonest colours by share above, every picture's below.

    Args:
        colors: One entry per picture that has a row in a `color.csv`; at least one.

    Returns:
        A PNG. Clusters are k-means in CIE Lab, where distances are about what the eye sees.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots(2, 2, height_ratios=(1, 4))
    parts = (("Hair", [c.hair for c in colors]), ("Skin", [c.skin for c in colors]))
    for column, (title, values) in enumerate(parts):
        rgb = np.array(values, np.float64) / 255
        lab = rgb2lab(rgb)
        shares, centres = clusters(lab)
        bar = axes[0, column]
        bar.barh(
            0, shares, left=np.cumsum(shares) - shares, color=lab2rgb(centres), edgecolor="white"
        )
        bar.set(xlim=(0, 1), yticks=[], xticks=[0, 0.5, 1], xticklabels=["0", "50%", "100%"])
        bar.set_title(f"{title} colours of {len(values):,} pictures", fontsize=11, loc="left")
        bar.spines[:].set_visible(False)
        cloud = axes[1, column]
        step = max(1, len(values) // MOST_POINTS)
        cloud.scatter(lab[::step, 1], lab[::step, 2], c=rgb[::step], s=9, linewidths=0)
        names = {"xlabel": "green \u2190 a* \u2192 red", "ylabel": "blue \u2190 b* \u2192 yellow"}
        cloud.set(**names, facecolor="0.78")
        cloud.set_aspect("equal", adjustable="datalim")
        cloud.grid(alpha=0.4, color="white")
        cloud.spines[:].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def clusters(lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cluster Lab colours [N, 3]: shares (largest first, summing to 1) and centres."""
    count = min(SWATCHES, len(np.unique(lab, axis=0)))
    if count == 1:
        return np.ones(1), lab[:1]
    centres, labels = kmeans2(lab, count, minit="++", rng=0)
    sizes = np.bincount(labels, minlength=count)
    order = np.argsort(-sizes, kind="stable")[: int((sizes > 0).sum())]
    return sizes[order] / len(lab), centres[order]
