"""What a run is trained on, recorded so that a resumed one can say truly what has changed.

A run is continued exactly only on the same pictures in the same order with the same labels. Order
follows from file names, so pictures that were only renamed are put back into the run's order.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, open_arrays
from anime_pipeline.core.config import SrganConfig
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.progress import Say
from anime_pipeline.core.storage import atomic_write
from anime_pipeline.data import nearby, splits
from anime_pipeline.data.conditions import label_hashes, parse_names
from anime_pipeline.data.duplicates import cached_groups
from anime_pipeline.data.sources.places import Root, below, named, without_facts
from anime_pipeline.data.store import Store
from anime_pipeline.images.rows import Rows

if TYPE_CHECKING:
    from anime_pipeline.training.session import Run

PICTURES_FILE = "pictures.npz"


@dataclass(frozen=True)
class RunPictures:
    """The pictures of a run, in its order.

    Attributes:
        names: Paths below the folder of faces.
        hashes: uint64 [N], of their content, see `data.store`.
        labels: uint64 [N], of their labels, see `data.conditions`; 0 where there are none, and for
            pictures that are held out, whose labels nobody trains on.
    """

    names: list[str]
    hashes: np.ndarray
    labels: np.ndarray


def condition_of(config: Any) -> str:
    """Return what a run's pictures are labelled with; stage two has no condition."""
    return str(getattr(config, "condition", ""))


def pictures_of(
    store: Store, train: np.ndarray, condition: str, roots: Sequence[Root]
) -> RunPictures:
    """Return what a run on a store would record; `condition` as in the configuration."""
    labels = np.zeros(len(store.records), np.uint64)
    labels[train] = label_hashes(parse_names(condition), store.records.take(train))
    return RunPictures(_names(store, roots), store.hashes, labels)


def _names(store: Store, roots: Sequence[Root]) -> list[str]:
    # The same for all pictures of a folder: paths are slow, and there may be millions.
    places = (without_facts(named(folder, "x")) for folder in store.records.folders)
    folders = [os.path.dirname(below(place, roots) or "") for place in places]
    return list(map(without_facts, store.records.places(folders)))


def write_pictures(folder: Path, pictures: RunPictures) -> None:
    """Write the record into a run folder."""
    names = np.frombuffer(json.dumps(pictures.names).encode(), np.uint8)
    arrays = {"names": names, "hashes": pictures.hashes, "labels": pictures.labels}
    atomic_write(folder / PICTURES_FILE, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


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
    if len(store.hashes) > nearby.BEYOND:
        # What is found to be alike may depend on what is installed, and the division with it.
        rule += hashlib.sha256(cached_groups(store.thumbnails).tobytes()).digest()
    return hashlib.sha256(store.hashes.tobytes() + rule).hexdigest()[:16]


def labels_fingerprint(pictures: RunPictures) -> str:
    """Return a short hash of the labels that are trained on; empty where there are none."""
    if not pictures.labels.any():
        return ""
    return hashlib.sha256(pictures.labels.tobytes()).hexdigest()[:16]


def same_pictures(run: Run[Any], store: Store, roots: Sequence[Root], warn: Say) -> Store:
    """Return the pictures in the run's order; refuse to resume on others.

    Args:
        run: The run to resume.
        store: The pictures that are there now.
        roots: Folders that they were opened from.
        warn: Told which pictures have other names now.

    Raises:
        DataError: If the pictures differ from those the run was started on; says in what.
    """
    wanted = run.recorded["data_fingerprint"]
    if pictures_fingerprint(store) == wanted:
        return store
    recorded = read_pictures(run.folder)
    if recorded:
        store = in_order_of(recorded, store, roots, warn)
        if pictures_fingerprint(store) == wanted:
            return store
    changes = "another content, number or order, which follows from their names"
    if recorded and np.array_equal(recorded.hashes, store.hashes):
        changes = "this version divides them differently into training and held-out ones"
    elif recorded:
        changes = picture_changes(recorded, store, roots)
    raise DataError(
        f"The pictures are not those that {run.folder} was started on (from "
        f"{', '.join(run.recorded['data'])}): {changes}. It cannot be continued exactly. Restore "
        f"them, name their new place with --data, or {_start_from(run)}"
    )


def check_same_labels(
    run: Run[Any], store: Store, train: np.ndarray, roots: Sequence[Root]
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
    condition = condition_of(run.config)
    if not condition:
        return
    now = pictures_of(store, train, condition, roots)
    wanted = run.recorded.get("labels_fingerprint")
    if wanted is None and now.labels.any():
        return  # begun before 0.6: nobody knows which labels there were
    if wanted == labels_fingerprint(now):
        return
    recorded = read_pictures(run.folder)
    changes = "all without labels now"
    if now.labels.any():
        changes = label_changes(recorded, now) if recorded else "others than then"
    raise DataError(
        f"The labels of the training pictures ({condition}) are not those that {run.folder} was "
        f"started with: {changes}. It cannot be continued exactly. Restore color.csv or the other "
        f"tables in {', '.join(run.recorded['data'])} (anime-pipeline inspect tells what is read), "
        f"or {_start_from(run)}"
    )


def _start_from(run: Run[Any]) -> str:
    stage = "train-srgan" if isinstance(run.config, SrganConfig) else "train-dcgan"
    return f"start a new run from its weights: anime-pipeline {stage} --init {run.folder}."


def in_order_of(recorded: RunPictures, store: Store, roots: Sequence[Root], warn: Say) -> Store:
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
    now = [names[row] for row in order]
    renamed = [pair for pair in zip(recorded.names, now, strict=True) if pair[0] != pair[1]]
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
        images=Rows(store.images, order),
        thumbnails=Rows(store.thumbnails, order),
        hashes=store.hashes[order],
        sizes=store.sizes[order],
        records=store.records.take(order),
    )


def _order(recorded: RunPictures, names: list[str], hashes: np.ndarray) -> np.ndarray | None:
    """Return which row now is each recorded picture; None if they are not the same ones."""
    if not np.array_equal(np.sort(recorded.hashes), np.sort(hashes)):
        return None
    now = list(zip(hashes.tolist(), names, strict=True))
    then = list(zip(recorded.hashes.tolist(), recorded.names, strict=True))
    # Of exact copies each keeps its own name's place, as labels may differ; then any other.
    rows: dict[tuple[int, str], list[int]] = {}
    for row, key in enumerate(now):
        rows.setdefault(key, []).append(row)
    order = [rows[key].pop(0) if rows.get(key) else None for key in then]
    left: dict[int, list[int]] = {}
    for (content, _), others in rows.items():
        left.setdefault(content, []).extend(others)
    for place, (content, _) in enumerate(then):
        if order[place] is None:
            order[place] = left[content].pop(0)
    return np.array(order, np.int64)


def picture_changes(recorded: RunPictures, store: Store, roots: Sequence[Root]) -> str:
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
