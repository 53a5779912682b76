"""`anime-pipeline palette`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli.common import UserPath, json_option, print_json, stderr
from anime_pipeline.cli.face_options import (
    colour_option,
    read_attributes,
    truncation_option,
    weights_options,
    word_option,
)
from anime_pipeline.cli.loading import as_document, load_pipeline, refuse_other_face, stage_bars
from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.words import RANDOM, WORDS
from anime_pipeline.inference.spec import FaceSpec, as_hex

if TYPE_CHECKING:
    from anime_pipeline.images.writing.grid import Label

MAGNIFY = 3  # 32 px faces are enlarged without smoothing, so that their pixels can be judged


@click.command("palette")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True)
@colour_option("hair", "Rows: names or #rrggbb with commas between [default: all names].")
@colour_option("skin", "Columns, likewise [default: all names].")
@word_option("eyes", f"Of all of them: {', '.join(WORDS['eyes'])} [default: by the seed].")
@word_option("length", "Of all of them: long or short [default: by the seed].")
@truncation_option
@click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces.")
@weights_options
@click.option(
    "--out", type=UserPath(), default="outputs/palette.png", show_default=True, help="The sheet."
)
@click.option("--overwrite", is_flag=True, help="Replace a picture that another call has made.")
@json_option
def command(
    seed: int, hair: str | None, skin: str | None, out: Path, overwrite: bool, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Draw one seed in every hair and skin colour, as one labelled sheet."""
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.writing.grid import labelled_sheet

    if out.suffix != ".png":
        raise UsageError(f"Invalid value for --out: {out}. Expected a name that ends in .png.")
    rows, columns = _labels("hair", hair), _labels("skin", skin)
    shared, truncation = read_attributes(options), options["truncation"]
    pipeline = load_pipeline(options)
    size = pipeline.sizes[options["upscale"]]
    specs = [
        FaceSpec(seed, {"hair": row.colour, "skin": column.colour, **shared}, truncation=truncation)
        for row in rows
        for column in columns
    ]
    text = {"seed": str(seed), "truncation": f"{truncation:g}"} | pipeline.provenance(size=size)
    text |= {"hair": _texts(rows), "skin": _texts(columns)}
    text |= {name: shared.get(name, RANDOM) for name in WORDS}
    if not overwrite:
        refuse_other_face(out, text)
    with stage_bars() as update:
        pictures = pipeline(specs, size, progress=update)
    if not options["upscale"]:
        pictures = pictures.repeat(MAGNIFY, axis=1).repeat(MAGNIFY, axis=2)
    write_png(out, labelled_sheet(pictures, rows, columns), text)
    if as_json:
        print_json({"out": str(out), "faces": len(specs), **as_document(text)})
    else:
        stderr().print(f"{len(specs)} faces of seed {seed} in {out}", markup=False)


def _labels(part: Any, text: str | None) -> list[Label]:
    from anime_pipeline.images.colour_names import HAIR_COLOURS, SKIN_COLOURS, parse_colour
    from anime_pipeline.images.writing.grid import Label

    if text is None:
        named = HAIR_COLOURS if part == "hair" else SKIN_COLOURS
        return [Label(name, colour) for name, colour in named.items()]
    words = [word.strip() for word in text.split(",")]
    return [Label(word, parse_colour(word, part)) for word in words]


def _texts(labels: list[Label]) -> str:
    return ",".join(as_hex(label.colour) for label in labels)
