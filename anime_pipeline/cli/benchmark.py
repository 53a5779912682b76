"""`anime-pipeline benchmark`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anime_pipeline.cli.common import (
    data_option,
    json_option,
    out_option,
    print_json,
    progress_bar,
    stderr,
    version_line,
    waiting,
)
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.cli.sides import choose_side, side_option
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.storage import expand_user

if TYPE_CHECKING:
    from anime_pipeline.data.store import Store

HR_SIZE = 128
PROTOCOL = {
    "protocol": "uint8 RGB, peak 255; Y is BT.601 with 4 px shaved; SSIM 7x7 on RGB",
    "baselines": "OpenCV interpolations",
}


@click.command("benchmark")
@data_option
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
    show_default=True,
    help="How LR pictures are made; may be repeated.",
)
@click.option("--hr-size", type=click.IntRange(min=32), default=HR_SIZE, show_default=True)
@side_option
@click.option("--limit", type=click.IntRange(min=1), help="Measure at most this many pictures.")
@out_option("outputs/benchmark")
@click.option("--overwrite", is_flag=True, help="Replace a report of something else.")
@json_option
def command(
    data: tuple[Path, ...],
    weights: tuple[str, ...],
    degradations: tuple[str, ...],
    hr_size: int,
    side: str,
    limit: int | None,
    out: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Measure PSNR and SSIM of 4x upscalers beside nearest, bilinear, bicubic and Lanczos.

    Works on held-out pictures only, and writes CSV, JSON, Markdown and a page to look at.
    """
    from anime_pipeline.cli.training import open_store
    from anime_pipeline.data.degrade import DEGRADERS
    from anime_pipeline.models.weights import SRGAN_KIND
    from anime_pipeline.models.zoo import find_weights, shipped
    from anime_pipeline.reports.benchmark import BASELINES, run_benchmark

    _check(hr_size, degradations)
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
    degradations = tuple(dict.fromkeys(degradations))
    roots = list(dict.fromkeys(data))
    store = open_store(roots, hr_size, "crop", min_side=hr_size)

    with waiting("Loading the models"):
        from anime_pipeline.inference.upscaler import Upscaler
        from anime_pipeline.reports.page import refuse_other_report
        from anime_pipeline.reports.render import KINDS, as_document, write_reports

        loaded = {name: Upscaler.load(path) for name, path in paths.items()}
    counts = {upscaler.config.train_count for upscaler in loaded.values()}
    if len(counts) > 1:
        raise UsageError(
            f"These weights were trained on different splits (--train-count {sorted(counts)}), so "
            "no pictures are held out for all of them. Measure them one by one."
        )
    chosen = choose_side(store, side, limit, max(counts, default=0))
    names = _image_names(store, roots, chosen)
    facts = {
        "pictures": f"{len(chosen)} ({side} side of the split), {hr_size}x{hr_size} px",
        "data": ", ".join(root.resolve().name for root in roots),
        "content": hashlib.sha256(store.hashes[chosen].tobytes()).hexdigest()[:16],
        "degradations": ", ".join(f"{DEGRADERS[name]} {name} 4x" for name in degradations),
        **PROTOCOL,
        **{f"weights {n}": f"sha256 {u.weights.sha256[:16]}" for n, u in loaded.items()},
        "software": version_line(["anime-pipeline", "keras", "scikit-image"]),
    }
    if not overwrite:
        refuse_other_report(out, "benchmark", KINDS, facts)
    with progress_bar("Measuring") as update:
        result = run_benchmark(
            store.images[chosen],
            names,
            degradations,
            {name: upscaler.upscale_batch for name, upscaler in loaded.items()},
            progress=update,
        )
    result.facts.update(facts)
    written = write_reports(result, out)
    if as_json:
        print_json(as_document(result))
    else:
        click.echo(written["md"].read_text(encoding="utf-8"), nl=False)
    stderr().print(f"Reports: {', '.join(str(path) for path in written.values())}", markup=False)


def _check(hr_size: int, degradations: Sequence[str]) -> None:
    from anime_pipeline.data.degrade import DEGRADATIONS

    if hr_size % 4:
        raise UsageError(
            f"Invalid value for --hr-size. Expected a multiple of 4. Received: {hr_size}"
        )
    unknown = [name for name in degradations if name not in DEGRADATIONS]
    if unknown:
        raise UsageError(
            f"Unknown degradation {unknown[0]!r}. Expected one of: {', '.join(DEGRADATIONS)}."
        )


def _label(name: str) -> str:
    path = Path(name)
    return path.parent.name + "/" + path.stem if path.suffix == ".npz" else path.name


def _image_names(store: Store, roots: Sequence[Path], chosen: Sequence[int]) -> list[str]:
    """Name pictures by their path below the root; with several roots each root's name leads."""
    names = []
    for index in chosen:
        path = store.records[index].path
        root = next(root for root in roots if path.is_relative_to(expand_user(root)))
        inside = path.relative_to(expand_user(root)).as_posix()
        names.append(inside if len(roots) == 1 else f"{root.as_posix()}/{inside}")
    return names
