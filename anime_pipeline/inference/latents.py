"""Moving through the space of latents: between faces, and a little around one."""

from collections.abc import Sequence

import numpy as np

from anime_pipeline.core.randomness import latent_batch


def slerp(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate on the sphere (White, "Sampling generative networks", 2016).

    A straight line would pass near the origin, where no latent of training lies.

    Args:
        first: float32 [D].
        second: float32 [D].
        share: float [T], 0 gives `first` and 1 `second`.

    Returns:
        float32 [T, D]; lengths go evenly from one end's to the other's.
    """
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    t = np.asarray(share, np.float64)[:, None]
    if not min(lengths):
        return (first + t * (second - first)).astype(np.float32)
    one, other = first / lengths[0], second / lengths[1]
    angle = np.arccos(np.clip(np.dot(one, other), -1, 1))
    if np.sin(angle) < 1e-6:  # parallel: any great circle would do, or none is needed
        direction = one + t * (other - one)
    else:
        direction = (np.sin((1 - t) * angle) * one + np.sin(t * angle) * other) / np.sin(angle)
    return (direction * (lengths[0] + t * (lengths[1] - lengths[0]))).astype(np.float32)


def walk(keys: Sequence[np.ndarray], frames: int, loop: bool, spherical: bool) -> np.ndarray:
    """Go from key to key, each leg eased at its ends so that the keys can be seen.

    Args:
        keys: At least two arrays [D].
        frames: Frames of each leg; its last key belongs to the next leg.
        loop: Whether to return to the first key; else the last key ends the walk.
        spherical: For latents; conditions go straight.

    Returns:
        float32 [legs * frames (+ 1), D].
    """
    ends = [*keys[1:], keys[0]] if loop else list(keys[1:])
    t = np.arange(frames) / frames
    eased = t * t * (3 - 2 * t)
    go = slerp if spherical else lambda first, second, t: first + t[:, None] * (second - first)
    legs = [go(first, second, eased) for first, second in zip(keys, ends, strict=False)]
    if not loop:
        legs.append(keys[-1][None])
    return np.concatenate(legs).astype(np.float32)


def neighbour(
    latent: np.ndarray, seed: int, index: int, strength: float, distribution: str
) -> np.ndarray:
    """Return a neighbour of a latent: ``sqrt(1 - s^2) z + s n``, of its mean and variance.

    Args:
        latent: float32 [D].
        seed: With the index it decides the noise.
        index: Which neighbour.
        strength: s, 0 (the same face) to 1 (any other).
        distribution: The latents', see `core.randomness.latents`.

    Returns:
        float32 [D].
    """
    noise = latent_batch(seed, "variation", index, latent.shape, distribution)
    moved = np.sqrt(1 - strength**2) * latent + strength * noise
    return np.asarray(moved, np.float32)
