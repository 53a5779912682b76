"""`anime-pipeline project`."""

import hashlib
import os
from pathlib import Path
from typing import Any

import click

from anime_pipeline.cli import face_options as faces
from anime_pipeline.cli.common import UserPath, progress_bar, result_options, tell
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.machine import import_keras_quietly
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data.words import WORDS
from anime_pipeline.inference.spec import FaceSpec, in_a_line

LARGE = 128  # side of the pictures in the comparison


@click.command("project")
@click.argument("picture", type=UserPath(dir_okay=False))
@faces.colour_option("hair", "Then give the face other hair: a name or #rrggbb.")
@faces.colour_option("skin", "Likewise.")
@faces.word_option("eyes", f"Then give it other eyes: {', '.join(WORDS['eyes'])}.")
@faces.word_option("length", "Then let its hair be long or short.")
@click.option("--steps", type=click.IntRange(1, 10_000), default=300)
@faces.stages_options
@result_options("outputs/", "what another call has made")
def command(picture: Path, steps: int, out: Path, overwrite: bool, **options: Any) -> None:
    """Find the face nearest to a picture among all that stage one can draw.

    Writes the found face, a comparison of both, and latent and condition as JSON. The face should
    fill the picture; what is not square is cropped to its centre.
    """
    import cv2
    import numpy as np

    from anime_pipeline.data import conditions
    from anime_pipeline.images.codec import fit_square, write_png
    from anime_pipeline.images.decoding.decoder import read_rgb
    from anime_pipeline.images.writing.grid import make_grid

    asked = FaceSpec(0, faces.read_attributes(options))
    whole = read_rgb(picture)
    pipeline = faces.load_pipeline(options)
    import_keras_quietly()
    from anime_pipeline.inference.project import project

    generator, size = pipeline.generator, pipeline.sizes[options["upscale"]]
    target = fit_square(whole, generator.config.image_size, "crop")
    mark = hashlib.sha256(target.tobytes()).hexdigest()[:16]
    text = {"steps": str(steps), "target": mark} | asked.look | pipeline.provenance(size=size)
    names = [f"{picture.stem}_{what}" for what in ("found.png", "compared.png", "latent.json")]
    if not overwrite:
        _refuse_others(out, names, text)
    with progress_bar("Searching") as update:
        found = project(generator, target, steps, update)
    condition = conditions.fulfil(generator.names, found.condition[None], asked.attributes)
    face = pipeline.draw(found.latent[None], condition, size)[0]
    if not overwrite:  # minutes have gone by, in which another call may have finished
        _refuse_others(out, names, text)
    write_png(out / names[0], face, text)
    shown = cv2.resize(face, (LARGE, LARGE), interpolation=cv2.INTER_NEAREST)
    both = np.stack([fit_square(whole, LARGE, "crop"), shown])
    write_png(out / names[1], make_grid(both, 2), text)
    document: dict[str, Any] = {"picture": str(picture), "rms": found.rms}
    document |= faces.as_document(text)
    document |= {"attributes": in_a_line(asked.look), **generator.asked(condition)[0]}
    document |= {"latent": found.latent.tolist(), "condition": condition[0].tolist()}
    atomic_write_json(out / names[2], document)
    tell(document, f"{out / names[1]}: {found.rms:.0f} grey levels (RMS) from the picture")


def _refuse_others(out: Path, names: list[str], text: dict[str, str]) -> None:
    for name in names[:2]:
        faces.refuse_other_face(out / name, text)
    if os.path.lexists(out / names[2]) and not (out / names[0]).exists():
        raise UsageError(f"{out / names[2]} exists. Choose another --out or pass --overwrite.")
