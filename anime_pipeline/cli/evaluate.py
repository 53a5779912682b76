"""`anime-pipeline evaluate`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli import common
from anime_pipeline.cli.face_options import load_pipeline, truncation_option, weights_options
from anime_pipeline.core.config import SCALE, DcganConfig
from anime_pipeline.core.errors import CheckpointError, DataError, PipelineError, UsageError
from anime_pipeline.core.machine import import_keras_quietly
from anime_pipeline.core.runs import METRICS_FILE, last_values, read_metrics

if TYPE_CHECKING:
    from anime_pipeline.data.store import Store
    from anime_pipeline.inference.generator import FaceGenerator
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.metrics.features import Features
    from anime_pipeline.models.inception import Inception
    from anime_pipeline.reports.evaluate import Faces

# In the order of reports: first those that nobody flatters.
NETWORKS = ("alexnet", "efficientnet-lite", "vgg16")
UNTRAINED = "nothing is trained on it"
COUNT = 2000
LEAST, MOST = 8, 1_000_000  # of fewer nothing can be said, and of more no longer anything else
FEW = 500
MAX_FIRST_SEED = 2**62


@click.command("evaluate")
@weights_options
@click.option(
    "--upscale/--no-upscale",
    default=True,
    help="Compare the faces after stage two, too; that doubles the time.",
)
@click.option(
    "--network",
    "wanted",
    type=click.Choice(NETWORKS),
    multiple=True,
    help="Which feature networks compare the faces [default: VGG16, and AlexNet where "
    "$ANIME_PIPELINE_ASSETS has lpips_alexnet.npz].",
)
@common.data_option
@common.side_option
@click.option(
    "-n",
    "--count",
    type=click.IntRange(LEAST, MOST),
    default=COUNT,
    help="Faces to draw, and the most real ones to compare them with.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_FIRST_SEED),
    default=0,
    help="The first seed; the others follow, none is left out.",
)
@truncation_option
@click.option(
    "--inception",
    type=common.UserPath(dir_okay=False),
    help="Measure FID too, by the network of this file: the frozen Inception-v3 of 2015, "
    "classify_image_graph_def.pb. Default: the one in $ANIME_PIPELINE_ASSETS, if there.",
)
@common.result_options("outputs/evaluation", "a report of something else")
def command(
    wanted: tuple[str, ...],
    data: tuple[Path, ...],
    side: str,
    count: int,
    seed: int,
    truncation: float,
    inception: Path | None,
    out: Path,
    overwrite: bool,
    **options: Any,
) -> None:
    """Measure a generator against held-out faces; writes a report with pictures.

    KID, precision and recall on AlexNet's features, which nothing is trained on, and on VGG16's,
    the critic's own; as drawn and after stage two. Also variety, copies of training faces, and
    whether attributes are met; FID where its network is at hand. Takes about fifteen minutes on two
    cores, half of that with --no-upscale, with FID some more.
    """
    from anime_pipeline.data.opening import open_store
    from anime_pipeline.models.weights import DCGAN_KIND
    from anime_pipeline.models.zoo import find_weights

    path = find_weights(options["checkpoint"], DCGAN_KIND)
    import_keras_quietly()
    with common.waiting("Loading the models"):
        from anime_pipeline.reports.evaluate import evaluate
        from anime_pipeline.reports.evaluation_page import STEM, cells, write_evaluation
        from anime_pipeline.reports.page import refuse_other_report
        from anime_pipeline.reports.real_faces import real_at

        networks, missing = load_networks(wanted)
        network, about_fid = _inception(inception)
    pipeline = load_pipeline(options)
    generator, enlarge = pipeline.generator, pipeline.upscaler if options["upscale"] else None
    roots = list(dict.fromkeys(data))
    size, fit = generator.config.image_size, generator.config.fit
    labels = bool(generator.config.condition)
    store = open_store(
        roots, size, fit, labels=labels, say=common.say, progress=common.progress_bar
    )
    faces, chosen = _faces(store, generator, side, count)
    if enlarge:
        paths = [record.path for record in faces.records]
        with common.progress_bar("Reading large faces") as update:
            faces = replace(faces, large=real_at(paths, size, size * SCALE, fit, update))
    facts = {
        "weights": f"{path.parent.name}/{path.name}",
        "sha256": generator.weights.sha256,
        "generated": f"{count} faces of seeds {seed} to {seed + count - 1}"
        + (f", truncation {truncation:g}" if truncation != 1 else ""),
        "real": f"{len(faces.real)} real faces ({side} side of the split)",
        "data": ", ".join(root.resolve().name for root in roots),
        "content": hashlib.sha256(store.hashes[chosen].tobytes()).hexdigest()[:16],
        "software": common.version_line(["anime-pipeline", "keras"]),
    }
    facts |= about_stage_two(enlarge, faces) | about_fid
    if not overwrite:
        sources = {each.network: f"{each.source} weights" for each in networks}
        refuse_other_report(out, STEM, facts | sources)
    seeds = range(seed, seed + count)
    result = evaluate(
        generator, faces, seeds, truncation, common.progress_bar, networks, network, enlarge
    )
    result.facts = facts | result.facts
    result.missing = missing
    result.remarks = remarks(generator.config, enlarge)
    written = write_evaluation(result, out, _last_row(path))
    if common.wants_json():
        common.print_json(result.as_document())
    else:
        common.say(f"{facts['weights']}, {facts['generated']}, against {facts['real']}")
        rows = [cells(figure) for figure in result.figures]
        keys = ("name", "value", "best", "worst", "n")
        head = ("Measure", "Value", "Real faces", "Chance", "Faces")
        common.print_table(head, [[row[key] for key in keys] for row in rows])
    common.say(f"Report: {written['html']}")


def _inception(path: Path | None) -> tuple[Inception | None, dict[str, str]]:
    """Return the network that FID is defined by, if it is there, and what to say about it."""
    from anime_pipeline.models.inception import ARCHIVE, ASSET_FILE, Inception, asset_path

    if (path := path or asset_path()) is None:
        return None, {
            "FID": f"not measured: it needs {ASSET_FILE} of {ARCHIVE}, in $ANIME_PIPELINE_ASSETS "
            "or given by --inception"
        }
    network = Inception(path)
    return network, {"FID": f"Inception-v3 of 2015-12-05, sha256 {network.sha256[:16]}"}


def _faces(
    store: Store, generator: FaceGenerator, side: str, count: int
) -> tuple[Faces, list[int]]:
    """Divide the pictures as the generator's training did."""
    from anime_pipeline.core.randomness import stream
    from anime_pipeline.data.opening import choose_side
    from anime_pipeline.data.store import split_store
    from anime_pipeline.reports.evaluate import Faces

    train_count = generator.config.train_count
    rows = choose_side(store, side, None, train_count)
    # In random order: halves and the first thousand should be like the whole.
    order = stream(0, "held-out order").permutation(len(rows))[:count]
    chosen = [rows[i] for i in order]
    if len(chosen) < LEAST:
        raise DataError(
            f"Only {len(chosen)} pictures lie on the {side} side of the split. Expected at least "
            f"{LEAST}, better {COUNT}: add pictures, or measure them all with --side all."
        )
    if len(chosen) < FEW:
        common.say(f"Warning: {len(chosen)} real faces are few; every distance will be noisy.")
    if train_count > len(store.images):
        raise UsageError(
            f"These weights were trained on {train_count} pictures, here are {len(store.images)}. "
            "Give the folders they were trained on: copies are looked for among those."
        )
    # Among all pictures there are training ones: nothing to compare copies with.
    train = slice(0) if side == "all" else split_store(store, train_count).train
    records = [store.records[row] for row in chosen]
    return Faces(store.images[chosen], records, store.images[train]), chosen


