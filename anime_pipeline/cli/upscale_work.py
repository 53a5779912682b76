"""What `upscale` does with one picture, and in a pipe: one from stdin, or to stdout."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from anime_pipeline.cli.common import print_json, progress_bar, say, waiting, wants_json
from anime_pipeline.cli.upscale_jobs import Request
from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.core.files import MAX_PICTURE_BYTES, in_units, read_regular
from anime_pipeline.core.storage import atomic_write
from anime_pipeline.images.decoding.decoder import Decoder
from anime_pipeline.images.frames import kind_of
from anime_pipeline.images.marks import picture_text, refuse_other_picture
from anime_pipeline.images.writing.save import SUFFIXES, check_size, write_animation, write_picture
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.runtime import require_bfloat16
from anime_pipeline.inference.spec import SOFTWARE, WEIGHTS
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import Extras, Upscaler
from anime_pipeline.models.blend import UpscalerFiles

STREAM = Path("-")

Write = Callable[[IO[bytes]], None]


class Preparation:
    """What every picture of a call shares; the network is loaded when it is first needed.

    Attributes:
        decoder: Decodes the pictures one after another; to be closed in the end.
        request: What results record of it.
    """

    def __init__(self, files: UpscalerFiles, target: Target, options: dict[str, Any]) -> None:
        self.decoder = Decoder()
        self.target = target
        self.quality: int = options["quality"]
        self._options = options
        if narrow := options["precision"] == "bfloat16":
            require_bfloat16()
        self.weights = files.load()
        settings = {
            "ensemble": options["ensemble"],
            f"back-project {options['back_project']}": options["back_project"],
            "bfloat16": narrow,
            f"quality {self.quality}": options["kind"] in ("jpg", "webp") or self.quality != 92,
        }
        said = ", ".join(text for text, applies in settings.items() if applies)
        self.request: Request = {
            WEIGHTS["srgan"]: self.weights.sha256,
            "scale": str(target),
            "settings": said or "plain",
        }

    @cached_property
    def enlarger(self) -> Enlarger:
        """The loaded network with all settings."""
        with waiting("Loading the model"):
            asked = self._options
            upscaler = Upscaler(self.weights, asked["precision"])
            extras = Extras(asked["ensemble"], asked["back_project"])
            return Enlarger(upscaler, self.target, extras, asked["max_memory"])

    def text(self, content: bytes) -> dict[str, str]:
        """Return what the result of a picture file's bytes records."""
        return {"source": hashlib.sha256(content).hexdigest()} | self.request


def writer(
    content: bytes,
    kind: str,
    animated: bool,
    prepare: Preparation,
    advance: Callable[[int, int], None],
    *,
    place: str = "",
) -> Write:
    """Check and prepare one picture; the function returned enlarges it while it is written.

    Args:
        content: The picture file's bytes.
        kind: The format to write.
        animated: Whether to write all frames.
        prepare: What every picture of the call shares.
        advance: Called with (done, total).
        place: As `Job.place`, of a picture that is a file beside others.

    Raises:
        DataError: If the picture, called "image", cannot be used; nothing is written then.
    """
    enlarger, quality = prepare.enlarger, prepare.quality
    text = SOFTWARE | prepare.text(content) | ({"place": place} if place else {})
    if animated:
        if kind == "jpg":
            raise DataError("image: moves, which JPEG cannot; choose another --format")
        prepare.decoder.begin(content, want="moving")
        moving = prepare.decoder.moving()
        check_size(enlarger.target.size(*moving.frames[0].size), kind)
        frames = enlarger.frames(moving.frames, advance, kind)
        return lambda file: write_animation(
            file, list(frames), moving.durations_ms, moving.loop, kind, quality, text
        )
    if kind == "gif":
        raise DataError("image: does not move, so GIF would only cost colours; choose PNG")
    prepare.decoder.begin(content, want="still")
    picture = prepare.decoder.still()
    check_size(enlarger.target.size(*picture.size), kind)
    result = enlarger(picture, advance, kind)
    return lambda file: write_picture(
        file, result.size, result.channels, result.strips, kind, quality, text
    )


def check_streams(paths: tuple[Path, ...], out: Path) -> None:
    """Refuse what cannot go through a pipe.

    Raises:
        UsageError: Saying what.
    """
    if STREAM in paths and len(paths) > 1:
        raise UsageError(
            f"Received: {', '.join(map(str, paths))}. Expected - (stdin) alone: leave "
            "the others out."
        )
    if STREAM in paths and sys.stdin is None:
        raise UsageError(f"Received {STREAM}, and stdin is closed. Name a file, or give it one.")
    if out != STREAM:
        return
    if len(paths) > 1 or paths[0].is_dir():
        raise UsageError(
            f"--out - writes one picture to stdout. Received: {', '.join(map(str, paths))}. "
            "Name a single file."
        )
    if wants_json():
        raise UsageError(f"Received --out {out} and --json, and both want stdout. Leave one out.")
    if sys.stdout.isatty():
        raise UsageError(
            f"--out {out} would write a picture to the terminal. Add where it goes: > x.png."
        )


def run_stream(
    path: Path, out: Path, kind: str, prepare: Preparation, overwrite: bool, is_file: bool
) -> None:
    """Enlarge stdin into a folder or file, or a single file or stdin to stdout.

    Args:
        path: The picture.
        out: Where to.
        kind: The format, or ``"auto"``.
        prepare: What does the work.
        overwrite: Whether the result replaces what is in the way.
        is_file: Whether `out` is the result, not its folder.
    """
    prepare.decoder.start()  # while the network is loaded
    content = _read(path)
    moving = kind_of(content)
    kind = kind if kind != "auto" else moving or "png"
    target = out if is_file else out / f"stdin{SUFFIXES[kind]}"
    wanted = prepare.text(content)
    if out != STREAM and not overwrite:
        refuse_other_picture(target, wanted, "pass --overwrite")
    kept = out != STREAM and picture_text(target).items() >= wanted.items()
    if not kept:
        with progress_bar("Upscaling (per mille)") as update:

            def advance(done: int, of: int) -> None:
                update(1000 * done // of, 1000)

            try:
                write = writer(content, kind, bool(moving), prepare, advance)
            except DataError as error:
                name = "stdin" if path == STREAM else path
                raise DataError(re.sub("^image(?=: )", lambda _: str(name), str(error))) from None
            if out == STREAM:
                finished = io.BytesIO()  # whole first: what reads the pipe gets all or nothing
                write(finished)
                sys.stdout.buffer.write(finished.getbuffer())
                sys.stdout.buffer.flush()
                return
            try:
                atomic_write(target, write, replace=overwrite)
            except FileExistsError:  # made in the meantime, by another call
                refuse_other_picture(target, wanted, "pass --overwrite")
                raise
    if wants_json():
        made: dict[str, list[Path]] = {"written": [], "kept": [], "skipped": []}
        made["kept" if kept else "written"].append(target)
        print_json({"weights": prepare.weights.facts(), **made})
    say(f"{'Kept' if kept else 'Upscaled into'} {target}")


def _read(path: Path) -> bytes:
    if path == STREAM:
        content = sys.stdin.buffer.read(MAX_PICTURE_BYTES + 1)
        if len(content) > MAX_PICTURE_BYTES:
            raise DataError(
                f"stdin: more than {in_units(MAX_PICTURE_BYTES)}. Expected one picture: Name it as "
                "a file, or make it smaller."
            )
        return content
    try:
        return read_regular(path, MAX_PICTURE_BYTES)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Name a picture file."
        ) from None
