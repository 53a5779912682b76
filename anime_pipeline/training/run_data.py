"""What a run is trained on, recorded so that a resumed one can say truly what has changed.

A run is continued exactly only on the same pictures in the same order with the same labels. Order
follows from file names, so pictures that were only renamed are put back into the run's order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, open_arrays
from anime_pipeline.core.storage import atomic_write
from anime_pipeline.data import splits
from anime_pipeline.data.conditions import parse_names
from anime_pipeline.data.labels import label_hashes
from anime_pipeline.data.store import Store

PICTURES_FILE = "pictures.npz"


@dataclass(frozen=True)
class RunPictures:
    """The pictures of a run, in its order.

    Attributes:
        names: Paths below the folder of faces.
        hashes: uint64 [N], of their content, see `data.store`.
        labels: uint64 [N], of their labels, see `data.labels`; 0 where there are none, and for
            pictures that are held out, whose labels nobody trains on.
    """

    names: list[str]
    hashes: np.ndarray
    labels: np.ndarray


def pictures_of(
    store: Store, train: np.ndarray, condition: str, roots: Iterable[Path]
) -> RunPictures:
    """Return what a run on a store would record; `condition` as in the configuration."""
    labels = np.zeros(len(store.records), np.uint64)
    labels[train] = label_hashes(parse_names(condition), [store.records[row] for row in train])
    return RunPictures(_names(store, roots), store.hashes, labels)


def _names(store: Store, roots: Iterable[Path]) -> list[str]:
    folders = list(roots)
    return [_below(record.path, folders) for record in store.records]


def _below(path: Path, roots: Sequence[Path]) -> str:
    for root in roots:
        for place in (path, path.absolute()):
            if place != root and place.is_relative_to(root):
                return str(place.relative_to(root))
    return path.name


def write_pictures(folder: Path, pictures: RunPictures) -> None:
    """Write the record into a run folder."""
    names = np.frombuffer(json.dumps(pictures.names).encode(), np.uint8)

    def write(file: IO[bytes]) -> None:
        np.savez(file, names=names, hashes=pictures.hashes, labels=pictures.labels)

    atomic_write(folder / PICTURES_FILE, write)


def read_pictures(folder: Path) -> RunPictures | None:
    """Read the record; None in runs from before there was one, and where it cannot be read."""
    try:
        with open_arrays(folder / PICTURES_FILE, compressed=False) as arrays:
            held = arrays.read("names", "hashes", "labels")
            names = json.loads(held["names"].tobytes())
            pictures = RunPictures(list(map(str, names)), held["hashes"], held["labels"])
    except UNREADABLE:
        return None
    lengths = {len(pictures.names), len(pictures.hashes), len(pictures.labels)}
    return pictures if len(lengths) == 1 else None


def pictures_fingerprint(store: Store) -> str:
    """Return a short hash of the pictures' content and order, and of how they are divided."""
    rule = f"split rule {splits.RULE_VERSION}".encode()
    return hashlib.sha256(store.hashes.tobytes() + rule).hexdigest()[:16]


def labels_fingerprint(pictures: RunPictures) -> str:
    """Return a short hash of the labels that are trained on; empty where there are none."""
    if not pictures.labels.any():
        return ""
    return hashlib.sha256(pictures.labels.tobytes()).hexdigest()[:16]


def in_order_of(
    recorded: RunPictures, store: Store, roots: Iterable[Path], warn: Callable[[str], None]
) -> Store:
    """Return a store of the same pictures in the recorded order, as it is if they are others.

    Args:
        recorded: The run's pictures.
        store: What is there now.
        roots: Folders it was opened from.
        warn: Told which pictures have other names.
    """
    names = _names(store, roots)
    order = _order(recorded, names, store.hashes)
    if order is None:
        return store
    renamed = [(old, names[row]) for old, row in zip(recorded.names, order, strict=True)]
    renamed = [(old, new) for old, new in renamed if old != new]
    if renamed:
        old, new = renamed[0]
        warn(
            f"{len(renamed)} picture(s) have other names than when the run began (first {old}, now "
            f"{new}). Their content is the same: they keep their places in the run."
        )
    if (order == np.arange(len(order))).all():
        return store
    return replace(
        store,
        images=store.images[order],
        hashes=store.hashes[order],
        sizes=store.sizes[order],
        thumbnails=store.thumbnails[order],
        records=[store.records[row] for row in order],
    )


def _order(recorded: RunPictures, names: list[str], hashes: np.ndarray) -> np.ndarray | None:
    """Return which row now is each recorded picture; None if they are not the same ones."""
    if len(names) != len(recorded.names):
        return None
    by_both: dict[tuple[int, str], list[int]] = {}
    for row, key in enumerate(zip(hashes.tolist(), names, strict=True)):
        by_both.setdefault(key, []).append(row)
    wanted = list(zip(recorded.hashes.tolist(), recorded.names, strict=True))
    # Of exact copies each keeps its own name's place, as labels may differ; then any other.
    order = [by_both[key].pop(0) if by_both.get(key) else -1 for key in wanted]
    left: dict[int, list[int]] = {}
    for (content, _), rows in by_both.items():
        left.setdefault(content, []).extend(rows)
    for place, (content, _) in enumerate(wanted):
        if order[place] < 0:
            if not left.get(content):
                return None
            order[place] = left[content].pop(0)
    return np.array(order, np.int64)


def picture_changes(recorded: RunPictures, store: Store, roots: Iterable[Path]) -> str:
    """Say how many pictures were edited, added or taken away, each with an example."""
    before = dict(zip(recorded.names, recorded.hashes.tolist(), strict=True))
    now = dict(zip(_names(store, roots), store.hashes.tolist(), strict=True))
    same, known = set(before.values()) & set(now.values()), before.keys() & now.keys()
    edited = [name for name in before if name in known and before[name] != now[name]]
    # What was only renamed is neither new nor gone.
    added = [name for name, content in now.items() if name not in known and content not in same]
    gone = [name for name, content in before.items() if name not in known and content not in same]
    parts = [(edited, "edited"), (added, "added"), (gone, "taken away or unreadable")]
    return _counted(parts) or "copies of the same pictures were added or taken away"


def label_changes(recorded: RunPictures, now: RunPictures) -> str:
    """Say how many training pictures lost their labels, got some or have others."""
    old, new = recorded.labels, now.labels
    kinds = [
        ((old != 0) & (new == 0), "without labels now"),
        ((old != 0) & (new != 0) & (old != new), "with other labels"),
        ((old == 0) & (new != 0), "with labels where there were none"),
    ]
    return _counted([([now.names[row] for row in np.flatnonzero(k)], text) for k, text in kinds])


def _counted(parts: list[tuple[list[str], str]]) -> str:
    return ", ".join(f"{len(names)} {text} (first {names[0]})" for names, text in parts if names)
