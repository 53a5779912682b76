"""Checkpoints: the whole training state as arrays, hashed, the last few kept.

`state-<step>.npz` is written first and `state-<step>.json` with its sha256 second: a checkpoint
without a matching JSON never counts. Reading falls back to the previous one and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, check_finite
from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.core.storage import atomic_write, atomic_write_json, sha256_of

SEPARATOR = "|"  # Keras paths hold slashes, so levels of the tree need another mark


def flatten(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Flatten nested dictionaries of arrays to ``{"generator|params|up1/kernel": array}``."""
    if not isinstance(tree, dict):
        return {prefix: np.asarray(tree)}
    flat: dict[str, np.ndarray] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{SEPARATOR}{key}" if prefix else key)
    return flat


def rebuild(flat: dict[str, np.ndarray], template: Any, prefix: str = "") -> Any:
    """Undo `flatten`, into the shape of `template`: empty branches leave no trace in a flat form.

    Raises:
        CheckpointError: If the arrays are not those of the template.
    """
    if not prefix:
        _check_matches(flat, flatten(template))
    if not isinstance(template, dict):
        return flat[prefix]
    return {
        key: rebuild(flat, value, f"{prefix}{SEPARATOR}{key}" if prefix else key)
        for key, value in template.items()
    }


def save(folder: Path, step: int, state: Any, keep: int) -> Path:
    """Write the state after `step` steps and delete all but the newest `keep` checkpoints.

    Raises:
        PipelineError: If the state holds values that are no finite numbers; nothing is written.
    """
    path = folder / f"state-{step:08d}.npz"
    arrays = flatten(state)
    check_finite(arrays)
    # savez stores uncompressed: float noise hardly compresses and saving should be quick.
    atomic_write(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
    atomic_write_json(path.with_suffix(".json"), {"step": step, "sha256": sha256_of(path)})
    kept = {f"state-{step:08d}" for step in steps_in(folder)[-keep:]}
    # Not only the pairs: a kill between the last two lines leaves an array file alone.
    there = (found for found in folder.glob("state-*") if found.suffix in (".npz", ".json"))
    for old in {found.with_suffix(".npz") for found in there}:
        if old.stem not in kept and not old.with_suffix(".damaged").exists():
            # The JSON goes first: an array file alone is ignored, a JSON alone would look corrupt.
            old.with_suffix(".json").unlink(missing_ok=True)
            old.unlink(missing_ok=True)
    return path


def steps_in(folder: Path) -> list[int]:
    """Return the step numbers of committed checkpoints, ascending."""
    if not folder.is_dir():
        return []
    matches = (re.fullmatch(r"state-(\d+)\.json", path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in matches if match)


def load_latest(folder: Path, warn: Callable[[str], None]) -> tuple[int, dict[str, np.ndarray]]:
    """Read the newest whole checkpoint.

    Args:
        folder: The run's checkpoint folder.
        warn: Told about each damaged checkpoint that is passed over.

    Returns:
        (step, arrays by flat path; see `rebuild`).

    Raises:
        CheckpointError: If there is none, or none is whole.
    """
    steps = steps_in(folder)
    damaged: list[Path] = []
    for step in reversed(steps):
        path = folder / f"state-{step:08d}.npz"
        try:
            loaded = step, _load(path)
        except CheckpointError as error:
            warn(f"{error} Using the previous checkpoint.")
            damaged.append(path)
            continue
        for bad in damaged:
            # Set aside, or it would count among the last K.
            bad.with_suffix(".json").rename(bad.with_suffix(".damaged"))
        return loaded
    if steps:
        raise CheckpointError(
            f"All {len(steps)} checkpoints in {folder} are damaged. Start a new run, or restore "
            "the folder from a backup."
        )
    raise CheckpointError(f"No checkpoint in {folder}. Start a new run without --resume.")


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
        if sha256_of(path) != expected:
            raise CheckpointError(f"{path} is damaged. Expected sha256 {expected}.")
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except UNREADABLE as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}). Expected a whole checkpoint."
        ) from None


def _check_matches(have: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> None:
    """Refuse arrays that are missing, unknown or of another shape, naming the first."""
    wrong = sorted(set(have) ^ set(want))
    wrong += sorted(k for k in set(have) & set(want) if have[k].shape != want[k].shape)
    if wrong:
        raise CheckpointError(
            f"The checkpoint belongs to another architecture: {len(wrong)} arrays differ, first "
            f"{', '.join(wrong[:3])}. Resume it with the version that made it, or start a new run."
        )
