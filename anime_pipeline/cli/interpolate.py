"""`anime-pipeline interpolate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli import face_options as faces
from anime_pipeline.cli.common import FiniteRange, UserPath, json_option, parse_seeds, tell
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
@faces.colour_option("hair", "A colour for all of them, or one each, with commas between.")
@faces.colour_option("skin", "Likewise.")
@faces.word_option("eyes", f"Likewise, of {', '.join(WORDS['eyes'])}.")
@faces.word_option("length", "Likewise, long or short.")
@faces.truncation_option
@click.option("--frames", type=click.IntRange(1, 1000), default=24,
              help="Frames from one face to the next.")  # fmt: skip
@click.option("--loop/--no-loop", default=True, help="Return to the first.")
@click.option("--fps", type=FiniteRange(min=1, max=60), default=12.0)
@click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces.")
@faces.weights_options
@click.option(
    "--out",
    type=UserPath(),
    default="outputs/interpolation.gif",
    help="Ends in .gif, .mp4, or .png for a sheet of all frames.",
)
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@json_option
def command(
    seeds: str, frames: int, loop: bool, fps: float, out: Path, overwrite: bool, **options: Any
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
    texts = {name: options[name].split(",") for name in faces.OPTIONS if options[name]}
    wanted = {name: [word.strip() for word in words] for name, words in texts.items()}
    count = max(map(len, (stops, *wanted.values())))
    if count < 2:
        raise UsageError(f"Expected at least two faces to travel between. Received: {seeds}")
    counts = {"--seeds": len(stops)} | {faces.OPTIONS[name]: len(wanted[name]) for name in wanted}
    for option, given in counts.items():
        if given not in (1, count):
            raise UsageError(
                f"Expected one of {option} or as many as there are stops ({count}). "
                f"Received: {given}"
            )
    _refuse_other(out, overwrite)
    pipeline = faces.load_pipeline(options)
    columns = [(each * count)[:count] for each in (stops, *wanted.values())]
    specs = [
        FaceSpec(
            seed,
            faces.read_attributes(dict(zip(wanted, texts, strict=True))),
            truncation=options["truncation"],
        )
        for seed, *texts in zip(*columns, strict=True)
    ]
    with faces.stage_bars() as update:
        size = pipeline.sizes[options["upscale"]]
        pictures = pipeline.draw(*pipeline.interpolate(specs, frames, loop), size, progress=update)
    if not options["upscale"] and out.suffix != ".png":
        pictures = pictures.repeat(MAGNIFY, axis=1).repeat(MAGNIFY, axis=2)
    _refuse_other(out, overwrite)  # that has come in the meantime
    _write(out, pictures, fps, f"anime-pipeline {__version__}, seeds {seeds}")
    result = {"out": str(out), "frames": len(pictures), "seeds": stops, **wanted}
    tell(result, f"{len(pictures)} frames in {out}")


def _refuse_other(out: Path, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(out):
        raise UsageError(f"{out} exists. Choose another --out, or pass --overwrite.")


def _write(out: Path, pictures: np.ndarray, fps: float, made_by: str) -> None:
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.writing.animation import write_gif, write_mp4
    from anime_pipeline.images.writing.grid import make_grid

    if out.suffix == ".gif":
        write_gif(out, pictures, fps, made_by)
    elif out.suffix == ".mp4":
        write_mp4(out, pictures, fps)
    else:
        magnify = 3 if pictures.shape[1] <= 32 else 1
        write_png(out, make_grid(pictures, SHEET_COLUMNS, magnify), {"Software": made_by})
