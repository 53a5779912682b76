"""`anime-pipeline interpolate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli.common import (
    FiniteRange,
    UserPath,
    json_option,
    parse_seeds,
    print_json,
    stderr,
)
from anime_pipeline.cli.face_options import (
    OPTIONS,
    colour_option,
    read_attributes,
    truncation_option,
    weights_options,
    word_option,
)
from anime_pipeline.cli.loading import load_pipeline, stage_bars
from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.words import WORDS
from anime_pipeline.inference.spec import FaceSpec

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".gif", ".mp4", ".png")
MAGNIFY = 4
SHEET_COLUMNS = 12


@click.command("interpolate")
@click.option("--seeds", required=True, help="Faces to pass, such as 3,17,42.")
@colour_option("hair", "A colour for all of them, or one each, with commas between.")
@colour_option("skin", "Likewise.")
@word_option("eyes", f"Likewise, of {', '.join(WORDS['eyes'])}.")
@word_option("length", "Likewise, long or short.")
@truncation_option
@click.option("--frames", type=click.IntRange(1, 1000), default=24, show_default=True,
              help="Frames from one face to the next.")  # fmt: skip
@click.option("--loop/--no-loop", default=True, show_default=True, help="Return to the first.")
@click.option("--fps", type=FiniteRange(min=1, max=60), default=12.0, show_default=True)
@click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces.")
@weights_options
@click.option(
    "--out",
    type=UserPath(),
    default="outputs/interpolation.gif",
    show_default=True,
    help="Ends in .gif, .mp4, or .png for a sheet of all frames.",
)
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@json_option
def command(
    seeds: str,
    frames: int,
    loop: bool,
    fps: float,
    out: Path,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Travel from face to face, or with one seed from colour to colour.

    Latents move on the sphere, colours in Lab. With one seed and several colours only the colours
    travel: interpolate --seeds 7 --hair pink,blue,silver --eyes blue,red,blue
    """
    if out.suffix not in SUFFIXES:
        raise UsageError(
            f"Invalid value for --out: {out}. Expected a name that ends in {', '.join(SUFFIXES)}."
        )
    stops = parse_seeds(seeds, None)
    wanted = {name: _split(options[name]) for name in OPTIONS if options[name]}
    count = max([len(stops), *(len(texts) for texts in wanted.values())])
    if count < 2:
        raise UsageError(f"Expected at least two faces to travel between. Received: {seeds}")
    counts = {"--seeds": len(stops)} | {OPTIONS[name]: len(wanted[name]) for name in wanted}
    for option, given in counts.items():
        if given not in (1, count):
            raise UsageError(
                f"Expected one of {option} or as many as there are stops ({count}). "
                f"Received: {given}"
            )
    _refuse_other(out, overwrite)
    pipeline = load_pipeline(options)
    faces = [
        FaceSpec(
            _of(stops, index),
            read_attributes({name: _of(texts, index) for name, texts in wanted.items()}),
            truncation=options["truncation"],
        )
        for index in range(count)
    ]
    with stage_bars() as update:
        size = pipeline.sizes[options["upscale"]]
        pictures = pipeline.draw(*pipeline.interpolate(faces, frames, loop), size, progress=update)
    if not options["upscale"] and out.suffix != ".png":
        pictures = pictures.repeat(MAGNIFY, axis=1).repeat(MAGNIFY, axis=2)
    _refuse_other(out, overwrite)  # that has come in the meantime
    _write(out, pictures, fps, f"anime-pipeline {__version__}, seeds {seeds}")
    result: dict[str, Any] = {"out": str(out), "frames": len(pictures), "seeds": stops, **wanted}
    if as_json:
        print_json(result)
    else:
        stderr().print(f"{len(pictures)} frames in {out}", markup=False)


def _refuse_other(out: Path, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(out):
        raise UsageError(f"{out} exists. Choose another --out, or pass --overwrite.")


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _of(values: list[Any], index: int) -> Any:
    return values[index] if len(values) > 1 else values[0]


def _write(out: Path, pictures: np.ndarray, fps: float, made_by: str) -> None:
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.writing.grid import make_grid
    from anime_pipeline.images.writing.save import write_gif, write_mp4

    if out.suffix == ".gif":
        write_gif(out, pictures, fps, made_by)
    elif out.suffix == ".mp4":
        write_mp4(out, pictures, fps)
    else:
        magnify = 3 if pictures.shape[1] <= 32 else 1
        write_png(out, make_grid(pictures, SHEET_COLUMNS, magnify), {"Software": made_by})
