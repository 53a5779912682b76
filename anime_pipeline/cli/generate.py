"""`anime-pipeline generate`."""

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli import face_options as faces
from anime_pipeline.cli.common import (
    UserPath,
    parse_seeds,
    progress_bar,
    result_options,
    tell,
)
from anime_pipeline.cli.engine import Engine, engine_options
from anime_pipeline.core.crew import LostTaskError
from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.core.files import MAX_LIST_BYTES, read_regular
from anime_pipeline.core.storage import (
    atomic_write_json,
    folder_locked,
    require_free,
    sweep_temporaries,
)
from anime_pipeline.inference.spec import SOFTWARE, FaceSpec

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
@faces.attribute_options
@click.option("--like", type=UserPath(), help="Take hair and skin colour from a picture.")
@click.option("--prompt", help='In words: "long silver hair, tan skin, blue eyes".')
@click.option("--with", "tags", multiple=True, help="A tag that the weights were trained on.")
@click.option("--without", "not_tags", multiple=True, help="The opposite of a tag.")
@click.option("--grid", is_flag=True, help="Also write one picture of all faces.")
@faces.stages_options
@result_options("outputs/", "pictures that another call has made")
@click.option("--batch-size", type=click.IntRange(min=1), default=32)
@engine_options
def command(
    count: int | None,
    seed_text: str | None,
    grid: bool,
    out: Path,
    overwrite: bool,
    batch_size: int,
    engine: Engine,
    **options: Any,
) -> None:
    """Make faces: one PNG per seed, 32 px, or 128 px with --upscale.

    The same seed, attributes and weights always give the same face. Hair, skin and eyes are those
    of a training picture, drawn by the seed, unless others are asked for. Each PNG records how it
    was made, and manifest.json lists all faces of the folder. With --workers, faces that are there
    already are kept.
    """
    import numpy as np

    from anime_pipeline.images.codec import decode, write_png
    from anime_pipeline.images.writing.grid import make_grid

    if seed_text is None:
        seed_text, count = "0", count or 16
    seeds = parse_seeds(seed_text, count)
    attributes = faces.gather_attributes(options)
    pipeline = faces.load_pipeline(options)
    attributes = faces.only_known(attributes, options, pipeline.generator.names)
    specs = [FaceSpec(seed, attributes, truncation=options["truncation"]) for seed in seeds]
    condition = pipeline.condition(specs)
    size = pipeline.sizes[options["upscale"]]
    weights = {stage: each.facts() for stage, each in pipeline.weights(size).items()}
    # What all faces have in common: in the manifest, and after the seed in file names.
    shared = {"size": size, "weights": weights, "attributes": specs[0].look}
    looks = (f"_{name}-{value.lstrip('#')}" for name, value in specs[0].look.items())
    suffix = f"{size}{''.join(looks)}.png"
    names = [f"face_{seed:06d}_{suffix}" for seed in seeds]
    texts = {n: pipeline.provenance(spec, size) for n, spec in zip(names, specs, strict=True)}
    sheet = f"grid_{_sheet_name(seeds)}_{suffix}"
    if grid:
        made_of = {"grid": "seeds by its name"} | specs[0].look
        texts[sheet] = SOFTWARE | made_of | pipeline.provenance(size=size)
    if not overwrite:  # replace only what this very call has made before
        for name, text in texts.items():
            faces.refuse_other_face(out / name, text)
        _read_manifest(out / MANIFEST)
    require_free(out, len(specs) * size**2 * 3 * (2 if grid else 1), "the pictures")
    asked = pipeline.generator.asked(condition)
    made: list[dict[str, Any]] = [
        {"file": name, "seed": spec.seed, **each}
        for name, spec, each in zip(names, specs, asked, strict=True)
    ]
    if engine.shares:
        share = Share(options, size, batch_size, out, overwrite)
        drawn = [(s, n, texts[n]) for s, n in zip(specs, names, strict=True)]
        starts = range(0, len(drawn), batch_size)
        batches = [drawn[start : start + batch_size] for start in starts]
        draw_in_processes(batches, share, engine)
        pictures = np.stack([decode((out / name).read_bytes()) for name in names]) if grid else None
    else:
        with faces.stage_bars() as update:
            latent = pipeline.latents(specs)
            pictures = pipeline.draw(latent, condition, size, batch_size, update)
        for name, picture in zip(names, pictures, strict=True):
            write_png(out / name, picture, texts[name])
    result = {"version": __version__, "out": str(out), **shared, "faces": made}
    if grid and pictures is not None:
        # 32 px faces are enlarged without smoothing, so that their pixels can be judged.
        result["grid"] = sheet
        write_png(out / sheet, make_grid(pictures, magnify=4 if size <= 32 else 1), texts[sheet])
    _update_manifest(out, overwrite, {face["file"]: face | shared for face in made})
    tell(result, f"{len(specs)} face{'s'[: len(specs) > 1]} of {size}x{size} px in {out}")


