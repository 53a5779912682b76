"""`anime-pipeline generate`."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli import face_options as faces
from anime_pipeline.cli.common import UserPath, parse_seeds, result_options, tell
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import MAX_LIST_BYTES, read_regular
from anime_pipeline.core.storage import atomic_write_json, folder_locked, require_free
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
def command(
    count: int | None,
    seed_text: str | None,
    grid: bool,
    out: Path,
    overwrite: bool,
    batch_size: int,
    **options: Any,
) -> None:
    """Make faces: one PNG per seed, 32 px, or 128 px with --upscale.

    The same seed, attributes and weights always give the same face. Hair, skin and eyes are those
    of a training picture, drawn by the seed, unless others are asked for. Each PNG records how it
    was made, and manifest.json lists all faces of the folder.
    """
    from anime_pipeline.images.codec import write_png
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
    with faces.stage_bars() as update:
        latent = pipeline.latents(specs)
        pictures = pipeline.draw(latent, condition, size, batch_size, update)
    made: list[dict[str, Any]] = []
    asked = pipeline.generator.asked(condition)
    for name, spec, picture, each in zip(names, specs, pictures, asked, strict=True):
        write_png(out / name, picture, texts[name])
        made.append({"file": name, "seed": spec.seed, **each})
    result = {"version": __version__, "out": str(out), **shared, "faces": made}
    if grid:
        # 32 px faces are enlarged without smoothing, so that their pixels can be judged.
        result["grid"] = sheet
        write_png(out / sheet, make_grid(pictures, magnify=4 if size <= 32 else 1), texts[sheet])
    _update_manifest(out, overwrite, {face["file"]: face | shared for face in made})
    tell(result, f"{len(specs)} face{'s'[: len(specs) > 1]} of {size}x{size} px in {out}")


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
