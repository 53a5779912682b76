"""Which pictures `upscale` enlarges, where each result goes, and which are done already."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from PIL import UnidentifiedImageError

from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.core.files import open_regular, what_is_wrong
from anime_pipeline.core.storage import sha256_of
from anime_pipeline.images.codec import MAX_PIXELS
from anime_pipeline.images.files import NOT_A_PICTURE, Skipped, walk
from anime_pipeline.images.frames import animated_kind
from anime_pipeline.images.headers import open_header
from anime_pipeline.images.marks import WRITTEN, picture_text
from anime_pipeline.images.writing.png_stream import is_sealed
from anime_pipeline.images.writing.save import SUFFIXES
from anime_pipeline.inference.spec import WEIGHTS
from anime_pipeline.inference.target import Target

RESULT_KEYS = {"source", WEIGHTS["srgan"], "scale"}
# What the entries of a result are called in messages.
WORDS = {
    "source": "picture",
    WEIGHTS["srgan"]: "weights, realism or denoise",
    "scale": "size",
    "settings": "settings",
}


# What the results of a call record, but for the pictures that they are of: by these entries the
# very same request is known again.
Request = dict[str, str]


@dataclass(frozen=True)
class Job:
    """One picture to enlarge, where the result goes, and in which format."""

    source: Path
    target: Path
    kind: str
    animated: bool = False
    known_place: str = ""

    def placed(self) -> Job:
        """Return a job whose place is known, as others may know the folder by another identity."""
        try:
            return replace(self, known_place=self.place)
        except OSError:  # said of the picture when it is its turn
            return self

    @property
    def place(self) -> str:
        """Say which file the source is, in a way that gives no name away.

        By its folder's identity, not its path, by which another folder may go tomorrow.
        """
        if self.known_place:
            return self.known_place
        folder = os.stat(self.source.parent)
        file = f"{folder.st_dev} {folder.st_ino} ".encode() + os.fsencode(self.source.name)
        return hashlib.sha256(file).hexdigest()[:16]


@dataclass
class Plan:
    """What a call is to do, and what has become of it.

    Attributes:
        jobs: Pictures to enlarge, by their names.
        skipped: What cannot be enlarged, and why.
        results: Pictures in folders that were passed over, as they are results of earlier calls.
        in_the_way: What else is where a result should go, with a reason for each.
        kept: Results of this very request that were there.
        written: Results that have been written.
        outdated: Pictures whose results were written anew, as they had changed.
    """

    jobs: list[Job] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    results: list[Path] = field(default_factory=list)
    in_the_way: list[Skipped] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    outdated: list[Path] = field(default_factory=list)

    def skip(self, source: Path, reason: str) -> None:
        """Note what cannot be enlarged."""
        self.skipped.append(Skipped(str(source), reason))

    def add(self, other: Plan) -> None:
        """Take in what became of other pictures, after those that are here."""
        for name, found in vars(other).items():
            getattr(self, name).extend(found)

    def sort(self, request: Request, overwrite: bool) -> list[Job]:
        """Return the jobs that are to be done; note which results are there, and what else is."""
        to_do = []
        for job in self.jobs:
            state = look_at(job, request)
            if state == "kept":
                self.kept.append(job.target)
            elif state is None or state == "outdated" or overwrite:
                to_do.append(job)
            else:
                self.in_the_way.append(state)
        return to_do


def plan(paths: tuple[Path, ...], out: Path, wanted: str, is_file: bool = False) -> Plan:
    """Pair each picture with its target; sub-folders are kept.

    Args:
        paths: Pictures and folders.
        out: The folder of results, or the file of the only one.
        wanted: The format, or ``"auto"``.
        is_file: Whether `out` is that file.

    Raises:
        UsageError: If two pictures would share a target, or a result would replace an input.
    """
    made = Plan()
    claims: dict[Path, list[Job]] = {}
    for path in paths:
        base = path if path.is_dir() else path.parent
        for source in _pictures(path, made):
            try:
                job = _job(source, out / source.relative_to(base), wanted)
            except DataError as error:
                made.skip(source, str(error))
                continue
            job = replace(job, target=out) if is_file else job
            claimed = claims.setdefault(job.target, [])
            if os.path.realpath(source) not in (os.path.realpath(each.source) for each in claimed):
                claimed.append(job)  # else named twice
    jobs: dict[Path, Job] = {}
    for claimed in claims.values():
        for job in claimed if is_file else _apart(claimed):
            if job.target in jobs:
                raise UsageError(
                    f"{jobs[job.target].source} and {job.source} would both be written to "
                    f"{job.target}. Upscale them into different folders with --out."
                )
            jobs[job.target] = job
    inputs = {os.path.realpath(job.source) for job in jobs.values()}
    for job in jobs.values():
        if os.path.realpath(job.target) in inputs:
            raise UsageError(
                f"The result of {job.source} would be written over the input {job.target}. Choose "
                "another --out."
            )
    made.jobs = sorted(jobs.values(), key=lambda job: job.source)
    return made


def _pictures(path: Path, made: Plan) -> list[Path]:
    """Return the pictures that a path stands for; what is passed over is noted in the plan."""
    if not path.is_dir():
        wrong = what_is_wrong(path) if path.exists() else "no such file or folder"
        if wrong:
            made.skip(path, wrong)
        return [] if wrong else [path]
    passed_over: list[Skipped] = []
    found: list[Path] = []
    results: list[Path] = []
    for each in walk(path, passed_over):
        # Known by what they record, wherever they lie: a result of a result is nobody's wish.
        try:
            (results if is_result(each) else found).append(each)
        except DataError as error:
            made.skip(each, str(error))
    made.results += results
    # Other files in a folder are no failures; a named file is tried whatever it is.
    made.skipped += [item for item in passed_over if item.reason != NOT_A_PICTURE]
    if not found:
        reason = "no pictures in it"
        if results:
            reason += " but results of earlier calls; name their files to enlarge those again"
        made.skip(path, reason)
    return found


def is_result(path: Path) -> bool:
    """Tell whether a picture is a result of this command, by what it records.

    Raises:
        DataError: If its header takes too long to read.
    """
    if what_is_wrong(path) is not None:
        return False
    try:
        with open_regular(path) as file, open_header(file, WRITTEN) as picture:
            # Where a result records what it is. Most pictures have none of these, and to ask for
            # more would decode them.
            recorded = bool({"source", "exif", "comment"} & picture.info.keys())
    except DataError:
        raise
    except Exception:  # hostile bytes make the decoders raise anything
        return False
    return recorded and picture_text(path).keys() >= RESULT_KEYS


def _job(source: Path, inside: Path, wanted: str) -> Job:
    moving = animated_kind(source) if what_is_wrong(source) is None else None
    kind = wanted if wanted != "auto" else moving or "png"
    return Job(source, inside.with_suffix(SUFFIXES[kind]), kind, moving is not None)


def _apart(claimed: list[Job]) -> list[Job]:
    """Give pictures that share a name but for its ending, as a.jpg and a.png, their own targets.

    The name goes to whichever has its result there already, so that a newcomer to a folder changes
    nothing; else to the PNG, whichever of them came first. The others' endings become part of it.
    """
    if len(claimed) == 1:
        apart = _own_name(claimed[0])
        text = picture_text(apart.target) if what_is_wrong(apart.target) is None else {}
        # Where there were more of the name when its result was made, it is there.
        return [apart] if text and text.get("source") == _sha256(apart.source) else claimed

    target = claimed[0].target
    there = picture_text(target).get("source") if what_is_wrong(target) is None else None
    # The order of those that are alike in both stays.
    first, *others = sorted(
        claimed,
        key=lambda job: (
            not (there and _sha256(job.source) == there),
            job.source.suffix.lower() != ".png",
        ),
    )
    return [first] + [
        job if job.source.name == first.source.name else _own_name(job) for job in others
    ]


def _own_name(job: Job) -> Job:
    return replace(job, target=job.target.with_name(f"{job.source.name}{job.target.suffix}"))


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path) if what_is_wrong(path) is None else None
    except OSError:
        return None


def look_at(job: Job, request: Request) -> Skipped | Literal["kept", "outdated"] | None:
    """Return what is at a job's target: None for nothing, or what else.

    ``"kept"`` is its very result; ``"outdated"`` the result of this request for the file of that
    name before it changed, which nobody has edited: to make it anew loses nothing.

    A picture that cannot be read is said to have nothing there: it is named when it is its turn.
    """
    # A dangling link is there, too: perhaps to a disk that is not mounted now.
    if not os.path.lexists(job.target):
        return None
    if (source := _sha256(job.source)) is None:
        return None
    wanted = {"source": source} | request
    text = picture_text(job.target) if what_is_wrong(job.target) is None else {}
    differ = [name for name, value in wanted.items() if text.get(name) != value]
    if not differ:
        return "kept"
    if differ == ["source"] and text.get("place") == job.place and _is_untouched(job.target):
        return "outdated"
    if differ == ["source"]:
        reason = f"{job.target} is the result of another picture, or of this one before it changed"
    else:
        reason = f"{job.target} exists and is not an earlier result of this request"
        if text.keys() >= RESULT_KEYS:
            reason += f" (other {', '.join(WORDS[name] for name in differ)})"
    return Skipped(str(job.source), reason)


def _is_untouched(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return is_sealed(file)
    except OSError:  # gone
        return False


def measure(jobs: list[Job], target: Target) -> tuple[list[int], int]:
    """Return each job's pixels and the results' uncompressed bytes, by the files' headers."""
    pixels, needed = [], 0
    for job in jobs:
        try:
            with open_regular(job.source) as file, open_header(file) as picture:
                frames = getattr(picture, "n_frames", 1) if job.animated else 1
                count = picture.width * picture.height * frames
                width, height = target.size(picture.width, picture.height)
        except (OSError, ValueError, SyntaxError, DataError, UnidentifiedImageError):
            pixels.append(1)  # named when it is its turn
            continue
        pixels.append(count if count <= MAX_PIXELS else 1)  # larger ones will be refused
        needed += width * height * frames * 3 if count <= MAX_PIXELS else 0
    return pixels, needed
