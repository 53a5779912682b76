"""`anime-pipeline export`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli.common import print_json, result_options, say, tell, waiting, wants_json
from anime_pipeline.cli.face_options import load_pipeline, weights_options
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, read_regular
from anime_pipeline.core.storage import atomic_write_json, atomic_write_text

if TYPE_CHECKING:
    from anime_pipeline.models.weights import Weights

# Written out, as the help must not import what knows them: see `inference.export`.
STAGES = {"pipeline": ("dcgan", "srgan"), "generator": ("dcgan",), "upscaler": ("srgan",)}
FORMS = ("onnx", "litert", "savedmodel")
SITE = "site"  # no form of one network, but both with their pages


@click.command("export")
@click.option(
    "--part",
    type=click.Choice(list(STAGES)),
    default="pipeline",
    help="Both stages as one network (128 px faces), or one of them.",
)
@click.option(
    "--to",
    "forms",
    type=click.Choice([*FORMS, SITE]),
    multiple=True,
    default=["onnx"],
    help="The form. May be repeated. `site`: the web pages, for any static host.",
)
@click.option(
    "--runtime",
    type=click.Path(path_type=Path),
    help="For `site`: onnxruntime-web, as npm unpacks it.",
)
@click.option("--title", default="Anime faces", help="For `site`: what it calls itself.")
@weights_options
@result_options("outputs/export/", "what an earlier call has written")
def command(
    part: str,
    forms: tuple[str, ...],
    runtime: Path | None,
    title: str,
    out: Path,
    overwrite: bool,
    **options: Any,
) -> None:
    """Write a network for other programs: phones, web pages, other languages.

    Pictures are uint8 RGB on both sides, and all that this program does around its networks is
    part of the file. Where Keras is installed, each file is run and compared with it before it is
    kept. Beside it come a page that tells how to call it, with code, and the same as JSON.

    With --to site the pages of `serve` are written with both networks as a folder that needs no
    server: visitors' browsers do the computing.
    """
    if SITE in forms:
        _write_site(forms, part, runtime, title, out, overwrite, options)
        return
    from anime_pipeline.inference.export import export, require_form
    from anime_pipeline.inference.export_usage import describe, usage

    forms = tuple(dict.fromkeys(forms))
    targets = {form: _targets(out, part, form) for form in forms}
    for form in forms:
        require_form(form)
    if part == "upscaler" and options["upscaler"] is None and options["realism"] is None:
        options["realism"] = 0.0  # as `upscale`: true to its input
    pipeline = load_pipeline(options | {"upscale": part != "generator"})
    loaded = pipeline.weights(pipeline.sizes[part != "generator"])
    if part == "upscaler":
        loaded["srgan"] = pipeline.picture_upscaler.weights
    sources = {stage: loaded[stage] for stage in STAGES[part]}
    for form, paths in targets.items():
        _refuse_existing(paths, sources, form, overwrite)
    out.mkdir(parents=True, exist_ok=True)
    documents = []
    for form, (network, facts, page) in targets.items():
        with waiting(f"Writing and checking {network}"):
            exported = export(sources.get("dcgan"), sources.get("srgan"), form, network)
            documents.append(describe(exported, sources))
            atomic_write_json(facts, documents[-1])
            atomic_write_text(page, usage(documents[-1], facts.name))
    if wants_json():
        print_json({"out": str(out), "exported": documents})
        return
    for document in documents:
        apart = document["difference_from_keras"]
        checked = "not compared: Keras is not installed" if apart is None else (
            f"{document['within_one_level']:.2%} of values within one grey level of Keras's"
        )  # fmt: skip
        say(f"{out / document['file']}: {checked}")


def _write_site(
    forms: tuple[str, ...],
    part: str,
    runtime: Path | None,
    title: str,
    out: Path,
    overwrite: bool,
    options: dict[str, Any],
) -> None:
    from anime_pipeline.models.zoo import RUNS
    from anime_pipeline.site.runtime import find
    from anime_pipeline.site.writing import refuse_other, write_site
    from anime_pipeline.web.models.catalogue import Catalogue

    if len(set(forms)) > 1 or part != "pipeline" or options["realism"] is not None:
        raise UsageError(
            f"Received --to {', '.join(forms)} with --part {part}. A site has both networks whole, "
            "and visitors choose the realism. Leave the other --to, --part and --realism out."
        )
    find(runtime)  # before anything takes long
    with waiting("Loading the models"):
        catalogue = Catalogue(options["checkpoint"], options["upscaler"] or "", RUNS)
    if not overwrite:
        refuse_other(out, catalogue.weights_hash(catalogue.generator().weights))
    with waiting(f"Writing {out}"):
        site = write_site(out, catalogue, runtime, title)
    megabytes = {kind: size / 1e6 for kind, size in site.first_visit.items()}
    size = sum(site.files.values())
    tell(
        {"out": str(out), "weights": site.weights, "bytes": size, "files": site.files,
         "first_visit": site.first_visit},
        f"{out}: {len(site.files)} files, {size / 1e6:.1f} MB; a visitor loads "
        f"{megabytes['wasm']:.1f} MB once ({megabytes['webgpu']:.1f} MB with a GPU). Try it with: "
        f"python -m http.server --directory {out}",
    )  # fmt: skip


def _targets(out: Path, part: str, form: str) -> tuple[Path, Path, Path]:
    """Return the network's path, and those of its description for programs and for people."""
    name = {"onnx": f"{part}.onnx", "litert": f"{part}.tflite", "savedmodel": f"{part}_savedmodel"}
    stem = name[form].partition(".")[0] if form == "savedmodel" else f"{part}_{form}"
    return (out / name[form], out / f"{stem}.json", out / f"{stem}.md")


def _refuse_existing(
    paths: tuple[Path, Path, Path], sources: dict[str, Weights], form: str, overwrite: bool
) -> None:
    """Replace only what the same request made before, which the description beside it tells."""
    blocked = [path for path in paths if path.suffix and path.is_dir()]
    if blocked:
        raise UsageError(f"{blocked[0]} is a folder, and a file goes there. Choose another --out.")
    there = [str(path) for path in paths if os.path.lexists(path)]
    if overwrite or not there:
        return
    try:
        document = json.loads(read_regular(paths[1], MAX_DOCUMENT_BYTES))
        facts = {stage: weights.facts() for stage, weights in sources.items()}
        same = document["form"] == form and document["weights"] == facts
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise UsageError(
            f"{', '.join(there)} exist{'s' if len(there) == 1 else ''} already, made from other "
            "weights. Choose another --out, or pass --overwrite."
        )