# A face of a batch: what is drawn, its file's name, and the file's entries.
Face = tuple[FaceSpec, str, dict[str, str]]


@dataclass(frozen=True)
class Share:
    """What the processes of a call share, and nothing that was loaded.

    Attributes:
        options: Of the command, by which the weights are found.
        size: Of the faces, px.
        batch_size: Faces drawn at once: with others, they might differ by a grey level.
        out: Where they go.
        overwrite: Whether those that are there are drawn again.
    """

    options: dict[str, Any]
    size: int
    batch_size: int
    out: Path
    overwrite: bool


def draw_in_processes(batches: list[list[Face]], share: Share, engine: Engine) -> None:
    """Draw faces in several processes, a batch each.

    Raises:
        PipelineError: If every process ends that draws some batch.
    """
    done = 0
    with (
        engine.sharing(f"{__name__}:in_process", share, len(batches), share.out) as sharing,
        progress_bar("Drawing") as update,
    ):
        for number, result in sharing.run(batches):
            if isinstance(result, LostTaskError):
                seeds = batches[number][0][0].seed, batches[number][-1][0].seed
                raise PipelineError(
                    f"The faces of seeds {seeds[0]} to {seeds[1]} {result}; memory may be short. "
                    "Choose fewer --workers or a smaller --batch-size, and run the command again: "
                    "what is done is kept."
                )
            done += len(batches[number])
            update(done, sum(map(len, batches)))
    sweep_temporaries(share.out, below=False)  # of processes that were killed


def in_process(share: Share) -> Callable[[list[Face], bool], None]:
    """Return what a process of `draw_in_processes` does with a batch."""
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.marks import picture_text
    from anime_pipeline.inference.pipeline import Pipeline

    options = share.options
    stage_two = (options["upscaler"], options["realism"]) if options["upscale"] else ()
    pipeline = Pipeline.load(options["checkpoint"], *stage_two)

    def do(batch: list[Face], repeated: bool) -> None:
        kept = repeated or not share.overwrite
        missing = [
            not (kept and picture_text(share.out / name).items() >= text.items())
            for _, name, text in batch
        ]
        if not any(missing):
            return
        specs = [spec for spec, _, _ in batch]
        latent, condition = pipeline.latents(specs), pipeline.condition(specs)
        pictures = pipeline.draw(latent, condition, share.size, share.batch_size)
        for (_, name, text), picture, wanted in zip(batch, pictures, missing, strict=True):
            if wanted:
                write_png(share.out / name, picture, text)

    return do


def _sheet_name(seeds: list[int]) -> str:
    """Name a grid by its first seed, their count and, for odd lists, their hash."""
    consecutive = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    odd = "" if consecutive else f"-{zlib.crc32(repr(seeds).encode()):08x}"
    return f"{seeds[0]:06d}_{len(seeds)}{odd}"


def _read_manifest(path: Path) -> dict[str, Any]:
    """Return the folder's faces by file name.

    Raises:
        UsageError: If the file is no list of faces that this command has written.
    """
    if not os.path.lexists(path):
        return {}
    try:
        document = json.loads(read_regular(path, MAX_LIST_BYTES))
        known = {face["file"]: face for face in document["faces"]}
        ours = document.keys() == {"version", "faces"} and all(isinstance(k, str) for k in known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        ours = False
    if not ours:
        raise UsageError(
            f"{path} is no list of faces written by this command. Choose another --out, or pass "
            "--overwrite."
        )
    return known


def _update_manifest(out: Path, overwrite: bool, made: dict[str, Any]) -> None:
    path = out / MANIFEST
    with folder_locked(out):  # two calls may write into one folder
        try:
            known = _read_manifest(path)
        except UsageError:
            if not overwrite:
                raise
            known = {}
        known |= made
        there = [known[name] for name in sorted(known) if (out / name).is_file()]
        atomic_write_json(path, {"version": __version__, "faces": there})
