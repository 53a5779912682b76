"""`anime-pipeline variations`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anime_pipeline.cli import face_options as faces
from anime_pipeline.cli.common import FiniteRange, result_options, tell
from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.inference.spec import MOST_VARIATIONS, FaceSpec, in_a_line


@click.command("variations")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), required=True, help="The face to vary.")
@click.option(
    "--strength", type=FiniteRange(0, 1), default=0.3, help="0: the same face; 1: any other."
)
@click.option("-n", "--count", type=click.IntRange(1, MOST_VARIATIONS), default=15)
@faces.attribute_options
@click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces.")
@faces.weights_options
@result_options("outputs/", "pictures that another call has made")
def command(
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