def _last_row(weights: Path) -> dict[str, Any]:
    try:
        return last_values(read_metrics(weights.parent / METRICS_FILE))
    except CheckpointError as error:
        # Beside weights from anywhere anything may lie, and all the measuring is done by now.
        common.say(f"Passed over: {error}")
        return {}


def load_networks(wanted: tuple[str, ...]) -> tuple[list[Features], dict[str, str]]:
    """Return the feature networks to ask, and why others cannot be asked, by title.

    Raises:
        PipelineError: If VGG16, or one that was asked for by name, is missing.
    """
    from anime_pipeline.metrics.features import ALEXNET, TITLES, VGG16, Features, why_missing

    networks, missing = [], {}
    for name in NETWORKS:
        # Variety and copies are by VGG16, whatever else compares the faces.
        if name not in {VGG16, *(wanted or [ALEXNET])}:
            continue
        reason = why_missing(name)
        if reason and name in wanted:
            raise PipelineError(
                f"{TITLES[name]} cannot be asked: {reason}. "
                f"Leave --network {name} out, or see to that."
            )
        if reason:
            missing[TITLES[name]] = reason
            common.say(f"Warning: faces are not compared by {TITLES[name]}: {reason}.")
            continue
        try:
            networks.append(Features(name))
        except PipelineError as error:
            raise PipelineError(
                f"Faces are compared by {TITLES[name]}'s features. Add its weights to measure. "
                f"{error}"
            ) from None
    return networks, missing


def about_stage_two(upscaler: Upscaler | None, faces: Faces) -> dict[str, str]:
    """Return what a report says of its figures after stage two."""
    if upscaler is None or faces.large is None:
        return {"upscaler": "none: only faces as stage one draws them were compared"}
    px = faces.large.images.shape[1]
    weights = upscaler.weights
    return {
        "upscaler": f"{weights.path.name}, sha256 {weights.sha256[:16]}",
        f"real at {px} px": faces.large.in_words(),
    }


def remarks(config: DcganConfig, upscaler: Upscaler | None) -> dict[str, str]:
    """Return by title what a reader should know of each network before believing it."""
    from anime_pipeline.metrics.features import TITLES, VGG16

    owners = ["critic's"] if config.feature_critic else []
    if upscaler is not None and upscaler.config.perceptual_weight:
        owners.append("upscaler's")
    own = f"the {' and the '.join(owners)} own network" if owners else UNTRAINED
    return dict.fromkeys(TITLES.values(), UNTRAINED) | {TITLES[VGG16]: own}
