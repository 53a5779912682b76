"""`anime-pipeline generate`."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli.attributes import gather_attributes, only_known
from anime_pipeline.cli.common import (
    UserPath,
    json_option,
    out_option,
    parse_seeds,
    print_json,
    progress_bar,
    stderr,
)
from anime_pipeline.cli.face_options import OPTIONS, attribute_options, weights_options
from anime_pipeline.cli.loading import load_models
from anime_pipeline.core.config import SCALE
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import MAX_LIST_BYTES, read_regular
from anime_pipeline.core.space import require_free
from anime_pipeline.inference.asked import asked_of_each, attribute_texts

if TYPE_CHECKING:
    import numpy as np

DEFAULT_COUNT = 16
MANIFEST = "manifest.json"


@click.command("generate")
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1, 1_000_000),
    help="How many faces [default: 16, or by --seed].",
)
@click.option(
    "--seed",
    "seed_text",
    help="One seed, the first of -n seeds, or a list such as 0,5-9 [default: 0].",
)
@attribute_options
@click.option("--like", type=UserPath(), help="Take hair and skin colour from a picture.")
@click.option("--prompt", help='In words: "long silver hair, tan skin, blue eyes".')
@click.option("--with", "tags", multiple=True, help="A tag that the weights were trained on.")
@click.option("--without", "not_tags", multiple=True, help="The opposite of a tag.")
@click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces.")
@click.option("--grid", is_flag=True, help="Also write one picture of all faces.")
@weights_options
@out_option("outputs/")
@click.option("--overwrite", is_flag=True, help="Replace pictures that another call has made.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True)
@json_option
def command(
    count: int | None,
    seed_text: str | None,
    like: Path | None,
    prompt: str | None,
    tags: tuple[str, ...],
    not_tags: tuple[str, ...],
    upscale: bool,
    grid: bool,
    out: Path,
    overwrite: bool,
    batch_size: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Make faces: one PNG per seed, 32 px, or 128 px with --upscale.

    The same seed, attributes and weights always give the same face. Hair, skin and eyes are those
    of a training picture, drawn by the seed, unless others are asked for. Each PNG records how it
    was made, and manifest.json lists all faces of the folder.
    """
    seeds = (
        parse_seeds("0", count or DEFAULT_COUNT)
        if seed_text is None
        else parse_seeds(seed_text, count)
    )
    asked = {name: options[name] for name in OPTIONS}
    attributes = gather_attributes(like=like, prompt=prompt, tags=tags, not_tags=not_tags, **asked)
    wanted = (options["checkpoint"], options["upscaler"], options["realism"])
    draw, enlarge = load_models(*wanted, upscale)
    attributes = only_known(attributes, options, draw.names)
    condition = draw.condition(seeds, attributes)
    sources = {"dcgan": draw.weights} | ({"srgan": enlarge.weights} if enlarge else {})
    weights = {stage: source.facts() for stage, source in sources.items()}
    size = draw.config.image_size * (SCALE if enlarge else 1)
    job = Job(seeds, size, out, weights, attribute_texts(attributes, options["truncation"]))
    if not overwrite:
        _refuse_other_pictures(job, grid)
    require_free(out, len(seeds) * size**2 * 3 * (2 if grid else 1), "the pictures")
    with progress_bar("Drawing") as update:
        latent = draw.latents(seeds) * options["truncation"]
        pictures = draw.draw(latent, condition, batch_size, update)
    if enlarge:
        with progress_bar("Upscaling") as update:
            pictures = enlarge.upscale_batch(pictures, min(batch_size, 8), update)
    result = _write(job, pictures, grid, overwrite, asked_of_each(draw.names, condition))
    if as_json:
        print_json(result)
    else:
        faces = f"{len(seeds)} face{'s' if len(seeds) > 1 else ''}"
        stderr().print(f"{faces} of {size}x{size} px in {out}", markup=False)


