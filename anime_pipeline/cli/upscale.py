"""`anime-pipeline upscale`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli.common import json_option, out_option, print_json, progress_bar, stderr
from anime_pipeline.core.errors import DataError, PartialError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from anime_pipeline.images.files import Skipped
    from anime_pipeline.inference.upscaler import Upscaler

MARK = "weights-srgan"  # PNG text entry of every result: the weights' sha256


@click.command("upscale")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("outputs/")
@click.option(
    "--weights",
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
@click.option("--overwrite", is_flag=True, help="Replace files that this command did not make.")
@json_option
def command(
    paths: tuple[Path, ...], out: Path, weights: str, scale: str, overwrite: bool, as_json: bool
) -> None:
    """Upscale pictures (files or folders): one PNG per picture, its name kept.

    A picture that cannot be read is skipped and named; the others are still written (exit 3).
    """
    from anime_pipeline.models.weights import SRGAN_KIND
    from anime_pipeline.models.zoo import find_weights

    skipped: list[Skipped] = []
    jobs = _plan(paths, out, skipped, overwrite)
    path = find_weights(weights, SRGAN_KIND, prefer="fidelity")

    from anime_pipeline.inference.upscaler import Upscaler

    upscaler = Upscaler.load(path)
    written = _run(jobs, upscaler, int(scale), skipped)
    if as_json:
        print_json(
            {
                "weights": {"file": path.name, "sha256": upscaler.weights.sha256},
                "written": [str(target) for target in written],
                "skipped": [vars(item) for item in skipped],
            }
        )
    _finish(len(jobs), written, out, skipped)


def _is_ours(path: Path) -> bool:
    """Tell whether a file is an earlier result of this command, by the text in its PNG."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return MARK in picture.info
    except (OSError, ValueError, SyntaxError):
        return False


def _plan(
    paths: tuple[Path, ...], out: Path, skipped: list[Skipped], overwrite: bool
) -> list[tuple[Path, Path]]:
    """Pair each picture with its target, refusing to share one or to overwrite other pictures.

    Inside a given folder the sub-folders are kept.
    """
    from anime_pipeline.images.files import Skipped, walk

    jobs: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            skipped.append(Skipped(str(path), "no such file or folder"))
            continue
        base = path if path.is_dir() else path.parent
        # Other files in a folder are no failures; a named file is tried whatever it is.
        found = list(walk(path, []))
        if not found:
            skipped.append(Skipped(str(path), "no pictures in it"))
        for source in found:
            target = out / source.relative_to(base).with_suffix(".png")
            if target in jobs:
                raise UsageError(
                    f"{jobs[target]} and {source} would both be written to {target}. Upscale them "
                    "into different folders with --out."
                )
            if target.exists() and not (overwrite or _is_ours(target)):
                raise UsageError(
                    f"{target} exists and is no earlier result of this command. Choose another "
                    "--out, or pass --overwrite."
                )
            jobs[target] = source
    return [(source, target) for target, source in jobs.items()]


def _run(
    jobs: list[tuple[Path, Path]], upscaler: Upscaler, scale: int, skipped: list[Skipped]
) -> list[Path]:
    from anime_pipeline.images.codec import open_picture, write_png
    from anime_pipeline.images.files import Skipped

    written = []
    with progress_bar("Upscaling") as update:
        for done, (source, target) in enumerate(jobs, start=1):
            try:
                content = source.read_bytes()
            except OSError as error:
                skipped.append(Skipped(str(source), f"cannot be read ({error.strerror})"))
                continue
            try:
                large = _enlarge(open_picture(content), upscaler, scale)
            except DataError as error:
                skipped.append(Skipped(str(source), str(error).removeprefix("image: ")))
                continue
            # A failure to write is no fault of the picture: it ends the command.
            write_png(target, large, {MARK: upscaler.weights.sha256})
            written.append(target)
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


def _finish(planned: int, written: list[Path], out: Path, skipped: list[Skipped]) -> Any:
    console = stderr()
    console.print(f"{len(written)} of {planned} pictures upscaled into {out}", markup=False)
    for item in skipped:
        console.print(f"Skipped {item.path}: {item.reason}", markup=False)
    if not written:
        raise DataError("No picture could be upscaled; the reasons are above.")
    if skipped:
        raise PartialError(f"{len(skipped)} file(s) were skipped; the reasons are above.")
