"""Which pictures `upscale` enlarges, where each result goes, and which are done already."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anime_pipeline.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from anime_pipeline.images.files import Skipped
    from anime_pipeline.inference.target import Target

RESULT_KEYS = {"source", "weights-srgan", "scale"}


@dataclass(frozen=True)
class Request:
    """What is asked of every picture of a call.

    Attributes:
        kind: ``"auto"`` (PNG, and animations as they were), or a format of `images.save`.
        scale: The size asked for, in words, as results record it.
        settings: Everything else that changes pixels, in words.
        weights_sha256: Of the upscaler.
    """

    kind: str
    scale: str
    settings: str
    weights_sha256: str

    def text(self, content: bytes) -> dict[str, str]:
        """Return what a result records: by it the very same request is known again."""
        source = hashlib.sha256(content).hexdigest()
        text = {"source": source, "weights-srgan": self.weights_sha256, "scale": self.scale}
        return text | {"settings": self.settings or "plain"}


@dataclass(frozen=True)
class Job:
    """One picture to enlarge, where the result goes, and in which format."""

    source: Path
    target: Path
    kind: str
    animated: bool = False


def plan(paths: tuple[Path, ...], out: Path, wanted: str, skipped: list[Skipped]) -> list[Job]:
    """Pair each picture with its target; sub-folders are kept.

    Raises:
        UsageError: If two pictures would share a target, or a result would replace an input.
    """
    from anime_pipeline.images.files import NOT_A_PICTURE, Skipped, walk

    jobs: dict[Path, Job] = {}
    # os.path's, for pathlib's raises where links lead in a circle.
    results = Path(os.path.realpath(out))
    for path in paths:
        if not path.exists():
            skipped.append(Skipped(str(path), "no such file or folder"))
            continue
        base = path if path.is_dir() else path.parent
        passed_over: list[Skipped] = []
        found = list(walk(path, passed_over))
        if path.is_dir():
            # Results of an earlier call are no input, where they lie below the folder given.
            found = [f for f in found if not _is_result(f, results)]
        # Other files in a folder are no failures; a named file is tried whatever it is.
        named = [item for item in passed_over if item.reason != NOT_A_PICTURE]
        skipped += named
        if not found and (path.is_dir() or not named):
            skipped.append(Skipped(str(path), "no pictures in it"))
        # Of a.jpg and a.png the PNG keeps its name, whichever of them came first into the folder.
        for source in sorted(found, key=lambda file: file.suffix.lower() != ".png"):
            job = _job(source, out / source.relative_to(base), wanted, jobs)
            if job.target in jobs and _same(jobs[job.target].source, source):
                continue  # named twice
            if job.target in jobs:
                raise UsageError(
                    f"{jobs[job.target].source} and {source} would both be written to "
                    f"{job.target}. Upscale them into different folders with --out."
                )
            jobs[job.target] = job
    _refuse_inputs_as_targets(jobs)
    return sorted(jobs.values(), key=lambda job: job.source)


def _same(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _refuse_inputs_as_targets(jobs: dict[Path, Job]) -> None:
    inputs = {os.path.realpath(job.source) for job in jobs.values()}
    for job in jobs.values():
        if os.path.realpath(job.target) in inputs:
            raise UsageError(
                f"The result of {job.source} would be written over the input {job.target}. Choose "
                "another --out."
            )


def _job(source: Path, inside: Path, wanted: str, jobs: dict[Path, Job]) -> Job:
    from anime_pipeline.images.frames import animated_kind
    from anime_pipeline.images.save import SUFFIXES

    moving = animated_kind(source)
    kind = wanted if wanted != "auto" else moving or "png"
    target = inside.with_suffix(SUFFIXES[kind])
    if target in jobs and jobs[target].source.name != source.name:
        target = inside.with_name(f"{source.name}{SUFFIXES[kind]}")  # a.jpg beside a.png
    return Job(source, target, kind, moving is not None)


def _is_result(path: Path, results: Path) -> bool:
    from anime_pipeline.images.marks import picture_text

    return (
        Path(os.path.realpath(path)).is_relative_to(results)
        and picture_text(path).keys() >= RESULT_KEYS
    )


def remaining(jobs: list[Job], request: Request) -> list[Job]:
    """Return the jobs that are not done yet, refusing to replace other pictures.

    Raises:
        UsageError: If a target holds anything but an earlier result of the same request.
    """
    from anime_pipeline.images.marks import refuse_other_picture

    open_jobs = []
    for job in jobs:
        if not os.path.lexists(job.target):
            open_jobs.append(job)
            continue
        try:
            wanted = request.text(job.source.read_bytes())
        except OSError:
            open_jobs.append(job)  # named when it is its turn
            continue
        refuse_other_picture(job.target, wanted, "pass --overwrite")
    return open_jobs


def measure(jobs: list[Job], target: Target) -> tuple[list[int], int]:
    """Return each job's pixels and the results' uncompressed bytes, by the files' headers."""
    from PIL import Image, UnidentifiedImageError

    from anime_pipeline.images.codec import MAX_PIXELS

    pixels, needed = [], 0
    for job in jobs:
        try:
            with Image.open(job.source) as picture:
                frames = getattr(picture, "n_frames", 1) if job.animated else 1
                count = picture.width * picture.height * frames
                width, height = target.size(picture.width, picture.height)
        except (OSError, ValueError, SyntaxError, DataError, UnidentifiedImageError):
            pixels.append(1)  # named when it is its turn
            continue
        pixels.append(count if count <= MAX_PIXELS else 1)  # larger ones will be refused
        needed += width * height * frames * 3 if count <= MAX_PIXELS else 0
    return pixels, needed
