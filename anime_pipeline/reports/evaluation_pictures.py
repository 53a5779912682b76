"""Pictures of an evaluation: sheets of drawn and real faces, with their captions."""

import numpy as np

from anime_pipeline.core.randomness import stream
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.metrics.memorisation import Memorisation

MAGNIFY = 3
BLIND_EACH = 32
UPSCALED, UPSCALED_ROW = 16, 8
CLOSEST = 8

Picture = tuple[np.ndarray, str]  # uint8 [H, W, 3], caption


def upscaled(fake: np.ndarray, real: np.ndarray, seed: int) -> Picture:
    """Show drawn faces after stage two above real ones of that size: uint8 [N, S, S, 3]."""
    each = min(UPSCALED, len(fake), len(real)) // UPSCALED_ROW * UPSCALED_ROW
    caption = (
        f"Above: seeds {seed} to {seed + each - 1} after stage two, {fake.shape[1]} px. Below: "
        "as many real held-out faces brought to that size."
    )
    return make_grid(np.concatenate([fake[:each], real[:each]]), UPSCALED_ROW), caption


def blind(real: np.ndarray, fake: np.ndarray, seed: int) -> dict[str, Picture]:
    """Mix real and drawn faces so that a reader can try to tell them apart, and give the key."""
    each = min(BLIND_EACH, len(real), len(fake))
    both = np.concatenate([real[:each], fake[:each]])
    order = stream(seed, "blind grid").permutation(len(both))
    key = np.where((order < each)[:, None, None, None], both[order], both[order] // 6)
    return {
        "blind": (
            make_grid(both[order], 16, MAGNIFY),
            f"{each} real held-out faces and {each} drawn ones, mixed. Which are which?",
        ),
        "blind_key": (make_grid(key, 16, MAGNIFY), "The key: drawn faces are darkened."),
    }


def closest(real: np.ndarray, train: np.ndarray, fake: np.ndarray, found: Memorisation) -> Picture:
    """Show the drawn faces nearest to a training face, and held-out ones likewise.

    Args:
        real: Held-out faces uint8 [M, S, S, 3].
        train: Training faces uint8 [T, S, S, 3].
        fake: Drawn faces uint8 [N, S, S, 3].
        found: The nearest of `train`, and of `train` mirrored, to each of both.
    """
    views = [train, train[:, :, ::-1]]
    rows = []
    for images, (distances, indices, view) in ((fake, found.generated), (real, found.held_out)):
        chosen = np.argsort(distances, kind="stable")[:CLOSEST]
        rows += [images[chosen], np.stack([views[view[i]][indices[i]] for i in chosen])]
    caption = (
        f"Of all {len(fake)} drawn faces the {CLOSEST} nearest to a training face (row 1), with "
        "that face below (row 2); then the same of real held-out faces (rows 3 and 4)."
    )
    return make_grid(np.concatenate(rows), CLOSEST, MAGNIFY), caption
