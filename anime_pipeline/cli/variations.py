"""`anime-pipeline variations`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli.common import (
    FiniteRange,
    json_option,
    out_option,
    print_json,
    progress_bar,
    stderr,
)
from anime_pipeline.cli.face_options import attribute_options, read_attributes, weights_options
from anime_pipeline.cli.loading import load_models
from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.inference.asked import attribute_line


@click.command("variations")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), required=True, help="The face to vary.")
@click.option(
    "--strength",
    type=FiniteRange(0, 1),
    default=0.3,
    show_default=True,
    help="0: the same face; 1: any other.",
)
@click.option("-n", "--count", type=click.IntRange(1, 10_000), default=15, show_default=True)
@attribute_options
@click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces.")
@weights_options
@out_option("outputs/")
@click.option("--overwrite", is_flag=True, help="Replace pictures that another call has made.")
@json_option
def command(
    seed: int,
    strength: float,
    count: int,
    truncation: float,
    upscale: bool,
    checkpoint: str,
    upscaler: str | None,
    realism: float | None,
    out: Path,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw the neighbours of a face: one PNG each, and a sheet that begins with the face itself."""
    import numpy as np

    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.marks import refuse_other_picture
    from anime_pipeline.images.writing.grid import make_grid

    attributes = read_attributes(options)
    draw, enlarge = load_models(checkpoint, upscaler, realism, upscale)
    from anime_pipeline.inference.latents import variations

    latent = draw.latents([seed])[0]
    others = variations(latent, seed, range(count), strength, draw.config.latent_distribution)
    condition = draw.condition([seed] * (count + 1), attributes)  # colours stay
    size = draw.config.image_size * (4 if enlarge else 1)
    text = {"seed": str(seed), "strength": f"{strength:g}", "weights": draw.weights.sha256}
    text |= {"attributes": attribute_line(attributes, truncation)}
    text |= {"weights-srgan": enlarge.weights.sha256} if enlarge else {}
    names = [f"variation_{seed:06d}_{index:03d}_{size}.png" for index in range(count)]
    sheet = out / f"variations_{seed:06d}_{size}.png"
    if not overwrite:
        for name in (*names, sheet.name):
            refuse_other_picture(out / name, text, "pass --overwrite")
    with progress_bar("Drawing") as update:
        faces = np.concatenate([latent[None], others]) * np.float32(truncation)
        pictures = draw.draw(faces, condition, 32, update)
    if enlarge:
        with progress_bar("Upscaling") as update:
            pictures = enlarge.upscale_batch(pictures, 8, update)
    software = {"Software": f"anime-pipeline {__version__}"}
    for name, picture in zip(names, pictures[1:], strict=True):
        write_png(out / name, picture, software | text)
    write_png(sheet, make_grid(pictures, magnify=1 if enlarge else 4), software | text)
    result: dict[str, Any] = {"out": str(out), "sheet": sheet.name, "faces": names, **text}
    if as_json:
        print_json(result)
    else:
        stderr().print(f"{count} variations of seed {seed} in {sheet}", markup=False)
