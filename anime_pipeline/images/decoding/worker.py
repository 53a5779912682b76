"""The process in which pictures of strangers are decoded: see `images.decoding.decoder`.

A decoder may be in C for as long as a picture likes, where neither Ctrl-C nor a thread can end it.
So the kernel does: a timer ends this process when its processor time is over, and the end of the
one that started it does, too.
"""

import os
import sys
import time
from typing import IO, Any

from PIL import AvifImagePlugin

from anime_pipeline.core import platform
from anime_pipeline.core.errors import DataError
from anime_pipeline.images.codec import MoreMemoryError, NotAPictureError, Opened, open_header
from anime_pipeline.images.decoding import messages
from anime_pipeline.images.decoding.messages import Header, Limits, Want, simple
from anime_pipeline.images.frames import read_animation

ERRORS = {NotAPictureError: "not a picture", MoreMemoryError: "memory"}


def main() -> None:
    """Decode what comes on stdin until there is no more."""
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    platform.end_with_parent(int(sys.argv[1]))
    # As many threads as cores would each take memory, and the cores have other work.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    job = messages.read(jobs)
    while job is not None:
        job = _work(job, jobs, answers)


class _Meter:
    """Limits what one job takes, from its beginning."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begun_s = time.process_time()
        self._held = platform.held_bytes(reserved=True)
        self.allow(0)

    def allow(self, pixels: int) -> None:
        """Set both limits to what is left of those for so many pixels."""
        used_s = time.process_time() - self._begun_s
        platform.limit_processor_time(max(0.001, self._limits.cpu_for(pixels) - used_s))
        if self._held is not None:
            platform.limit_reserved_memory(self._held + self._limits.memory_for(pixels))

    def end(self) -> None:
        platform.limit_processor_time(0)
        if self._held is not None:
            platform.limit_reserved_memory(None)


def _work(job: dict[str, Any], jobs: IO[bytes], answers: IO[bytes]) -> dict[str, Any] | None:
    """Do one job; returns the next."""
    content = jobs.read(job["bytes"])
    meter = _Meter(Limits(*job["limits"]))
    try:
        picture = open_header(content, job["name"], tuple(job["formats"]) or None)
        header = Header.of(picture)
        meter.allow(header.pixels)
        _send(answers, vars(header))
        want = job["want"]
        if want is None:
            following = messages.read(jobs)
            if following is None or "bytes" in following:  # nobody wants the picture
                return following
            want = following["want"]
        del content
        _send_pictures(answers, picture, want)
    except DataError as error:
        _send(answers, {"error": str(error), "kind": ERRORS.get(type(error), "")})
    except MemoryError:
        _send(answers, {"error": "", "kind": ERRORS[MoreMemoryError]})
    finally:
        meter.end()
    return messages.read(jobs)


def _send(answers: IO[bytes], message: dict[str, Any]) -> None:
    answers.write(messages.pack(message))
    answers.flush()


def _send_pictures(answers: IO[bytes], opened: Opened, want: Want) -> None:
    facts: dict[str, Any] = {}
    if want == "moving":
        animation = read_animation(opened.content, opened.name)
        facts = {"durations_ms": animation.durations_ms, "loop": animation.loop}
        pictures = animation.frames
    else:
        pictures = [simple(opened.load(), opened.name)]
    first = pictures[0]
    _send(answers, facts | {"mode": first.mode, "size": first.size, "count": len(pictures)})
    for picture in pictures:
        for band in messages.bands(picture.size, len(first.mode)):
            answers.write(picture.crop(band).tobytes())
    answers.flush()


if __name__ == "__main__":
    main()
