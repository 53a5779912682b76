"""`anime-pipeline upscale`."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli.common import (
    UserPath,
    json_option,
    print_json,
    progress_bar,
    stderr,
)
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.cli.face_options import realism_option
from anime_pipeline.cli.upscale_jobs import Job, measure, plan, remaining
from anime_pipeline.cli.upscale_stream import STREAM, check_streams, run_stream
from anime_pipeline.cli.upscale_work import Preparation, writer
from anime_pipeline.core.errors import DataError, PartialError, UsageError
from anime_pipeline.core.space import require_free

if TYPE_CHECKING:
    from anime_pipeline.images.files import Skipped
    from anime_pipeline.inference.target import Target

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
    show_default=True,
    help="Folder for the results; - writes the only one to stdout.",
)
@click.option(
    "--scale",
    type=click.Choice(["2", "3", "4", "8"]),
    help="How many times larger [default: 4].",
)
@click.option("--size", help="Fit into WIDTHxHEIGHT, WIDTHx or xHEIGHT; WIDTHxHEIGHT! stretches.")
@realism_option("[default: 0, true to the input]")
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
    show_default=True,
    help="Rounds of making the result reduce to the input again: no colour shift.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["auto", "png", "jpg", "webp", "gif"]),
    default="auto",
    show_default=True,
    help="auto: PNG, and animations as they were.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=92,
    show_default=True,
    help="Of JPEG and WebP; 100 makes WebP lossless.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="bfloat16: faster on some processors, a little coarser; needs OpenVINO.",
)
@click.option(
    "--max-memory",
    type=MemorySize(),
    help="Of the whole process; tiles are made to fit [default: 1GB].",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are in the way.")
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path,
    scale: str | None,
    size: str | None,
    realism: float | None,
    weights: str | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Upscale pictures (files, folders, or - for stdin) to any size.

    Transparency, grey and animations are kept, colour profiles and orientation applied. A picture
    that cannot be used is skipped and named; the others are still written (exit 3). Run again, it
    goes on where it stopped: results of the same request are kept.
    """
    from anime_pipeline.models.blend import find_upscaler

    target = parse_target(scale, size)
    if realism is None and weights is None:
        realism = 0.0
    files = find_upscaler(weights or "fidelity", realism, prefer="fidelity")
    check_streams(paths, out, as_json)
    if out != STREAM and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file. Expected a folder, or - for stdout.")
    prepare = Preparation(files, realism, target, options)
    if STREAM in (*paths, out):
        run_stream(paths[0], out, prepare, overwrite, as_json)
        return
    skipped: list[Skipped] = []
    planned = plan(paths, out, options["kind"], skipped)
    jobs = planned if overwrite else remaining(planned, prepare.request)
    pixels, needed_bytes = measure(jobs, target)
    require_free(out, needed_bytes, "the results")
    written = _run(jobs, pixels, prepare, skipped) if jobs else []
    open_targets = {job.target for job in jobs}
    kept = [job.target for job in planned if job.target not in open_targets]
    if as_json:
        print_json(
            {
                "weights": prepare.facts(),
                "written": [str(path) for path in written],
                "kept": [str(path) for path in kept],
                "skipped": [vars(item) for item in skipped],
            }
        )
    _finish(written, kept, out, skipped)


def parse_target(scale: str | None, size: str | None) -> Target:
    """Read `--scale` and `--size`.

    Raises:
        UsageError: If both are given, or the size is none.
    """
    from anime_pipeline.inference.target import MAX_FACTOR, Target

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


def _run(
    jobs: list[Job], pixels: list[int], prepare: Preparation, skipped: list[Skipped]
) -> list[Path]:
    from anime_pipeline.core.storage import atomic_write
    from anime_pipeline.images.files import Skipped

    written: list[Path] = []
    enlarger = prepare.enlarger()
    total, before = sum(pixels), 0
    with progress_bar("Upscaling (kilopixels)") as update:
        for job, count in zip(jobs, pixels, strict=True):

            def advance(done: int, of: int, before: int = before, count: int = count) -> None:
                update((before + count * done // of) // 1000, total // 1000)

            try:
                content = job.source.read_bytes()
                write = writer(content, job.kind, job.animated, enlarger, prepare, advance)
            except OSError as error:
                skipped.append(Skipped(str(job.source), f"cannot be read ({error.strerror})"))
            except DataError as error:
                skipped.append(Skipped(str(job.source), str(error).removeprefix("image: ")))
            else:
                try:
                    atomic_write(job.target, write)
                    written.append(job.target)
                except OSError as error:
                    # Any other failure to write is no fault of the picture: it ends the command.
                    if error.errno != errno.ENAMETOOLONG:
                        raise
                    skipped.append(Skipped(str(job.source), "the result's name is too long"))
            before += count
            update(before // 1000, total // 1000)
    return written


def _finish(written: list[Path], kept: list[Path], out: Path, skipped: list[Skipped]) -> None:
    console = stderr()
    total = len(written) + len(kept) + len(skipped)
    before = f" ({len(kept)} were there already)" if kept else ""
    done = len(written) + len(kept)
    console.print(f"{done} of {total} pictures upscaled into {out}{before}", markup=False)
    for item in skipped:
        # A name may hold what would steer the terminal.
        name = item.path if item.path.isprintable() else repr(item.path)
        console.print(f"Skipped {name}: {item.reason}", markup=False)
    if not done:
        raise DataError(
            f"None of {total} could be upscaled; the reasons are above. Name picture files, or "
            "folders that hold some."
        )
    if skipped:
        raise PartialError(
            f"{len(skipped)} of {total} were skipped; the reasons are above. Mend or remove them "
            "and run the command again: what is done is kept."
        )
