"""Carrying out what `upscale` has planned, picture by picture, and telling what became of each."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from anime_pipeline.cli.common import progress_bar, say
from anime_pipeline.cli.engine import Engine
from anime_pipeline.cli.upscale_jobs import Job, Plan, Request, look_at
from anime_pipeline.cli.upscale_work import Preparation, Write, writer
from anime_pipeline.core.crew import LostTaskError
from anime_pipeline.core.errors import DataError, NotAFileError, PartialError, PipelineError
from anime_pipeline.core.files import MAX_PICTURE_BYTES, read_regular
from anime_pipeline.core.storage import atomic_write, sweep_temporaries
from anime_pipeline.inference.target import Target
from anime_pipeline.models.blend import UpscalerFiles

Progress = Callable[[int, int], None]


def run(
    jobs: list[Job], pixels: list[int], prepare: Preparation, out: Path, overwrite: bool, plan: Plan
) -> None:
    """Enlarge pictures one after another, with progress.

    Args:
        jobs: What to enlarge.
        pixels: How many each has, for the progress.
        prepare: What they share.
        out: The folder of results.
        overwrite: Whether results replace what is in the way.
        plan: Receives what became of each.
    """
    prepare.decoder.start()  # while the network is loaded
    _ = prepare.enlarger
    total, before = sum(pixels), 0
    with progress_bar("Upscaling (kilopixels)") as update:
        for job, count in zip(jobs, pixels, strict=True):

            def advance(part: int, of: int, before: int = before, count: int = count) -> None:
                update((before + count * part // of) // 1000, total // 1000)

            enlarge(job, prepare, advance, out, overwrite, plan)
            before += count
            update(before // 1000, total // 1000)


def enlarge(
    job: Job, prepare: Preparation, advance: Progress, out: Path, overwrite: bool, plan: Plan
) -> None:
    """Enlarge one picture, or note in the plan why it cannot be; `advance` gets (done, total)."""
    try:
        content = read_regular(job.source, MAX_PICTURE_BYTES)
        write = writer(content, job.kind, job.animated, prepare, advance, place=job.place)
    except NotAFileError as error:
        plan.skip(job.source, str(error.strerror))
    except OSError as error:
        plan.skip(job.source, f"cannot be read ({error.strerror})")
    except DataError as error:
        plan.skip(job.source, str(error).removeprefix("image: "))
    else:
        _write(job, write, prepare.request, out, overwrite, plan)


def run_in_processes(
    jobs: list[Job], pixels: list[int], common: Common, engine: Engine, plan: Plan
) -> None:
    """Enlarge pictures in several processes, each one after another; as `run` otherwise.

    Args:
        jobs: What to enlarge.
        pixels: How many each has, for the progress.
        common: What they share.
        engine: Which processes.
        plan: Receives what became of each, in the jobs' order.
    """
    total, before = sum(pixels), 0
    found: dict[int, Plan] = {}
    jobs = [job.placed() for job in jobs]
    results = common.out.parent if common.out == jobs[0].target else common.out
    try:
        with (
            engine.sharing(f"{__name__}:in_process", common, len(jobs), results) as sharing,
            progress_bar("Upscaling (kilopixels)") as update,
        ):
            update(0, total // 1000)
            for number, result in sharing.run(jobs):
                if isinstance(result, LostTaskError):
                    found[number] = Plan()
                    found[number].skip(jobs[number].source, f"{result}; memory may be short")
                else:
                    found[number] = result
                before += pixels[number]
                update(before // 1000, total // 1000)
    finally:
        for folder in {job.target.parent for job in jobs}:
            sweep_temporaries(folder, below=False)  # of processes that were killed
    for number in range(len(jobs)):
        plan.add(found[number])


@dataclass(frozen=True)
class Common:
    """What the processes of a call share, and nothing that was loaded.

    Attributes:
        files: The weights.
        target: The size to enlarge to.
        options: As `Preparation` takes them.
        out: The folder of results.
        overwrite: Whether results replace what is in the way.
    """

    files: UpscalerFiles
    target: Target
    options: dict[str, Any]
    out: Path
    overwrite: bool


def in_process(common: Common) -> Callable[[Job, bool], Plan]:
    """Return what a process of `run_in_processes` does with a job."""
    prepare = Preparation(common.files, common.target, common.options)
    prepare.decoder.start()

    def do(job: Job, repeated: bool) -> Plan:
        plan = Plan()
        # Made since the jobs were planned, by a process that ended before it could say so, or by
        # one of an earlier call that had not ended yet.
        may_be_there = repeated or not common.overwrite
        if may_be_there and look_at(job, prepare.request) == "kept":
            (plan.written if repeated else plan.kept).append(job.target)
        else:
            enlarge(job, prepare, lambda *_: None, common.out, common.overwrite, plan)
        return plan

    return do


# Faults of the one name; any other failure to write ends the command, for it would meet all.
OF_THE_NAME = {
    errno.ENAMETOOLONG: "the result's name is too long",
    errno.ENOTDIR: "a file is where the result's folder should be",
    errno.EEXIST: "a file is where the result's folder should be",
    errno.EISDIR: "a folder is where the result should be",
    errno.ELOOP: "a link is where the result's folder should be",
}


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _refuse_links(folder: Path, out: Path) -> None:
    """Refuse to write through a link below the folder of results: it may lead anywhere.

    Raises:
        OSError: If there is one.
    """
    below = [folder, *folder.parents]
    for each in below[: below.index(out)] if out in below else []:
        if each.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(each))


def _write(
    job: Job, write: Write, request: Request, out: Path, overwrite: bool, plan: Plan
) -> None:
    """Write one result; what another call has put there in the meantime is not replaced."""
    outdated = look_at(job, request) == "outdated"
    before = _identity(job.target)

    def write_unless_changed(file: IO[bytes]) -> None:
        write(file)
        if outdated and not overwrite and _identity(job.target) != before:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(job.target))

    try:
        _refuse_links(job.target.parent, out)
        atomic_write(job.target, write_unless_changed, replace=overwrite or outdated)
    except OSError as error:
        there = look_at(job, request) if isinstance(error, FileExistsError) else None
        if there == "kept":
            plan.kept.append(job.target)
        elif there == "outdated":  # another call is at work on the same pictures
            plan.skip(job.source, f"{job.target} has just been made by another call")
        elif there:
            plan.in_the_way.append(there)
        elif reason := OF_THE_NAME.get(error.errno or 0):
            plan.skip(job.source, reason)
        else:
            raise
    else:
        plan.written.append(job.target)
        plan.outdated += [job.source] if outdated else []


def finish(done: Plan, out: Path) -> None:
    """Tell what became of all pictures, whose results went to `out`.

    Raises:
        DataError: If there is no result.
        PipelineError: If there is none because nothing could be written there.
        PartialError: If some are missing.
    """
    skipped = [*done.skipped, *done.in_the_way]
    finished = len(done.written) + len(done.kept)
    total = finished + len(skipped)
    before = f" ({len(done.kept)} were there already)" if done.kept else ""
    say(f"{finished} of {total} pictures upscaled into {out}{before}")
    if done.results:
        say(
            f"Passed over {len(done.results)} that earlier calls had made; name their files to "
            "enlarge them again."
        )
    for source in done.outdated:
        say(f"Made anew, as it has changed: {source}")
    for item in skipped:
        say(f"Skipped {item.path}: {item.reason}")
    blocked = len(done.in_the_way)
    if not finished and not blocked:
        if {item.reason for item in skipped} <= set(OF_THE_NAME.values()):
            raise PipelineError(  # no fault of the pictures
                f"No result could be written into {out}; the reasons are above. Choose another "
                "--out."
            )
        raise DataError(
            f"None of {total} could be upscaled; the reasons are above. Name picture files, or "
            "folders that hold some."
        )
    if skipped and blocked == len(skipped):
        raise PartialError(
            f"{blocked} of {total} were skipped: their results would replace something else. "
            "Choose another --out for them, or pass --overwrite."
        )
    if skipped:
        instead = "choose another --out for them, or pass --overwrite"
        raise PartialError(
            f"{len(skipped)} of {total} were skipped; the reasons are above. Mend or remove them "
            "and run the command again: what is done is kept."
            + (f" {blocked} would replace something else: {instead}." if blocked else "")
        )
