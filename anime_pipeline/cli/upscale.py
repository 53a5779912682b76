"""`anime-pipeline upscale`."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anime_pipeline import __version__
from anime_pipeline.cli.common import (
    UserPath,
    json_option,
    out_option,
    print_json,
    progress_bar,
    stderr,
    waiting,
)
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.core.errors import DataError, PartialError, UsageError
from anime_pipeline.core.space import require_free
from anime_pipeline.core.storage import sha256_of

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from anime_pipeline.images.files import Skipped
    from anime_pipeline.inference.upscaler import Upscaler


@click.command("upscale")
@click.argument("paths", nargs=-1, required=True, type=UserPath())
@out_option("outputs/")
@click.option(
    "--weights",
    shell_complete=weights_names,
    default="fidelity",
    show_default=True,
    help="fidelity (closest to the truth), perceptual (crisper), a .npz file or a run folder.",
)
@click.option(
    "--scale",
    type=click.Choice(["2", "3", "4"]),
    default="4",
    show_default=True,
    help="2 and 3 reduce the 4x result by area.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are in the way.")
@json_option
def command(
    paths: tuple[Path, ...], out: Path, weights: str, scale: str, overwrite: bool, as_json: bool
) -> None:
    """Upscale pictures (files or folders): one PNG per picture, its name kept.

    A picture that cannot be read is skipped and named; the others are still written (exit 3).
    Run again, it goes on where it stopped: results of the same request are kept.
    """
    from anime_pipeline.models.weights import SRGAN_KIND
    from anime_pipeline.models.zoo import find_weights

    skipped: list[Skipped] = []
    planned = _plan(paths, out, skipped)
    path = find_weights(weights, SRGAN_KIND, prefer="fidelity")
    sha256 = sha256_of(path)
    jobs = planned if overwrite else _remaining(planned, sha256, int(scale))
    require_free(out, _needed_bytes(jobs, int(scale)), "the results")
    written = []
    if jobs:
        with waiting("Loading the model"):
            from anime_pipeline.inference.upscaler import Upscaler

            upscaler = Upscaler.load(path)
        written = _run(jobs, upscaler, int(scale), skipped)
    open_targets = {job.target for job in jobs}
    kept = [job.target for job in planned if job.target not in open_targets]
    if as_json:
        print_json(
            {
                "weights": {"file": path.name, "sha256": sha256},
                "written": [str(target) for target in written],
                "kept": [str(target) for target in kept],
                "skipped": [vars(item) for item in skipped],
            }
        )
    _finish(written, kept, out, skipped)


RESULT_KEYS = {"source", "weights-srgan", "scale"}


@dataclass(frozen=True)
class Job:
    """One picture to enlarge, and where the result goes."""

    source: Path
    target: Path


def _plan(paths: tuple[Path, ...], out: Path, skipped: list[Skipped]) -> list[Job]:
    """Pair each picture with its target, refusing to share one; sub-folders are kept."""
    from anime_pipeline.images.files import NOT_A_PICTURE, Skipped, walk

    jobs: dict[Path, Job] = {}
    results = out.absolute()
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
        skipped += [item for item in passed_over if item.reason != NOT_A_PICTURE]
        if not found:
            skipped.append(Skipped(str(path), "no pictures in it"))
        for source in found:
            inside = out / source.relative_to(base)
            target = inside.with_suffix(".png")
            if target in jobs and jobs[target].source.name != source.name:
                target = inside.with_name(f"{source.name}.png")  # a.jpg beside a.png
            if target in jobs:
                raise UsageError(
                    f"{jobs[target].source} and {source} would both be written to {target}. "
                    "Upscale them into different folders with --out."
                )
            jobs[target] = Job(source, target)
    return list(jobs.values())


def _is_result(path: Path, results: Path) -> bool:
    from anime_pipeline.images.marks import picture_text

    return path.absolute().is_relative_to(results) and picture_text(path).keys() >= RESULT_KEYS


def _text(content: bytes, weights_sha256: str, scale: int) -> dict[str, str]:
    """Return what a result's PNG records: by it the very same request is known again."""
    source = hashlib.sha256(content).hexdigest()
    return {"source": source, "weights-srgan": weights_sha256, "scale": str(scale)}


