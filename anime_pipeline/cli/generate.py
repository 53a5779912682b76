"""`anime-pipeline generate`."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli.common import (
    UserPath,
    json_option,
    out_option,
    parse_seeds,
    print_json,
    stderr,
)
from anime_pipeline.cli.face_options import (
    attribute_options,
    gather_attributes,
    only_known,
    weights_options,
)
from anime_pipeline.cli.loading import load_pipeline, refuse_other_face, stage_bars
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import MAX_LIST_BYTES, read_regular
from anime_pipeline.core.storage import require_free
from anime_pipeline.inference.spec import SOFTWARE, FaceSpec

if TYPE_CHECKING:
    import numpy as np

    from anime_pipeline.inference.pipeline import Pipeline

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
    if seed_text is None:
        seed_text, count = "0", count or DEFAULT_COUNT
    seeds = parse_seeds(seed_text, count)
    attributes = gather_attributes(options)
    pipeline = load_pipeline(options)
    attributes = only_known(attributes, options, pipeline.generator.names)
    specs = [FaceSpec(seed, attributes, truncation=options["truncation"]) for seed in seeds]
    condition = pipeline.condition(specs)
    job = Job(pipeline, specs, pipeline.sizes[options["upscale"]], out)
    if not overwrite:
        job.refuse_other_pictures(grid)
    require_free(out, len(specs) * job.size**2 * 3 * (2 if grid else 1), "the pictures")
    with stage_bars() as update:
        latent = pipeline.latents(specs)
        pictures = pipeline.draw(latent, condition, job.size, batch_size, update)
    result = _write(job, pictures, grid, overwrite, pipeline.generator.asked(condition))
    if as_json:
        print_json(result)
    else:
        faces = f"{len(specs)} face{'s' if len(specs) > 1 else ''}"
        stderr().print(f"{faces} of {job.size}x{job.size} px in {out}", markup=False)


@dataclass(frozen=True)
class Job:
    """One call: which faces go where."""

    pipeline: Pipeline
    specs: list[FaceSpec]
    size: int
    out: Path

    @cached_property
    def shared(self) -> dict[str, Any]:
        """What all faces have in common, as the manifest and `--json` say it."""
        weights = {stage: each.facts() for stage, each in self.pipeline.weights(self.size).items()}
        return {"size": self.size, "weights": weights, "attributes": self.specs[0].look}

    @cached_property
    def suffix(self) -> str:
        """What follows the seed in file names: size and attributes."""
        words = (f"_{name}-{value.lstrip('#')}" for name, value in self.specs[0].look.items())
        return f"{self.size}{''.join(words)}.png"

    def face(self, spec: FaceSpec) -> str:
        """Return the file name of a face."""
        return f"face_{spec.seed:06d}_{self.suffix}"

    @property
    def grid(self) -> str:
        """The grid's file name: its first seed, count and, for odd lists, their hash."""
        seeds = [spec.seed for spec in self.specs]
        consecutive = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        odd = "" if consecutive else f"-{zlib.crc32(repr(seeds).encode()):08x}"
        return f"grid_{seeds[0]:06d}_{len(seeds)}{odd}_{self.suffix}"

    def targets(self, grid: bool) -> dict[str, dict[str, str]]:
        """Return every picture to be written, by name, with its text entries."""
        provenance = self.pipeline.provenance
        named = {self.face(spec): provenance(spec, self.size) for spec in self.specs}
        if grid:
            sheet = {"grid": "seeds by its name"} | self.specs[0].look
            named[self.grid] = SOFTWARE | sheet | provenance(size=self.size)
        return named

    def refuse_other_pictures(self, grid: bool) -> None:
        """Replace only what this very call has made before: the same seed, the same weights."""
        for name, texts in self.targets(grid).items():
            refuse_other_face(self.out / name, texts)
        _read_manifest(self.out / MANIFEST)


def _write(
    job: Job, pictures: np.ndarray, grid: bool, overwrite: bool, asked: list[dict[str, str]]
) -> dict[str, Any]:
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.writing.grid import make_grid

    targets = job.targets(grid)
    faces = []
    for spec, picture, each in zip(job.specs, pictures, asked, strict=True):
        name = job.face(spec)
        write_png(job.out / name, picture, targets[name])
        faces.append({"file": name, "seed": spec.seed, **each})
    result = {"version": __version__, "out": str(job.out), **job.shared, "faces": faces}
    if grid:
        # 32 px faces are enlarged without smoothing, so that their pixels can be judged.
        result["grid"] = job.grid
        sheet = make_grid(pictures, magnify=4 if job.size <= 32 else 1)
        write_png(job.out / job.grid, sheet, targets[job.grid])
    _update_manifest(job, overwrite, faces)
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
            faces[face["file"]] = face | job.shared
        there = [faces[name] for name in sorted(faces) if (job.out / name).is_file()]
        atomic_write_json(path, {"version": __version__, "faces": there})
