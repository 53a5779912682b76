"""Training pictures and networks as a few files that travel to a machine with a GPU.

A pack is a folder: `networks/` (VGG16 and AlexNet as they are), `faces32.npz` (sheets of lossless
WebP, and what is known of each face), `whole.npz` (some of the same faces at the size of their
files), `faces128-0.npz` … (JPEG), and `pack.json` with every file's sha256. The test side of the
pictures is in none of them. Reading gives uint8 arrays.
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
from anime_pipeline.core.randomness import stream
from anime_pipeline.core.storage import atomic_write, atomic_write_json, sha256_of
from anime_pipeline.data import conditions
from anime_pipeline.data.opening import open_store
from anime_pipeline.data.store import Store, split_store
from anime_pipeline.images.codec import decode, fit_square
from anime_pipeline.models.assets import LPIPS_FILES, VGG_FILE, find_asset

MANIFEST = "pack.json"
NETWORKS = "networks"
FACES = "faces32.npz"
LARGE = "faces128-{}.npz"
SIDES = ("train", "val")
PER_ROW = 100  # faces of a sheet; WebP ends at 16,383 px
WHOLE = "whole.npz"
MOST_WHOLE = 6000  # real faces that drawn ones are compared with: 35 MB at 96 px
PART_BYTES = 36e6
NPZ_ENTRY_BYTES = 400
LARGEST_PX = 160
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Faces:
    """One side's pictures, uint8 [N, S, S, 3], and what they show, float32 [N, K]."""

    images: np.ndarray
    condition: np.ndarray


def pack(folder: Path, small: Sequence[Path], large: Sequence[Path]) -> dict[str, Any]:
    """Write a pack and return its manifest.

    Args:
        folder: Made if it is not there.
        small: Folders of faces for stage one, and for stage two to finish what it draws.
        large: Folders of faces for stage two; those with a side below 128 px are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"networks": _pack_networks(folder / NETWORKS)}
    if small:
        facts["faces32"] = _pack_small(folder / FACES, _open(small, DcganConfig().image_size))
        facts["whole"] = _pack_whole(folder / WHOLE, _open(small, 32), MOST_WHOLE)
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
    rows = np.concatenate([split.train, split.val])
    sides = [SIDES[place >= len(split.train)] for place in range(len(rows))]
    content = {
        f"{side}/{place:06d}": np.frombuffer(_native(store.records[row].path), np.uint8)
        for place, (row, side) in enumerate(zip(rows, sides, strict=True))
    }
    hashes: dict[str, str] = {}
    while content:
        part, size = {}, 0
        while content and size < PART_BYTES:
            name = next(iter(content))
            part[name] = content.pop(name)
            size += part[name].size + NPZ_ENTRY_BYTES
        path = folder / LARGE.format(len(hashes))
        _savez(path, part)
        hashes[path.name] = sha256_of(path)
    return {"sha256": hashes} | {s: len(getattr(split, s)) for s in (*SIDES, "test")}


def _native(path: Path) -> bytes:
    """Return a picture as JPEG, as it is where it is a small square already."""
    content = path.read_bytes()
    image = decode(content, str(path))
    side = min(*image.shape[:2], LARGEST_PX)
    if image.shape == (side, side, 3) and path.suffix.lower() in (".jpg", ".jpeg"):
        return content
    square = fit_square(image, side, "crop")[..., ::-1]
    full_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return bytes(cv2.imencode(".jpg", square, quality + full_colour)[1])


def _pack_whole(path: Path, store: Store, most: int) -> dict[str, Any]:
    """Write up to `most` faces of the training side at the size that they have."""
    names = conditions.resolve(AUTO, store.records)
    rows = np.sort(stream(0, "pack").permutation(split_store(store).train)[:most])
    known = conditions.of_records(
        conditions.parse_names(names), [store.records[row] for row in rows]
    )
    content = {
        f"{place:06d}": np.frombuffer(_native(store.records[row].path), np.uint8)
        for place, row in enumerate(rows)
    }
    _savez(path, {**content, "condition": known.astype(np.float16)})
    return {"sha256": {path.name: sha256_of(path)}, "condition": names, "train": len(rows)}


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


def read_large(folder: Path, size: int = 128) -> dict[str, np.ndarray]:
    """Read stage two's faces by side, uint8 [N, size, size, 3].

    Training sees each whole and, of one that has more pixels, a window in its own pixels too: more
    to learn from, and lines as thin as they were drawn.
    """
    facts = read_manifest(folder)["faces128"]
    sides: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
    for file in sorted(facts["sha256"]):
        with np.load(_checked(folder, file, facts), allow_pickle=False) as arrays:
            for name in sorted(arrays):
                side, number = name.split("/")
                square = decode(arrays[name].tobytes(), name)
                sides[side].append(fit_square(square, size, "crop"))
                spare = len(square) - size
                if side == "train" and spare > 0:
                    top, left = stream(0, "window", int(number)).integers(0, spare + 1, 2)
                    sides[side].append(square[top : top + size, left : left + size])
    return {side: np.stack(pictures) for side, pictures in sides.items()}


def read_whole(folder: Path) -> Faces:
    """Read the real faces that drawn ones are to look like, uint8 [N, P, P, 3]."""
    facts = read_manifest(folder)["whole"]
    with np.load(_checked(folder, WHOLE, facts), allow_pickle=False) as arrays:
        squares = [decode(arrays[n].tobytes(), n) for n in sorted(arrays) if n != "condition"]
        side = int(np.median([len(square) for square in squares]))
        images = np.stack([fit_square(square, side, "crop") for square in squares])
        return Faces(images, arrays["condition"].astype(np.float32))


def _checked(folder: Path, name: str, facts: dict[str, Any]) -> Path:
    path, wanted = folder / name, facts["sha256"][name]
    if not path.is_file() or sha256_of(path) != wanted:
        raise DataError(f"{path} is missing or damaged. Expected sha256 {wanted}.")
    return path
