"""`anime-pipeline benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from anime_pipeline.cli.common import (
    data_option,
    json_option,
    print_json,
    progress_bar,
    stderr,
    version_line,
)
from anime_pipeline.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from anime_pipeline.data.store import Store

HR_SIZE = 128


@click.command("benchmark")
@data_option
@click.option(
    "--weights",
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
@click.option(
    "--side",
    type=click.Choice(["test", "val", "all"]),
    default="test",
    show_default=True,
    help="Side of the split; `all` includes training pictures.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Measure at most this many pictures.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="outputs/benchmark",
    show_default=True,
)
@json_option
def command(
    data: tuple[Path, ...],
    weights: tuple[str, ...],
    degradations: tuple[str, ...],
    hr_size: int,
    side: str,
    limit: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Measure PSNR and SSIM of 4x upscalers beside nearest, bilinear, bicubic and Lanczos.

    Works on held-out pictures only, and writes CSV, JSON, Markdown and a page to look at.
    """
    from anime_pipeline.cli.training import open_store
    from anime_pipeline.data.degrade import DEGRADATIONS
    from anime_pipeline.models.zoo import find_weights, shipped

    if hr_size % 4:
        raise UsageError(
            f"Invalid value for --hr-size. Expected a multiple of 4. Received: {hr_size}"
        )
    unknown = [name for name in degradations if name not in DEGRADATIONS]
    if unknown:
        raise UsageError(
            f"Unknown degradation {unknown[0]!r}. Expected one of: {', '.join(DEGRADATIONS)}."
        )
    wanted = weights or tuple(shipped("srgan-generator"))
    paths = {_label(name): find_weights(name, "srgan-generator") for name in wanted}
    if len(paths) != len(wanted):
        raise UsageError("Two of the --weights have the same name; rename one of the files.")
    store = open_store(list(data), hr_size, "crop", min_side=hr_size)
    chosen = _choose(store, side, limit)

    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.reports.benchmark import run_benchmark
    from anime_pipeline.reports.render import as_document, write_reports

    loaded = {name: Upscaler.load(path) for name, path in paths.items()}
    names = [_image_name(store, index) for index in chosen]
    with progress_bar("Measuring") as update:
        result = run_benchmark(
            store.images[chosen],
            names,
            degradations,
            {name: upscaler.upscale_batch for name, upscaler in loaded.items()},
            progress=update,
        )
    result.facts.update(
        {
            "pictures": f"{len(chosen)} ({side} side of the split), {hr_size}x{hr_size} px",
            "data": ", ".join(Path(root).name for root in data),
            "degradations": ", ".join(f"{name} (4x)" for name in degradations),
            "protocol": "uint8 RGB, peak 255; Y is BT.601 with 4 px shaved; SSIM 7x7 on RGB",
            "baselines": "OpenCV interpolations",
            "ours": list(loaded),
            **{f"weights {n}": f"sha256 {u.weights.sha256[:16]}" for n, u in loaded.items()},
            "software": version_line(["anime-pipeline", "keras", "scikit-image"]),
        }
    )
    written = write_reports(result, out)
    if as_json:
        print_json(as_document(result))
    else:
        click.echo(written["md"].read_text(encoding="utf-8"), nl=False)
    stderr().print(f"Reports: {', '.join(str(path) for path in written.values())}", markup=False)


def _label(name: str) -> str:
    path = Path(name)
    return path.parent.name + "/" + path.stem if path.suffix == ".npz" else path.name


def _image_name(store: Store, index: int) -> str:
    path = store.records[index].path
    return f"{path.parent.name}/{path.name}"


def _choose(store: Store, side: str, limit: int | None) -> list[int]:
    from anime_pipeline.data.splits import split_by_content

    if side == "all":
        chosen = list(range(len(store.images)))
    else:
        chosen = [int(index) for index in getattr(split_by_content(store.hashes), side)]
    if not chosen:
        raise DataError(
            f"None of the {len(store.images)} usable pictures falls on the {side} side of the "
            "80/5/15 split. Add pictures, or measure them all with --side all."
        )
    return chosen[:limit]