def _remaining(jobs: list[Job], weights_sha256: str, scale: int) -> list[Job]:
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
            wanted = _text(job.source.read_bytes(), weights_sha256, scale)
        except OSError:
            open_jobs.append(job)  # named when it is its turn
            continue
        refuse_other_picture(job.target, wanted, "pass --overwrite")
    return open_jobs


def _needed_bytes(jobs: list[Job], scale: int) -> int:
    """Return the results' uncompressed size, by the headers: PNG only makes them smaller."""
    from PIL import Image, UnidentifiedImageError

    from anime_pipeline.images.codec import MAX_PIXELS

    pixels = 0
    for job in jobs:
        try:
            with Image.open(job.source) as picture:
                count = picture.width * picture.height
        except (OSError, ValueError, UnidentifiedImageError):
            continue  # named when it is its turn
        pixels += count if count <= MAX_PIXELS else 0  # larger ones will be refused
    return pixels * scale**2 * 3


def _run(jobs: list[Job], upscaler: Upscaler, scale: int, skipped: list[Skipped]) -> list[Path]:
    from anime_pipeline.images.codec import open_picture, write_png
    from anime_pipeline.images.files import Skipped

    written = []
    with progress_bar("Upscaling") as update:
        for done, job in enumerate(jobs, start=1):
            try:
                content = job.source.read_bytes()
                large = _enlarge(open_picture(content), upscaler, scale)
            except OSError as error:
                skipped.append(Skipped(str(job.source), f"cannot be read ({error.strerror})"))
            except DataError as error:
                skipped.append(Skipped(str(job.source), str(error).removeprefix("image: ")))
            else:
                # A failure to write is no fault of the picture: it ends the command.
                software = {"Software": f"anime-pipeline {__version__}"}
                text = software | _text(content, upscaler.weights.sha256, scale)
                write_png(job.target, large, text)
                written.append(job.target)
            update(done, len(jobs))
    return written


def _enlarge(picture: Image.Image, upscaler: Upscaler, scale: int) -> np.ndarray:
    """Upscale colour with the network and transparency, where there is any, with Lanczos."""
    import cv2
    import numpy as np

    from anime_pipeline.images.codec import has_alpha, to_rgb

    alpha = None
    if has_alpha(picture):
        # The colours under the transparency go through the network as they are.
        rgba = np.asarray(picture.convert("RGBA"))
        rgb, alpha = np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
    else:
        rgb = to_rgb(picture)
    height, width = rgb.shape[:2]
    size = (width * scale, height * scale)
    large = upscaler.upscale(rgb)
    if scale != 4:
        large = cv2.resize(large, size, interpolation=cv2.INTER_AREA)
    if alpha is None:
        return large
    mask = cv2.resize(alpha, size, interpolation=cv2.INTER_LANCZOS4)
    return np.dstack([large, mask])


def _finish(written: list[Path], kept: list[Path], out: Path, skipped: list[Skipped]) -> None:
    console = stderr()
    total = len(written) + len(kept) + len(skipped)
    before = f" ({len(kept)} were there already)" if kept else ""
    done = len(written) + len(kept)
    console.print(f"{done} of {total} pictures upscaled into {out}{before}", markup=False)
    for item in skipped:
        console.print(f"Skipped {item.path}: {item.reason}", markup=False)
    if not done:
        raise DataError(
            f"None of {total} could be upscaled; the reasons are above. Name picture files, or "
            "folders that hold some."
        )
    if skipped:
        raise PartialError(
            f"{len(skipped)} of {total} were skipped; the reasons are above. Mend or remove them "
            "and run the command again: what is done is kept."
        )
