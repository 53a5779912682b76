"""`anime-pipeline project`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli.common import (
    UserPath,
    json_option,
    out_option,
    print_json,
    progress_bar,
    stderr,
)
from anime_pipeline.cli.face_options import (
    colour_option,
    read_attributes,
    weights_options,
    word_option,
)
from anime_pipeline.cli.loading import load_models
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.machine import import_keras_quietly
from anime_pipeline.data.words import WORDS
from anime_pipeline.inference.asked import asked_of_each, attribute_line

if TYPE_CHECKING:
    import numpy as np

LARGE = 128  # side of the pictures in the comparison


@click.command("project")
@click.argument("picture", type=UserPath(dir_okay=False))
@colour_option("hair", "Then give the face other hair: a name or #rrggbb.")
@colour_option("skin", "Likewise.")
@word_option("eyes", f"Then give it other eyes: {', '.join(WORDS['eyes'])}.")
@word_option("length", "Then let its hair be long or short.")
@click.option("--steps", type=click.IntRange(1, 10_000), default=300, show_default=True)
@click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces.")
@weights_options
@out_option("outputs/")
@click.option("--overwrite", is_flag=True, help="Replace what another call has made.")
@json_option
def command(
    picture: Path,
    steps: int,
    upscale: bool,
    checkpoint: str,
    upscaler: str | None,
    realism: float | None,
    out: Path,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the face nearest to a picture among all that stage one can draw.

    Writes the found face, a comparison of both, and latent and condition as JSON. The face should
    fill the picture; what is not square is cropped to its centre.
    """
    from anime_pipeline.core.storage import atomic_write_json
    from anime_pipeline.data import conditions
    from anime_pipeline.images.codec import fit_square, write_png
    from anime_pipeline.images.decoding.decoder import read_rgb
    from anime_pipeline.images.marks import refuse_other_picture

    attributes = read_attributes(options)
    whole = read_rgb(picture)
    draw, enlarge = load_models(checkpoint, upscaler, realism, upscale)
    import_keras_quietly()
    from anime_pipeline.inference.project import project

    target = fit_square(whole, draw.config.image_size, "crop")
    text = {"steps": str(steps), "weights": draw.weights.sha256}
    text |= {"attributes": attribute_line(attributes, 1.0)}
    text |= {"target": _short_hash(target)}
    text |= {"weights-srgan": enlarge.weights.sha256} if enlarge else {}
    names = [f"{picture.stem}_{what}" for what in ("found.png", "compared.png", "latent.json")]
    if not overwrite:
        for name in names[:2]:
            refuse_other_picture(out / name, text, "pass --overwrite")
        if (out / names[2]).exists() and not (out / names[0]).exists():
            raise UsageError(f"{out / names[2]} exists. Choose another --out or pass --overwrite.")
    with progress_bar("Searching") as update:
        found = project(draw, target, steps, update)
    condition = conditions.fulfil(draw.names, found.condition[None], attributes)
    face = draw.draw(found.latent[None], condition)
    if enlarge:
        face = enlarge.upscale_batch(face)
    software = {"Software": f"anime-pipeline {__version__}"}
    write_png(out / names[0], face[0], software | text)
    write_png(out / names[1], _compared(whole, face[0]), software | text)
    asked = asked_of_each(draw.names, condition)[0]
    document: dict[str, Any] = {"picture": str(picture), "rms": found.rms, **text, **asked}
    document |= {"latent": found.latent.tolist(), "condition": condition[0].tolist()}
    atomic_write_json(out / names[2], document)
    if as_json:
        print_json(document)
    else:
        stderr().print(
            f"{out / names[1]}: {found.rms:.0f} grey levels (RMS) from the picture", markup=False
        )


def _short_hash(image: np.ndarray) -> str:
    import hashlib

    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


def _compared(whole: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Return the picture and the found face side by side."""
    import cv2
    import numpy as np

    from anime_pipeline.images.codec import fit_square
    from anime_pipeline.images.writing.grid import make_grid

    shown = cv2.resize(face, (LARGE, LARGE), interpolation=cv2.INTER_NEAREST)
    return make_grid(np.stack([fit_square(whole, LARGE, "crop"), shown]), 2)
