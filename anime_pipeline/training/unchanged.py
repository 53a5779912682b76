"""What must be as it was when a run is resumed: its pictures and the labels it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.config import SrganConfig
from anime_pipeline.core.errors import DataError
from anime_pipeline.data.store import Store
from anime_pipeline.training import run_data
from anime_pipeline.training.session import Run


def same_pictures(
    run: Run[Any], store: Store, roots: Sequence[Path], warn: Callable[[str], None]
) -> Store:
    """Return the pictures in the run's order; refuse to resume on others.

    Args:
        run: The run to resume.
        store: The pictures that are there now.
        roots: Folders that they were opened from.
        warn: Told which pictures have other names now.

    Raises:
        DataError: If the pictures differ from those the run was started on; says in what.
    """
    if run_data.pictures_fingerprint(store) == run.data_fingerprint:
        return store
    recorded = run_data.read_pictures(run.folder)
    if recorded:
        store = run_data.in_order_of(recorded, store, roots, warn)
        if run_data.pictures_fingerprint(store) == run.data_fingerprint:
            return store
    changes = "another content, number or order, which follows from their names"
    if recorded and np.array_equal(recorded.hashes, store.hashes):
        changes = "this version divides them differently into training and held-out ones"
    elif recorded:
        changes = run_data.picture_changes(recorded, store, roots)
    raise DataError(
        f"The pictures are not those that {run.folder} was started on (from "
        f"{', '.join(run.data)}): {changes}. It cannot be continued exactly. Restore them, name "
        f"their new place with --data, or {_start_from(run)}"
    )


def check_same_labels(
    run: Run[Any], store: Store, train: np.ndarray, roots: Sequence[Path]
) -> None:
    """Refuse to resume with other labels than the run was started with.

    Args:
        run: The run to resume.
        store: Its pictures in its order, with the labels that are there now.
        train: The store's rows on the training side.
        roots: Folders that they were opened from.

    Raises:
        DataError: If labels that it uses were edited, added or removed; says how many.
    """
    condition = str(getattr(run.config, "condition", ""))  # stage two has none
    if not condition:
        return
    now = run_data.pictures_of(store, train, condition, roots)
    if run.labels_fingerprint is None and now.labels.any():
        return  # begun before 0.6: nobody knows which labels there were
    if run.labels_fingerprint == run_data.labels_fingerprint(now):
        return
    recorded = run_data.read_pictures(run.folder)
    changes = "all without labels now"
    if now.labels.any():
        changes = run_data.label_changes(recorded, now) if recorded else "others than then"
    raise DataError(
        f"The labels of the training pictures ({condition}) are not those that {run.folder} was "
        f"started with: {changes}. It cannot be continued exactly. Restore color.csv or the other "
        f"tables in {', '.join(run.data)} (anime-pipeline inspect tells what is read), or "
        f"{_start_from(run)}"
    )


def _start_from(run: Run[Any]) -> str:
    stage = "train-srgan" if isinstance(run.config, SrganConfig) else "train-dcgan"
    return f"start a new run from its weights: anime-pipeline {stage} --init {run.folder}."