@dataclass(frozen=True)
class Job:
    """One call: which faces go where, from which weights, and what they were asked to show."""

    seeds: list[int]
    size: int
    out: Path
    weights: dict[str, dict[str, str]]  # by stage: file and sha256
    attributes: dict[str, str]  # as they stand in file names and text entries

    @property
    def suffix(self) -> str:
        """Return what follows the seed in file names: size and attributes."""
        words = (f"_{name}-{value.lstrip('#')}" for name, value in self.attributes.items())
        return f"{self.size}{''.join(words)}.png"

    def face(self, seed: int) -> str:
        """Return the file name of a seed's face."""
        return f"face_{seed:06d}_{self.suffix}"

    def text(self, seed: int) -> dict[str, str]:
        """Return what a face's PNG records: by it the same face is known again."""
        text = {"seed": str(seed), **self.attributes}
        return text | {f"weights-{stage}": w["sha256"] for stage, w in self.weights.items()}

    @property
    def grid(self) -> str:
        """Return the grid's file name: its first seed, count and, for odd lists, their hash."""
        seeds = self.seeds
        consecutive = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        odd = "" if consecutive else f"-{zlib.crc32(repr(seeds).encode()):08x}"
        return f"grid_{seeds[0]:06d}_{len(seeds)}{odd}_{self.suffix}"

    def targets(self, grid: bool) -> dict[str, dict[str, str]]:
        """Return every picture to be written, by name, with its text entries."""
        named = {self.face(seed): self.text(seed) for seed in self.seeds}
        if grid:
            weights = {k: v for k, v in self.text(0).items() if k != "seed"}
            named[self.grid] = {"grid": "seeds by its name", **weights}
        return named


def _refuse_other_pictures(job: Job, grid: bool) -> None:
    """Replace only what this very call has made before: the same seed from the same weights."""
    from anime_pipeline.images.marks import refuse_other_picture

    for name, text in job.targets(grid).items():
        refuse_other_picture(job.out / name, text, "pass --overwrite")
    _read_manifest(job.out / MANIFEST)


def _write(
    job: Job,
    pictures: np.ndarray,
    grid: bool,
    overwrite: bool,
    asked: list[dict[str, str]],
) -> dict[str, Any]:
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.writing.grid import make_grid

    software = {"Software": f"anime-pipeline {__version__}"}
    for seed, picture in zip(job.seeds, pictures, strict=True):
        write_png(job.out / job.face(seed), picture, software | job.text(seed))
    result: dict[str, Any] = {
        "version": __version__,
        "out": str(job.out),
        "size": job.size,
        "weights": job.weights,
        "attributes": job.attributes,
        "faces": [
            {"file": job.face(seed), "seed": seed, **each}
            for seed, each in zip(job.seeds, asked, strict=True)
        ],
    }
    if grid:
        # 32 px faces are enlarged without smoothing, so that their pixels can be judged.
        result["grid"] = job.grid
        sheet = make_grid(pictures, magnify=4 if job.size <= 32 else 1)
        write_png(job.out / job.grid, sheet, software | job.targets(grid)[job.grid])
    _update_manifest(job, overwrite, result["faces"])
    return result


def _read_manifest(path: Path) -> dict[str, Any]:
    """Return the folder's faces by file name.

    Raises:
        UsageError: If the file is no list of faces that this command has written.
    """
    if not os.path.lexists(path):
        return {}
    try:
        document = json.loads(read_regular(path, MAX_LIST_BYTES))
        faces = {face["file"]: face for face in document["faces"]}
        ours = document.keys() == {"version", "faces"} and all(isinstance(k, str) for k in faces)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        ours = False
    if not ours:
        raise UsageError(
            f"{path} is no list of faces written by this command. Choose another --out, or pass "
            "--overwrite."
        )
    return faces


def _update_manifest(job: Job, overwrite: bool, made: list[dict[str, Any]]) -> None:
    """Add this call's faces to the folder's list of all faces."""
    from anime_pipeline.core.storage import atomic_write_json, folder_locked

    path = job.out / MANIFEST
    with folder_locked(job.out):  # two calls may write into one folder
        try:
            faces = _read_manifest(path)
        except UsageError:
            if not overwrite:
                raise
            faces = {}
        for face in made:
            shared = {"size": job.size, "attributes": job.attributes, "weights": job.weights}
            faces[face["file"]] = face | shared
        there = [faces[name] for name in sorted(faces) if (job.out / name).is_file()]
        atomic_write_json(path, {"version": __version__, "faces": there})
