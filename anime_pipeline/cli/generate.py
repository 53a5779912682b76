"""`anime-pipeline generate`."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli.common import (
    json_option,
    out_option,
    parse_seeds,
    print_json,
    progress_bar,
    stderr,
)

if TYPE_CHECKING:
    import numpy as np

    from anime_pipeline.models.weights import Weights

DEFAULT_COUNT = 16


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
@click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces.")
@click.option("--grid", is_flag=True, help="Also write one picture of all faces.")
@click.option(
    "--checkpoint",
    default="dcgan",
    show_default=True,
    help="Stage one: a shipped name, a .npz file or a run folder.",
)
@click.option(
    "--upscaler",
    default="perceptual",
    show_default=True,
    help="Stage two: a shipped name, a .npz file or a run folder.",
)
@out_option("outputs/")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True)
@json_option
def command(
    count: int | None,
    seed_text: str | None,
    upscale: bool,
    grid: bool,
    checkpoint: str,
    upscaler: str,
    out: Path,
    batch_size: int,
    as_json: bool,
) -> None:
    """Make faces: one PNG per seed, 32 px, or 128 px with --upscale.

    The same seed and weights always give the same face. Each PNG records both.
    """
    seeds = (
        parse_seeds("0", count or DEFAULT_COUNT)
        if seed_text is None
        else parse_seeds(seed_text, count)
    )
    pictures, sources = _draw(seeds, checkpoint, upscaler if upscale else None, batch_size)
    manifest = _write(pictures, seeds, sources, out, grid)
    if as_json:
        print_json(manifest)
    else:
        size = pictures.shape[1]
        stderr().print(
            f"{len(seeds)} face{'s' if len(seeds) > 1 else ''} of {size}x{size} px in {out}",
            markup=False,
        )


def _draw(
    seeds: list[int], checkpoint: str, upscaler: str | None, batch_size: int
) -> tuple[np.ndarray, dict[str, Weights]]:
    from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND
    from anime_pipeline.models.zoo import find_weights

    # Both are found before anything is loaded, so that a wrong name fails at once.
    paths = {"dcgan": find_weights(checkpoint, DCGAN_KIND)}
    if upscaler:
        paths["srgan"] = find_weights(upscaler, SRGAN_KIND, prefer="perceptual")

    from anime_pipeline.inference.generator import FaceGenerator

    generator = FaceGenerator.load(paths["dcgan"])
    sources = {"dcgan": generator.weights}
    with progress_bar("Drawing") as update:
        pictures = generator.generate(seeds, batch_size, update)
    if upscaler:
        from anime_pipeline.inference.upscaler import Upscaler

        second = Upscaler.load(paths["srgan"])
        sources["srgan"] = second.weights
        with progress_bar("Upscaling") as update:
            pictures = second.upscale_batch(pictures, min(batch_size, 8), update)
    return pictures, sources


def _write(
    pictures: np.ndarray, seeds: list[int], sources: dict[str, Weights], out: Path, grid: bool
) -> dict[str, Any]:
    from anime_pipeline.core.storage import atomic_write_json
    from anime_pipeline.images.codec import write_png
    from anime_pipeline.images.grid import make_grid

    weights = {stage: {"file": w.path.name, "sha256": w.sha256} for stage, w in sources.items()}
    size = pictures.shape[1]
    faces = []
    for seed, picture in zip(seeds, pictures, strict=True):
        name = f"face_{seed:06d}_{size}.png"
        text = {"Software": f"anime-pipeline {__version__}", "seed": str(seed)}
        text |= {f"weights-{stage}": w.sha256 for stage, w in sources.items()}
        write_png(out / name, picture, text)
        faces.append({"file": name, "seed": seed})
    manifest: dict[str, Any] = {
        "version": __version__,
        "out": str(out),
        "size": size,
        "weights": weights,
        "faces": faces,
    }
    if grid:
        # 32 px faces are enlarged without smoothing, so that their pixels can be judged.
        consecutive = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        list_mark = "" if consecutive else f"-{zlib.crc32(repr(seeds).encode()):08x}"
        manifest["grid"] = f"grid_{seeds[0]:06d}_{len(seeds)}{list_mark}_{size}.png"
        write_png(out / manifest["grid"], make_grid(pictures, magnify=4 if size <= 32 else 1))
    atomic_write_json(out / "manifest.json", manifest)
    return manifest
