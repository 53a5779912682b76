"""Training pictures and networks as a few files that travel to a machine with a GPU.

A pack is a folder: `networks/` (VGG16 and AlexNet as they are), `faces32.npz` (sheets of lossless
WebP, and what is known of each face), `faces128-0.npz` … (JPEG), and `pack.json` with every file's
sha256. The test side of the pictures is in none of them. Reading gives uint8 arrays.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.presets import AUTO
from anime_pipeline.core.storage import atomic_write, atomic_write_json, sha256_of
from anime_pipeline.data import conditions
from anime_pipeline.data.opening import open_store
from anime_pipeline.data.store import Store, split_store
from anime_pipeline.models.assets import LPIPS_FILES, VGG_FILE, find_asset

MANIFEST = "pack.json"
NETWORKS = "networks"
FACES = "faces32.npz"
LARGE = "faces128-{}.npz"
SIDES = ("train", "val")
PER_ROW = 100  # faces of a sheet; WebP ends at 16,383 px
PER_PART = 4000  # large faces of a file: about 30 MB
JPEG_QUALITY = 93


@dataclass(frozen=True)
class Faces:
    """One side's pictures, uint8 [N, S, S, 3], and what they show, float32 [N, K]."""

    images: np.ndarray
    condition: np.ndarray


def pack(folder: Path, small: Sequence[Path], large: Sequence[Path]) -> dict[str, Any]:
    """Write a pack and return its manifest.

    Args:
        folder: Made if it is not there.
        small: Folders of faces for stage one.
        large: Folders of faces for stage two; those with a side below 128 px are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"networks": _pack_networks(folder / NETWORKS)}
    if small:
        facts["faces32"] = _pack_small(folder / FACES, _open(small, DcganConfig().image_size))
    if large:
        facts["faces128"] = _pack_large(folder, _open(large, 128, min_side=128))
    atomic_write_json(folder / MANIFEST, facts)
    return facts


def _open(roots: Sequence[Path], size: int, min_side: int = 1) -> Store:
    say = partial(print, file=sys.stderr)  # stdout is for the manifest
    return open_store(roots, size, min_side=min_side, say=say)


def _pack_networks(folder: Path) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    hashes = {}
    for name in sorted({VGG_FILE, *LPIPS_FILES.values()}):
        source = find_asset(name)
        if source is None:
            raise DataError(
                f"{name} is in no folder that $ANIME_PIPELINE_ASSETS names. Training looks through "
                "VGG16 and is judged by AlexNet: set the variable to the folder that holds both."
            )
        shutil.copyfile(source, folder / name)
        hashes[name] = sha256_of(folder / name)
    return hashes


def _pack_small(path: Path, store: Store) -> dict[str, Any]:
    names = conditions.resolve(AUTO, store.records)
    known = conditions.of_records(conditions.parse_names(names), store.records)
    split = split_store(store)
    content: dict[str, np.ndarray] = {}
    for side in SIDES:
        rows = getattr(split, side)
        content[f"{side}/condition"] = known[rows].astype(np.float16)
        for number, start in enumerate(range(0, len(rows), PER_ROW**2)):
            part = store.images[rows[start : start + PER_ROW**2]]
            content[f"{side}/sheet{number}"] = _webp(part)
    _savez(path, content)
    counts = {side: len(getattr(split, side)) for side in (*SIDES, "test")}
    return {"sha256": {path.name: sha256_of(path)}, "condition": names, **counts}


def _webp(faces: np.ndarray) -> np.ndarray:
    """Lay uint8 [N, S, S, 3] out as a sheet, `PER_ROW` to a row, and compress it."""
    size = faces.shape[1]
    rows = -(-len(faces) // PER_ROW)
    sheet = np.zeros((rows * PER_ROW, size, size, 3), np.uint8)
    sheet[: len(faces)] = faces
    sheet = sheet.reshape(rows, PER_ROW, size, size, 3).swapaxes(1, 2)
    buffer = io.BytesIO()
    picture = Image.fromarray(sheet.reshape(rows * size, PER_ROW * size, 3))
    picture.save(buffer, "webp", lossless=True, quality=60, method=4)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _unwebp(data: np.ndarray, size: int) -> np.ndarray:
    sheet = np.asarray(Image.open(io.BytesIO(data.tobytes())).convert("RGB"))
    rows = sheet.shape[0] // size
    return sheet.reshape(rows, size, PER_ROW, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)


def _pack_large(folder: Path, store: Store) -> dict[str, Any]:
    split = split_store(store)
    hashes = {}
    rows = np.concatenate([split.train, split.val])
    for number, start in enumerate(range(0, len(rows), PER_PART)):
        content = {}
        for position in range(start, min(start + PER_PART, len(rows))):
            side = SIDES[position >= len(split.train)]
            bgr = np.asarray(store.images[rows[position]])[..., ::-1]
            quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            content[f"{side}/{position:06d}"] = cv2.imencode(".jpg", bgr, quality)[1]
        path = folder / LARGE.format(number)
        _savez(path, content)
        hashes[path.name] = sha256_of(path)
    return {"sha256": hashes} | {s: len(getattr(split, s)) for s in (*SIDES, "test")}


def _savez(path: Path, content: dict[str, np.ndarray]) -> None:
    atomic_write(path, lambda file: np.savez(file, **content))  # type: ignore[arg-type]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read what a pack holds.

    Raises:
        DataError: If there is none.
    """
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(f"No pack in {folder} ({error}). Make one with --pack.") from None


def read_small(folder: Path) -> dict[str, Faces]:
    """Read stage one's faces by side."""
    facts, size = read_manifest(folder)["faces32"], DcganConfig().image_size
    with np.load(_checked(folder, FACES, facts), allow_pickle=False) as arrays:
        sides = {}
        for side in SIDES:
            names = [n for n in arrays if n.startswith(f"{side}/sheet")]
            sheets = [_unwebp(arrays[name], size) for name in names]
            images = np.concatenate(sheets)[: facts[side]]
            sides[side] = Faces(images, arrays[f"{side}/condition"].astype(np.float32))
    return sides


def read_large(folder: Path) -> dict[str, np.ndarray]:
    """Read stage two's faces by side, uint8 [N, 128, 128, 3]."""
    facts = read_manifest(folder)["faces128"]
    sides: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
    for file in sorted(facts["sha256"]):
        with np.load(_checked(folder, file, facts), allow_pickle=False) as arrays:
            for name in sorted(arrays):
                bgr = cv2.imdecode(arrays[name], cv2.IMREAD_COLOR)
                sides[name.split("/")[0]].append(bgr[..., ::-1])
    return {side: np.stack(pictures) for side, pictures in sides.items()}


def _checked(folder: Path, name: str, facts: dict[str, Any]) -> Path:
    path, wanted = folder / name, facts["sha256"][name]
    if not path.is_file() or sha256_of(path) != wanted:
        raise DataError(f"{path} is missing or damaged. Expected sha256 {wanted}.")
    return path
