"""`anime-pipeline upscale`."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import click

from anime_pipeline.cli.common import (
    FiniteRange,
    UserPath,
    json_option,
    print_json,
    wants_json,
)
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.cli.engine import Engine, engine_options
from anime_pipeline.cli.face_options import realism_option
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.storage import require_free, sweep_temporaries
from anime_pipeline.images.files import IMAGE_SUFFIXES
from anime_pipeline.inference.target import MAX_FACTOR, Target

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


class MemorySize(click.ParamType):
    """A size such as ``800MB`` or ``1.5G``, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a number and its unit."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", str(value).strip(), re.I)
        if not match:
            self.fail(f"{value!r} is no size. Expected a number with a unit, as 800MB or 2GB.")
        size = int(float(match[1]) * UNITS[match[2].upper()])
        if not size:
            self.fail(f"{value!r} is no memory at all. Expected a size as 800MB or 2GB.")
        return size


@click.command("upscale")
@click.argument("paths", nargs=-1, required=True, type=UserPath())
@click.option(
    "--out",
    type=UserPath(),
    default="outputs/",
    help="Folder for the results, or the file of the only one, as x.png; - writes it to stdout.",
)
@click.option(
    "--scale", type=click.Choice(["2", "3", "4", "8"]), help="How many times larger [default: 4]."
)
@click.option("--size", help="Fit into WIDTHxHEIGHT, WIDTHx or xHEIGHT; WIDTHxHEIGHT! stretches.")
@realism_option("the perceptual", "[default: 0, true to the input]")
@click.option(
    "--denoise",
    type=FiniteRange(0, 1),
    default=0.0,
    help="How much blur, noise and JPEG's marks are taken away, at some cost on clean pictures.",
)
@click.option(
    "--weights",
    shell_complete=weights_names,
    help="A shipped name, a .npz file or a run folder [default: the shipped pair].",
)
@click.option("--ensemble", is_flag=True, help="Mean over 8 turned inputs: 8 times slower, truer.")
@click.option(
    "--back-project",
    type=click.IntRange(0, 20),
    default=0,
    help="Rounds of making the result reduce to the input again: no colour shift.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["auto", "png", "jpg", "webp", "gif"]),
    default="auto",
    help="auto: PNG, and animations as they were.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=92,
    help="Of JPEG and WebP; 100 makes WebP lossless.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    help="bfloat16: faster on some processors, a little coarser; needs OpenVINO.",
)
@click.option(
    "--max-memory",
    type=MemorySize(),
    help="Of the whole process, with --workers of each; tiles are made to fit [default: 1GB].",
)
@engine_options
@click.option("--overwrite", is_flag=True, help="Replace what is in the way and differs.")
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path,
    scale: str | None,
    size: str | None,
    realism: float | None,
    denoise: float,
    weights: str | None,
    overwrite: bool,
    engine: Engine,
    **options: Any,
) -> None:
    """Upscale pictures (files, folders, or - for stdin) to any size.

    Transparency, grey and animations are kept, colour profiles and orientation applied. A picture
    that cannot be used is skipped and named, and so is one whose result would replace something
    else; the others are still written (exit 3). Run again, it goes on where it stopped: results of
    the same request are kept, and results in a folder are no pictures to enlarge.
    """
    from anime_pipeline.cli.upscale_batch import Common, finish, run, run_in_processes
    from anime_pipeline.cli.upscale_jobs import measure, plan
    from anime_pipeline.cli.upscale_work import STREAM, Preparation, check_streams, run_stream
    from anime_pipeline.models.blend import find_upscaler

    target = parse_target(scale, size)
    files = find_upscaler(weights, realism, drawn=False, denoise=denoise)
    check_streams(paths, out)
    named = None if out == STREAM else kind_of_file(paths, out, options["kind"])
    if named is None and out != STREAM and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file. Expected a folder, or - for stdout.")
    options["kind"] = named or options["kind"]
    prepare = Preparation(files, target, options)
    if STREAM in (*paths, out):
        with prepare.decoder:
            run_stream(paths[0], out, options["kind"], prepare, overwrite, bool(named))
        return
    done = plan(paths, out, options["kind"], bool(named))
    to_do = done.sort(prepare.request, overwrite)
    for folder in {job.target.parent for job in done.jobs}:
        sweep_temporaries(folder, below=False)
    pixels, needed_bytes = measure(to_do, target)
    require_free(out, needed_bytes, "the results")
    if to_do:
        if engine.shares:
            common = Common(files, target, options, out, overwrite)
            run_in_processes(to_do, pixels, common, engine, done)
        else:
            with prepare.decoder:
                run(to_do, pixels, prepare, out, overwrite, done)
    if wants_json():
        skipped = [vars(item) for item in (*done.skipped, *done.in_the_way)]
        document = {"weights": prepare.weights.facts(), "written": done.written}
        document |= {"made_anew": done.outdated, "kept": done.kept, "skipped": skipped}
        print_json(document | {"passed_over": done.results})
    finish(done, out)


def kind_of_file(paths: tuple[Path, ...], out: Path, wanted: str) -> str | None:
    """Return the format of the file that `--out` names, or None where it names a folder.

    Raises:
        UsageError: If it names a file and that cannot be.
    """
    from anime_pipeline.images.writing.save import SUFFIXES

    ending = out.suffix.lower()
    known = {suffix: kind for kind, suffix in SUFFIXES.items()} | {".jpeg": "jpg"}
    if out.is_dir() or not ending:
        return None
    if ending not in IMAGE_SUFFIXES | known.keys():
        meant = next(iter(difflib.get_close_matches(ending, known, 1, 0.75)), None)
        if meant and not out.exists() and len(paths) == 1 and not paths[0].is_dir():
            raise UsageError(
                f"--out {out} ends almost like a picture's name. Expected {out.with_suffix(meant)} "
                "for a file, or the name of a folder that is there."
            )
        return None
    if len(paths) > 1 or paths[0].is_dir():
        raise UsageError(
            f"--out {out} names one picture. Received: {', '.join(map(str, paths))}. Name a folder "
            "for the results, or a single picture."
        )
    if ending not in known:
        raise UsageError(
            f"--out {out} names a picture of a kind that is not written. Expected a folder, or a "
            f"name that ends in one of {', '.join(known)}."
        )
    if wanted not in ("auto", known[ending]):
        raise UsageError(
            f"Received --out {out} and --format {wanted}, which are two formats. Leave one out."
        )
    return known[ending]


def parse_target(scale: str | None, size: str | None) -> Target:
    """Read `--scale` and `--size`.

    Raises:
        UsageError: If both are given, or the size is none.
    """
    if size is None:
        return Target(factor=int(scale or 4))
    if scale is not None:
        raise UsageError(
            f"Received --scale {scale} and --size {size}. Expected one of them: leave one out."
        )
    match = re.fullmatch(r"([0-9]{0,6})[x×]([0-9]{0,6})(!?)", size.strip(), re.IGNORECASE)
    numbers = (int(match[1] or 0), int(match[2] or 0)) if match else (0, 0)
    exact = bool(match and match[3])
    if not any(numbers) or (exact and not all(numbers)):
        raise UsageError(
            f"Invalid value for --size: {size!r}. Expected WIDTHxHEIGHT such as 1024x1024, one of "
            "them as 1024x or x1024, or WIDTHxHEIGHT! to stretch."
        )
    if max(numbers) <= MAX_FACTOR and not all(numbers):
        raise UsageError(
            f"Received --size {size}, a picture of {max(numbers)} px. Give --scale {max(numbers)} "
            "if you mean times."
        )
    return Target(box=numbers, exact=exact)
