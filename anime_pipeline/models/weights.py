"""Weights files: one `.npz` of plain arrays with its description inside as JSON; never a pickle.

The architecture comes from this package's code; a file only names it and its configuration.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, Arrays, check_finite, open_arrays
from anime_pipeline.core.config import Config, DcganConfig, SrganConfig, from_dict
from anime_pipeline.core.errors import CheckpointError, NotAFileError, UsageError
from anime_pipeline.core.parameters import MOST_PARAMETERS, most_parameters
from anime_pipeline.core.storage import atomic_write, sha256_of

DCGAN_KIND = "dcgan-generator"
SRGAN_KIND = "srgan-generator"

DESCRIPTION = "description.json"
CONDITION_TABLE = "condition/table"  # what the training pictures showed; no part of the network

FORMAT = 1
MOST_INFLATED = 50_000_000  # numbers from compressed members: 200 MB


@dataclass(frozen=True)
class Weights:
    """The content of a weights file.

    Attributes:
        kind: ``"dcgan-generator"`` or ``"srgan-generator"``.
        config: The training configuration, as JSON values.
        training: Facts of the run: steps, images seen and so on.
        arrays: float32 arrays by variable path.
        sha256: Hash of the file, which reports and pictures record.
        path: Where it was read from.
    """

    kind: str
    config: dict[str, Any]
    training: dict[str, Any]
    arrays: dict[str, np.ndarray]
    sha256: str
    path: Path

    def facts(self) -> dict[str, str]:
        """Return the file's name and hash, as results record them."""
        return {"file": self.path.name, "sha256": self.sha256}

    def read_config(self, kind: type[Config]) -> Config:
        """Return the configuration as an object.

        Raises:
            CheckpointError: If this version does not know it.
        """
        try:
            return from_dict(kind, self.config)
        except UsageError as error:
            raise CheckpointError(
                f"{self.path}: this version cannot build it. {error} Use the version that made it."
            ) from None


def save_weights(
    path: Path,
    arrays: dict[str, np.ndarray],
    kind: str,
    config: dict[str, Any],
    training: dict[str, Any],
    dtype: str = "float32",
) -> None:
    """Write a weights file atomically.

    Args:
        path: Target, ending in ``.npz``.
        arrays: Arrays by variable path.
        kind: What the arrays are, see `Weights`.
        config: The configuration that rebuilds the model.
        training: Facts worth knowing about the run.
        dtype: ``"float16"`` halves the file for shipping.
    """
    text = json.dumps({"format": FORMAT, "kind": kind, "config": config, "training": training})
    with np.errstate(over="ignore"):  # too large for half precision: found on the next line
        content = {name: array.astype(dtype) for name, array in arrays.items()}
    check_finite(content)
    content[DESCRIPTION] = np.frombuffer(text.encode(), np.uint8)
    # `savez_compressed` would save under a tenth: trained weights are close to noise.
    atomic_write(path, lambda file: np.savez(file, **content))  # type: ignore[arg-type]


def load_weights(path: Path, kind: str) -> Weights:
    """Read a weights file.

    Args:
        path: The file.
        kind: What it must hold, see `Weights`.

    Raises:
        CheckpointError: If it is missing, damaged, larger than its architecture, or of another kind
            or format.
    """
    if not path.exists():
        raise CheckpointError(f"No weights file at {path}. Expected a .npz made by this program.")
    try:
        with open_arrays(path) as file:
            description = file.document(DESCRIPTION)
            found, version = description["kind"], description["format"]
            config, training = description["config"], description["training"]
            # What is of another kind is not worth reading, and cannot be told to fit.
            if version == FORMAT and found == kind:
                _check_sizes(file, kind, config)
                names = [name for name in file.headers if name != DESCRIPTION]
                wide = {name: _wide(name, array) for name, array in file.read_each(names)}
        sha256 = sha256_of(path)
    except UNREADABLE as error:
        raise CheckpointError(
            f"{path} is damaged or no weights file of this program ({_reason(error)}). Expected an "
            ".npz that training exported."
        ) from None
    if version != FORMAT:
        raise CheckpointError(f"{path} has format {version}. Expected format {FORMAT}: update.")
    if found != kind:
        raise CheckpointError(f"{path} holds a {found}. Expected a {kind}.")
    return Weights(found, config, training, wide, sha256, path)


def _reason(error: BaseException) -> str:
    # Its path stands before it already.
    return str(error.strerror if isinstance(error, NotAFileError) else error)


def _check_sizes(file: Arrays, kind: str, config: dict[str, Any]) -> None:
    """Compare what the headers claim with what the architecture can need, before it is read."""
    try:
        needed = most_parameters(
            from_dict(DcganConfig, config) if kind == DCGAN_KIND else from_dict(SrganConfig, config)
        )
    except UsageError:  # of a version that knows more; whoever builds the network will say so
        needed = MOST_PARAMETERS
    # What is stored as it is costs no more than its file. What this program writes is.
    needed = min(needed, MOST_INFLATED if file.inflates else MOST_PARAMETERS)
    file.require_at_most(needed, DESCRIPTION)


def _wide(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are no finite numbers")
    return array.astype(np.float32)


def misfit(weights: Weights, wrong: list[str]) -> CheckpointError:
    """Return the error for arrays that are not those of the architecture."""
    return CheckpointError(
        f"{weights.path} does not fit the architecture that it names: {len(wrong)} arrays differ, "
        f"first {', '.join(wrong[:3])}. Use the version that made it."
    )


def assign(model: Any, weights: Weights) -> None:
    """Put the arrays into a Keras model built from the same configuration.

    Raises:
        CheckpointError: If names or shapes do not match the model.
    """
    variables = {variable.path: variable for variable in model.variables}
    wrong = sorted(set(variables) ^ (set(weights.arrays) - {CONDITION_TABLE}))
    wrong += [
        path
        for path, variable in variables.items()
        if path in weights.arrays and weights.arrays[path].shape != tuple(variable.shape)
    ]
    if wrong:
        raise misfit(weights, wrong)
    for path, variable in variables.items():
        variable.assign(weights.arrays[path])
