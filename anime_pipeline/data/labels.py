"""What is said of labels: which of them a run uses, and which a folder has and nobody can use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from anime_pipeline.data.conditions import CENTRE_AND_SPREAD, word_of
from anime_pipeline.data.dataset import Dataset, Record
from anime_pipeline.data.words import WORDS


def label_hashes(names: Sequence[str], records: Sequence[Record]) -> np.ndarray:
    """Return a hash of what each picture's labels say about `names`.

    Taken from the labels, not from the condition made of them: that one is computed in floating
    point, which another machine may round otherwise.

    Args:
        names: What a condition is on, see `data.conditions`.
        records: Pictures.

    Returns:
        uint64 [N], 0 where nothing is known.
    """
    return np.array([_label_hash(names, record) for record in records], np.uint64)


def _label_hash(names: Sequence[str], record: Record) -> int:
    known: list[object] = []
    for name in names:
        if name in CENTRE_AND_SPREAD:
            known.append(record.colors and getattr(record.colors, name))
        elif name in WORDS:
            known.append(word_of(name, record.tags))
        else:
            known.append(None if record.tags is None else name in record.tags)
    if all(value is None for value in known):
        return 0
    return int.from_bytes(hashlib.sha256(repr((names, known)).encode()).digest()[:8], "big")


def unused_labels(datasets: Sequence[Dataset]) -> str:
    """Say in one line what of the tables is not used, and which pictures have no row.

    Returns:
        Counts with an example each; empty where every row has its picture and every picture its
        row, and where there is no table at all.
    """
    absent = [path for dataset in datasets for path in dataset.rows_without_image]
    problems = [text for dataset in datasets for text in dataset.color_problems]
    bare = [str(record.path) for dataset in datasets for record in _without_row(dataset)]
    total = sum(len(dataset.records) for dataset in datasets)
    parts = [
        (problems, "{count} of the tables' entries cannot be used"),
        (absent, "{count} row(s) name no picture"),
        (bare, "{count} of {total} pictures have no row"),
    ]
    said = [
        f"{text.format(count=len(found), total=total)} (first {found[0]})"
        for found, text in parts
        if found
    ]
    return f"Labels: {'; '.join(said)}." if said else ""


def _without_row(dataset: Dataset) -> list[Record]:
    """Return the pictures without the labels that others of their dataset have."""
    labelled = [record for record in dataset.records if record.colors or record.tags is not None]
    if any(record.colors for record in labelled):
        return [record for record in dataset.records if not record.colors]
    if labelled or dataset.color_problems or dataset.rows_without_image:
        return [record for record in dataset.records if record.tags is None]
    return []
