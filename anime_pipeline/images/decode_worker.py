"""The process in which pictures of strangers are decoded: see `images.decoding`.

A decoder may be in C for as long as a picture likes, where neither Ctrl-C nor a thread can end it.
So the kernel does: a timer ends this process when its processor time is over, and the end of the
one that started it does, too.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from PIL import AvifImagePlugin, Image

from anime_pipeline.core.errors import DataError
from anime_pipeline.images import decode_messages as messages
from anime_pipeline.images.codec import (
    MAX_PIXELS,
    MoreMemoryError,
    NotAPictureError,
    Opened,
    has_alpha,
    open_header,
    to_rgb,
    to_rgba,
)
from anime_pipeline.images.decode_messages import Header, Limits, Want
from anime_pipeline.images.frames import kind_of, read_animation

ERRORS = {NotAPictureError: "not a picture", MoreMemoryError: "memory"}


def main() -> None:
    """Decode what comes on stdin until there is no more."""
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    _end_with_parent(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # As many threads as cores would each take memory, and the cores have other work.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    job = messages.read(jobs)
    while job is not None:
        job = _work(job, jobs, answers)


def _end_with_parent(lifeline: int) -> None:
    """Let the kernel end this process when nobody holds the other end of a pipe any more."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # whoever is asked to stop, stops this one
    for number in (signal.SIGIO, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)  # which is to end
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO, signal.SIGPROF})
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        if not os.read(lifeline, 1):  # it ended before the signal was asked for
            os._exit(1)


class _Meter:
    """Limits what one job takes, from its beginning."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begun_s = time.process_time()
        self._held = _address_space()
        self.allow(0)

    def allow(self, pixels: int) -> None:
        """Set both limits to what is left of those for so many pixels."""
        used_s = time.process_time() - self._begun_s
        signal.setitimer(signal.ITIMER_PROF, max(0.001, self._limits.cpu_for(pixels) - used_s))
        if self._held is not None:
            _limit_address_space(self._held + self._limits.memory_for(pixels))

    def end(self) -> None:
        """Lift both."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        if self._held is not None:
            _limit_address_space(resource.RLIM_INFINITY)


def _address_space() -> int | None:
    """Return how many bytes this process has in its address space; None where nobody tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _limit_address_space(most: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or most > hard):
        most = hard
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _work(job: dict[str, Any], jobs: IO[bytes], answers: IO[bytes]) -> dict[str, Any] | None:
    """Do one job; returns the next."""
    content = jobs.read(job["bytes"])
    meter = _Meter(Limits(job["cpu_s"], job["memory_bytes"]))
    following: dict[str, Any] | None = None
    try:
        picture = open_header(content, job["name"], tuple(job["formats"]) or None)
        header = _header_of(picture)
        meter.allow(header.pixels)
        _send(answers, vars(header))
        want = job["want"]
        if want is None:
            following = messages.read(jobs)
            if following is None or "bytes" in following:  # nobody wants the picture
                return following
            want = following["want"]
        del content
        _send_all(answers, *_decoded(picture, want))
    except DataError as error:
        _send(answers, {"error": str(error), "kind": ERRORS.get(type(error), "")})
    except MemoryError:
        _send(answers, {"error": "", "kind": ERRORS[MoreMemoryError]})
    finally:
        meter.end()
    return messages.read(jobs)


def _header_of(opened: Opened) -> Header:
    picture = opened.picture
    kind = kind_of(opened.content)
    frames = getattr(picture, "n_frames", 1) if kind else 1
    pixels = picture.width * picture.height
    # What has more is refused.
    whole = min(pixels * frames, max(pixels, MAX_PIXELS))
    moves = bool(getattr(picture, "is_animated", False))
    return Header(picture.format or "", picture.size, has_alpha(picture), moves, kind, whole)


def _decoded(opened: Opened, want: Want) -> tuple[dict[str, Any], Iterable[Image.Image]]:
    """Return what the answer says, and the pictures that follow it."""
    if want == "moving":
        animation = read_animation(opened.content, opened.name)
        facts = {"durations_ms": animation.durations_ms, "loop": animation.loop}
        return facts, animation.frames
    return {}, [simple(opened.load(), opened.name)]


def simple(picture: Image.Image, name: str) -> Image.Image:
    """Return an upright picture in one of three modes: L where it is grey, RGB or RGBA."""
    if has_alpha(picture):
        return picture if picture.mode == "RGBA" else Image.fromarray(to_rgba(picture, name))
    if picture.mode in ("L", "RGB"):
        return picture
    if picture.mode == "1" or picture.mode.startswith("I"):
        return Image.fromarray(to_rgb(picture, name)[..., 0])
    return Image.fromarray(to_rgb(picture, name))


def _send(answers: IO[bytes], message: dict[str, Any]) -> None:
    answers.write(messages.pack(message))
    answers.flush()


def _send_all(answers: IO[bytes], facts: dict[str, Any], pictures: Iterable[Image.Image]) -> None:
    pictures = list(pictures)
    first = pictures[0]
    _send(answers, facts | {"mode": first.mode, "size": first.size, "count": len(pictures)})
    for picture in pictures:
        for band in messages.bands(picture.size, len(first.mode)):
            answers.write(picture.crop(band).tobytes())
    answers.flush()


if __name__ == "__main__":
    main()
