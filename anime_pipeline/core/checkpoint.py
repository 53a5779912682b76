"""Checkpoints: the whole training state as arrays, hashed, the last few kept.

`state-<step>.npz` is written first and `state-<step>.json` with its sha256 second: a checkpoint
without a matching JSON never counts. Reading falls back to the previous one and says so.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, check_finite, open_arrays
from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, read_regular
from anime_pipeline.core.storage import atomic_write, atomic_write_json, refuse_link, sha256_of

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
        PipelineError: If the state holds values that are no finite numbers, or the folder is a
            link; nothing is written.
    """
    refuse_link(folder)
    path = folder / f"state-{step:08d}.npz"
    arrays = flatten(state)
    check_finite(arrays)
    # savez stores uncompressed: float noise hardly compresses and saving should be quick.
    atomic_write(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
    atomic_write_json(path.with_suffix(".json"), {"step": step, "sha256": sha256_of(path)})
    kept = steps_in(folder)[-keep:]
    # Not only the pairs: a kill between the last two lines leaves an array file alone.
    for old in {own for name in os.listdir(folder) if (own := _own_step(name)) is not None}:
        array, record = _pair(folder, old)
        if old not in kept and not record.with_suffix(".damaged").exists():
            # The JSON goes first: an array file alone is ignored, a JSON alone would look corrupt.
            for file in (record, array):
                if file.is_file() and not file.is_symlink():  # a link or a folder is not ours
                    file.unlink()
    return path


def _pair(folder: Path, step: int) -> tuple[Path, Path]:
    stem = f"state-{step:08d}"
    return folder / f"{stem}.npz", folder / f"{stem}.json"


def _own_step(name: str, kinds: str = "npz|json") -> int | None:
    """Return the step of a file that `save` names so, to the letter; anything else is not ours."""
    match = re.fullmatch(rf"state-([0-9]{{8,18}})\.(?:{kinds})", name)
    return int(match[1]) if match and match[1] == f"{int(match[1]):08d}" else None


def steps_in(folder: Path) -> list[int]:
    """Return the step numbers of committed checkpoints, ascending."""
    if not folder.is_dir():
        return []
    steps = (_own_step(name, "json") for name in os.listdir(folder))
    return sorted(step for step in steps if step is not None)


def load_latest(
    folder: Path, warn: Callable[[str], None], template: Any = None
) -> tuple[int, dict[str, np.ndarray]]:
    """Read the newest whole checkpoint.

    Args:
        folder: The run's checkpoint folder.
        warn: Told about each damaged checkpoint that is passed over.
        template: A state of the run's form: a file of another one is refused by its headers.

    Returns:
        (step, arrays by flat path; see `rebuild`).

    Raises:
        CheckpointError: If there is none, none is whole, or it is of another form.
        UsageError: If the folder is a link: damaged ones in it are renamed.
    """
    refuse_link(folder)
    steps = steps_in(folder)
    damaged: list[Path] = []
    wanted = None if template is None else flatten(template)
    for step in reversed(steps):
        path, _ = _pair(folder, step)
        try:
            loaded = step, _load(path, wanted)
        except _DamagedError as error:
            older = "Using the previous checkpoint." if step != steps[0] else "It was the last one."
            warn(f"{error} {older}")
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


def load_branch(folder: Path, branch: str) -> dict[str, np.ndarray]:
    """Read one player's arrays, by variable path, from the newest whole checkpoint.

    Nothing in the folder is changed; what is damaged is passed over, and of nothing whole there is
    nothing.
    """
    lead = f"{branch}{SEPARATOR}"  # such as "discriminator|params|down1/kernel"
    for step in reversed(steps_in(folder)):
        with suppress(_DamagedError):
            arrays = _load(_pair(folder, step)[0], None, lead)
            return {name.split(SEPARATOR, 2)[-1]: array for name, array in arrays.items()}
    return {}


class _DamagedError(Exception):
    """A checkpoint that is not whole; the one before it may be."""


def _load(
    path: Path, wanted: dict[str, np.ndarray] | None, lead: str = ""
) -> dict[str, np.ndarray]:
    try:
        record = read_regular(path.with_suffix(".json"), MAX_DOCUMENT_BYTES, follow=False)
        expected = json.loads(record)["sha256"]
        # Stored as they are, so none takes more than its file, and that is no larger than the form.
        with open_arrays(path, compressed=False) as arrays:
            if wanted is not None:
                _check_matches(arrays.headers, wanted)
            if sha256_of(path) != expected:
                raise _DamagedError(f"{path} is damaged. Expected sha256 {expected}.")
            return dict(arrays.read_each(n for n in arrays.headers if n.startswith(lead)))
    except UNREADABLE as error:
        raise _DamagedError(
            f"{path} cannot be read ({error}). Expected a whole checkpoint."
        ) from None


def _check_matches(have: Mapping[str, Any], want: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays that are missing, unknown or of another shape, naming the first."""
    wrong = sorted(set(have) ^ set(want))
    wrong += sorted(k for k in set(have) & set(want) if have[k].shape != want[k].shape)
    if wrong:
        raise CheckpointError(
            f"The checkpoint belongs to another architecture: {len(wrong)} arrays differ, first "
            f"{', '.join(wrong[:3])}. Resume it with the version that made it, or start a new run."
        )
