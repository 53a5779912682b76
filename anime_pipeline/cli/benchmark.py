"""`anime-pipeline benchmark`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anime_pipeline.cli import common
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.storage import expand_user
from anime_pipeline.data.sources.places import Root, below

if TYPE_CHECKING:
    import numpy as np

    from anime_pipeline.data.store import Store
    from anime_pipeline.inference.upscaler import Upscaler


@click.command("benchmark")
@common.data_option
@click.option(
    "--weights",
    shell_complete=weights_names,
    multiple=True,
    help="Shipped name, .npz file or run folder; may be repeated [default: all shipped].",
)
@click.option(
    "--degradation",
    "degradations",
    multiple=True,
    default=["bicubic"],
    help="How LR pictures are made; may be repeated.",
)
@click.option("--hr-size", type=click.IntRange(min=32), default=128)
@common.side_option
@click.option("--limit", type=click.IntRange(min=1), help="Measure at most this many pictures.")
@click.option(
    "--write-lr",
    type=common.UserPath(file_okay=False),
    help="Only write the LR pictures into this folder, for another program to enlarge.",
)
@click.option(
    "--against",
    multiple=True,
    metavar="[NAME=]FOLDER",
    help="Another program's results of --write-lr's pictures, under the same names as PNG; may be "
    "repeated.",
)
@common.result_options("outputs/benchmark", "a report of something else")
def command(
    data: tuple[Root, ...],
    weights: tuple[str, ...],
    degradations: tuple[str, ...],
    hr_size: int,
    side: str,
    limit: int | None,
    write_lr: Path | None,
    against: tuple[str, ...],
    out: Path,
    overwrite: bool,
) -> None:
    """Measure 4x upscalers beside nearest, bilinear, bicubic and Lanczos.

    PSNR, SSIM, edges, colour shift, consistency and speed, and LPIPS where its weights are in the
    folder that $ANIME_PIPELINE_ASSETS names. Works on held-out pictures only, and writes CSV, JSON,
    Markdown and a page to look at.

    To measure another program: --write-lr FOLDER, let it enlarge those pictures 4x, then give its
    results by --against, with all other options the same.
    """
    from anime_pipeline.data.opening import choose_side, open_store

    degradations = tuple(dict.fromkeys(degradations))
    _check(hr_size, degradations, write_lr, against)
    paths = _find_weights(weights)
    folders = _name_folders(against, list(paths))
    roots = list(dict.fromkeys(data))
    store = open_store(
        roots, hr_size, min_side=hr_size, say=common.say, progress=common.progress_bar
    )
    with common.waiting("Loading the models"):
        from anime_pipeline.inference.upscaler import Upscaler
        from anime_pipeline.reports.benchmark import run_benchmark
        from anime_pipeline.reports.benchmark_folders import read_results
        from anime_pipeline.reports.benchmark_metrics import available_metrics
        from anime_pipeline.reports.benchmark_page import STEM, as_document, write_reports
        from anime_pipeline.reports.page import refuse_other_report

        loaded = {name: Upscaler.load(path) for name, path in paths.items()}
    chosen = choose_side(store, side, limit, _train_count(loaded))
    names = _image_names(store, roots, chosen)
    hr_images = store.images[chosen]
    if write_lr:
        _write_inputs(write_lr, names, hr_images, degradations[0], overwrite)
        return
    others = {name: read_results(folder, names, hr_size) for name, folder in folders.items()}
    with common.waiting("Loading LPIPS"):
        metrics, lpips_facts = available_metrics()
    facts = {
        "pictures": f"{len(chosen)} ({side} side of the split), {hr_size}x{hr_size} px",
        "data": ", ".join(root.resolve().name for root in roots),
        "content": hashlib.sha256(store.hashes[chosen].tobytes()).hexdigest()[:16],
        **_method_facts(degradations, loaded, others),
        **lpips_facts,
        "software": common.version_line(["anime-pipeline", "onnxruntime", "scikit-image"]),
    }
    if not overwrite:
        refuse_other_report(out, STEM, facts)
    methods = {name: upscaler.upscale_batch for name, upscaler in loaded.items()}
    with common.progress_bar("Measuring") as update:
        result = run_benchmark(hr_images, names, degradations, methods, 4, update, others, metrics)
    result.facts.update(facts)
    written = write_reports(result, out)
    if common.wants_json():
        common.print_json(as_document(result))
    else:
        click.echo(written["md"].read_text(encoding="utf-8"), nl=False)
    common.say(f"Reports: {', '.join(map(str, written.values()))}")


def _method_facts(
    degradations: Sequence[str], loaded: Mapping[str, Upscaler], others: Mapping[str, np.ndarray]
) -> dict[str, str]:
    """Return what a report says of how pictures were reduced and enlarged."""
    from anime_pipeline.data.degrade import DEGRADERS
    from anime_pipeline.reports.benchmark_folders import fingerprint

    return {
        "degradations": ", ".join(f"{DEGRADERS[name]} {name} 4x" for name in degradations),
        "protocol": "each picture reduced 4x and enlarged again, compared as 8-bit RGB",
        "baselines": "OpenCV interpolations",
        **{f"weights {n}": f"sha256 {u.weights.sha256[:16]}" for n, u in loaded.items()},
        **{f"against {n}": f"pixels' sha256 {fingerprint(i)[:16]}" for n, i in others.items()},
    }


def _find_weights(weights: Sequence[str]) -> dict[str, Path]:
    from anime_pipeline.models.weights import SRGAN_KIND
    from anime_pipeline.models.zoo import find_weights, shipped
    from anime_pipeline.reports.benchmark import BASELINES

    wanted = weights or tuple(shipped(SRGAN_KIND))
    paths = {_label(name): find_weights(name, SRGAN_KIND) for name in wanted}
    if len(paths) != len(wanted):
        received = ", ".join(map(_label, wanted))
        raise UsageError(
            f"Expected different names of --weights. Received: {received}. Rename one of the files."
        )
    taken = [name for name in paths if name in BASELINES or not name]
    if taken:
        raise UsageError(f"Weights cannot be called {taken[0]!r} in a report; rename the file.")
    return paths


def _name_folders(against: Sequence[str], ours: Sequence[str]) -> dict[str, Path]:
    from anime_pipeline.reports.benchmark import BASELINES

    folders: dict[str, Path] = {}
    for text in against:
        name, equals, rest = text.partition("=")
        # A folder's own name may hold the sign.
        if not equals or expand_user(Path(text)).is_dir():
            name, rest = expand_user(Path(text)).resolve().name, text
        if not name or not rest or name in (*BASELINES, *ours, *folders):
            raise UsageError(
                f"Invalid value for --against: {text!r}. Expected NAME=FOLDER, or a folder whose "
                f"name will do, and a name that no other method has. Received the name {name!r}."
            )
        folders[name] = expand_user(Path(rest))
    return folders


def _train_count(loaded: Mapping[str, Upscaler]) -> int:
    """Return how many pictures all of these were trained on; the split follows from it."""
    counts = {upscaler.config.train_count for upscaler in loaded.values()}
    if len(counts) > 1:
        raise UsageError(
            f"These weights were trained on different splits (--train-count {sorted(counts)}), so "
            "no pictures are held out for all of them. Measure them one by one."
        )
    return max(counts, default=0)


def _write_inputs(
    folder: Path, names: Sequence[str], hr_images: np.ndarray, degradation: str, overwrite: bool
) -> None:
    from anime_pipeline.data.degrade import DEGRADERS
    from anime_pipeline.reports.benchmark import reduce_all
    from anime_pipeline.reports.benchmark_folders import file_names, write_inputs

    with common.progress_bar("Writing LR pictures") as update:
        write_inputs(folder, names, reduce_all(hr_images, degradation), overwrite, update)
    if common.wants_json():
        files = file_names(names)
        common.print_json({"folder": folder, "degradation": degradation, "files": files})
    common.say(
        f"{len(names)} LR pictures ({DEGRADERS[degradation]} {degradation} 4x) in {folder}. Have "
        "them enlarged 4x into another folder under the same names as PNG, and give that by "
        "--against."
    )


def _check(
    hr_size: int, degradations: Sequence[str], write_lr: Path | None, against: Sequence[str]
) -> None:
    from anime_pipeline.data.degrade import DEGRADATIONS

    if hr_size % 4:
        raise UsageError(
            f"Invalid value for --hr-size. Expected a multiple of 4. Received: {hr_size}"
        )
    if unknown := [name for name in degradations if name not in DEGRADATIONS]:
        raise UsageError(
            f"Unknown degradation {unknown[0]!r}. Expected one of: {', '.join(DEGRADATIONS)}."
        )
    if (write_lr or against) and len(degradations) > 1:
        raise UsageError(
            "--write-lr and --against are about one reduction, since a result belongs to one "
            f"input. Expected one --degradation. Received: {', '.join(degradations)}."
        )
    if write_lr and against:
        raise UsageError(
            f"--write-lr only writes pictures, and --against {against[0]} asks to measure. Leave "
            "one out."
        )


def _label(name: str) -> str:
    path = Path(name)
    return path.parent.name + "/" + path.stem if path.suffix == ".npz" else path.name


def _image_names(store: Store, roots: Sequence[Root], chosen: Sequence[int]) -> list[str]:
    """Name pictures by their path below the root; with several roots each root's name leads."""
    names = []
    for index in chosen:
        path = store.records.path(index)
        found = ((root, below(str(path), [root])) for root in roots)
        root, inside = next(((root, name) for root, name in found if name), (roots[0], path.name))
        names.append(inside if len(roots) == 1 else f"{root}/{inside}")
    return names
