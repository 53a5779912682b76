"""`anime-pipeline palette`, `variations` and `interpolate`: faces about one or between some."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli import face_options as faces
from anime_pipeline.cli.common import FiniteRange, parse_seeds, result_options, tell
from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.storage import atomic_write_bytes
from anime_pipeline.data.words import RANDOM, WORDS
from anime_pipeline.images.colour_names import HAIR_COLOURS, SKIN_COLOURS, Part, Rgb, parse_colour
from anime_pipeline.inference.spec import MOST_VARIATIONS, FaceSpec, as_hex, in_a_line

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".gif", ".mp4", ".png")
SHEET_COLUMNS = 12


@click.command("palette")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0)
@faces.colour_option("hair", "Rows: names or #rrggbb with commas between [default: all names].")
@faces.colour_option("skin", "Columns, likewise [default: all names].")
@faces.word_option("eyes", f"Of all of them: {', '.join(WORDS['eyes'])} [default: by the seed].")
@faces.word_option("length", "Of all of them: long or short [default: by the seed].")
@faces.truncation_option
@faces.stages_options
@result_options("outputs/palette.png", "a picture that another call has made", "The sheet.")
def palette(
    seed: int, hair: str | None, skin: str | None, out: Path, overwrite: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Draw one seed in every hair and skin colour, as one labelled sheet."""
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.writing.grid import labelled_sheet

    if out.suffix != ".png":
        raise UsageError(f"Invalid value for --out: {out}. Expected a name that ends in .png.")
    rows, columns = _colours("hair", hair), _colours("skin", skin)
    shared, truncation = faces.read_attributes(options), options["truncation"]
    pipeline = faces.load_pipeline(options)
    size = pipeline.sizes[options["upscale"]]
    specs = [
        FaceSpec(seed, {"hair": row, "skin": column, **shared}, truncation=truncation)
        for row, column in product(rows.values(), columns.values())
    ]
    text = {"seed": str(seed), "truncation": f"{truncation:g}"} | pipeline.provenance(size=size)
    for part, colours in (("hair", rows), ("skin", columns)):
        text[part] = ",".join(map(as_hex, colours.values()))
    text |= {name: shared.get(name, RANDOM) for name in WORDS}
    if not overwrite:
        faces.refuse_other_face(out, text)
    with faces.stage_bars() as update:
        pictures = pipeline(specs, size, progress=update)
    if not options["upscale"]:
        pictures = pictures.repeat(3, axis=1).repeat(3, axis=2)
    write_png(out, labelled_sheet(pictures, rows, columns), text)
    document = {"out": str(out), "faces": len(specs), **faces.as_document(text)}
    tell(document, f"{len(specs)} faces of seed {seed} in {out}")


def _colours(part: Part, text: str | None) -> dict[str, Rgb]:
    if text is None:
        return HAIR_COLOURS if part == "hair" else SKIN_COLOURS
    return {word: parse_colour(word, part) for word in map(str.strip, text.split(","))}


@click.command("variations")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), required=True, help="The face to vary.")
@click.option(
    "--strength", type=FiniteRange(0, 1), default=0.3, help="0: the same face; 1: any other."
)
@click.option("-n", "--count", type=click.IntRange(1, MOST_VARIATIONS), default=15)
@faces.attribute_options
@faces.stages_options
@result_options("outputs/", "pictures that another call has made")
def variations(
    seed: int, strength: float, count: int, out: Path, overwrite: bool, **options: Any
) -> None:
    """Draw the neighbours of a face: one PNG each, and a sheet that begins with the face itself."""
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.writing.grid import make_grid

    face = FaceSpec(seed, faces.read_attributes(options), truncation=options["truncation"])
    pipeline = faces.load_pipeline(options)
    size = pipeline.sizes[options["upscale"]]
    specs = face.variations(count, strength)
    names = [f"variation_{seed:06d}_{index:03d}_{size}.png" for index in range(count)]
    sheet = out / f"variations_{seed:06d}_{size}.png"
    shared = pipeline.provenance(specs[0], size)
    shared.pop("variation", None)  # names tell them apart
    if not overwrite:
        for name in (*names, sheet.name):
            faces.refuse_other_face(out / name, shared)
    with faces.stage_bars() as update:
        pictures = pipeline([face, *specs], size, progress=update)
    for name, spec, picture in zip(names, specs, pictures[1:], strict=True):
        write_png(out / name, picture, pipeline.provenance(spec, size))
    write_png(sheet, make_grid(pictures, magnify=1 if options["upscale"] else 4), shared)
    said = {"seed": str(seed), "strength": f"{strength:g}"} | pipeline.provenance(size=size)
    document = {"out": str(out), "sheet": sheet.name, "faces": names, **faces.as_document(said)}
    document |= {"attributes": in_a_line(face.look)}
    tell(document, f"{count} variations of seed {seed} in {sheet}")


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
@faces.stages_options
@result_options("outputs/interpolation.gif", "what is there",
                "Ends in .gif, .mp4, or .png for a sheet of all frames.")  # fmt: skip
def interpolate(
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
    specs = []
    for seed, *words in zip(*columns, strict=True):
        look = faces.read_attributes(dict(zip(wanted, words, strict=True)))
        specs.append(FaceSpec(seed, look, truncation=options["truncation"]))
    with faces.stage_bars() as update:
        size = pipeline.sizes[options["upscale"]]
        pictures = pipeline.draw(*pipeline.interpolate(specs, frames, loop), size, progress=update)
    if not options["upscale"] and out.suffix != ".png":
        pictures = pictures.repeat(4, axis=1).repeat(4, axis=2)
    _refuse_other(out, overwrite)  # that has come in the meantime
    _write(out, pictures, fps, f"anime-pipeline {__version__}, seeds {seeds}")
    result = {"out": str(out), "frames": len(pictures), "seeds": stops, **wanted}
    tell(result, f"{len(pictures)} frames in {out}")


def _refuse_other(out: Path, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(out):
        raise UsageError(f"{out} exists. Choose another --out, or pass --overwrite.")


def _write(out: Path, pictures: np.ndarray, fps: float, made_by: str) -> None:
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.writing.grid import make_grid
    from anime_pipeline.images.writing.save import encode_gif, write_mp4

    if out.suffix == ".gif":
        atomic_write_bytes(out, encode_gif(pictures, fps, made_by))
    elif out.suffix == ".mp4":
        write_mp4(out, pictures, fps)
    else:
        magnify = 3 if pictures.shape[1] <= 32 else 1
        write_png(out, make_grid(pictures, SHEET_COLUMNS, magnify), {"Software": made_by})
