"""Decoding pictures of strangers in a process that is ended when one takes too long.

Where there can be no such process (see `core.platform`), they are decoded by the caller, unlimited.
"""

import functools
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from anime_pipeline.core.errors import DataError, PipelineError
from anime_pipeline.core.files import MAX_PICTURE_BYTES, in_units, read_regular
from anime_pipeline.core.platform import ISOLATES, is_ready
from anime_pipeline.images import codec
from anime_pipeline.images.codec import MoreMemoryError
from anime_pipeline.images.decoding import messages
from anime_pipeline.images.decoding.messages import Header, Limits, Want, pack
from anime_pipeline.images.decoding.process import PROGRAM, DecoderProcess
from anime_pipeline.images.frames import Animation, read_animation

LIMITS = Limits()
TICK_S = 0.1  # how soon it is noticed that nobody wants a picture any more
# On a busy machine processor time comes slowly; what takes this many times as long hangs.
WALL_FACTOR, WALL_START_S = 20.0, 60.0
INSTEAD = "save it anew as plain PNG or JPEG"


class UnwantedError(PipelineError):
    """Nobody wants the picture any more; its decoding has been ended."""


class TooLongError(DataError):
    """A picture took more time than decoding may take."""


class Decoder(AbstractContextManager["Decoder"]):
    """Decodes one picture at a time in a process, which is started when it is first needed.

    Not to be shared by threads. It ends with the block that it is opened for, or when it is
    forgotten, or with this program.

    Example:
        >>> with Decoder() as decoder:
        ...     decoder.begin(content, "a.png")
        ...     decoder.still()
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        """Take the limits of each picture."""
        self._limits = limits
        self._process: DecoderProcess | None = None
        self._name = "image"
        self._header: Header | None = None
        self._here: Callable[[], codec.Opened] | None = None
        self._want: Want | None = None
        self._unwanted: Callable[[], bool] = bool
        self._deadline = 0.0
        self._answered = False

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it does; the next picture gets another."""
        if self._process:
            self._process.end()
        self._process, self._want = None, None

    def start(self) -> None:
        """Start the process without waiting for it, so that it is ready when it is needed."""
        if not ISOLATES:
            return
        if self._want or (self._process and not self._process.alive):
            self.close()  # it still has the picture that nobody came for
        if not self._process:
            self._process, self._answered = DecoderProcess(), False

    def begin(
        self,
        content: bytes,
        name: str = "image",
        formats: tuple[str, ...] = (),
        want: Want | None = None,
        unwanted: Callable[[], bool] | None = None,
    ) -> None:
        """Hand over a picture, and do not wait for it.

        Args:
            content: The file's bytes.
            name: How error messages call the picture.
            formats: The only ones to try, by Pillow's names; none for all that are known.
            want: What will be asked for, so that it is decoded meanwhile; None to decide by the
                header.
            unwanted: Asked several times a second while somebody waits.

        Raises:
            UnwantedError: As soon as that is so.
        """
        self.start()
        self._name, self._unwanted = name, unwanted or bool  # which is False
        self._header, self._want = None, want
        if not ISOLATES:
            self._here = functools.cache(lambda: codec.open_header(content, name, formats or None))
            return
        self._hurry(0)
        limits = astuple(self._limits)
        job = {"name": name, "formats": formats, "want": want, "limits": limits}
        self._send(pack(job | {"bytes": len(content)}))
        self._send(content)

    def header(self) -> Header:
        """Wait for what the picture's file says of it.

        Raises:
            NotAPictureError: If it is nothing that is known, or not in the formats asked for.
            DataError: If it is damaged, too large, or took longer or more memory than allowed.
            UnwantedError: If nobody wants it any more.
        """
        if self._here:
            return Header.of(self._here())
        if self._header is None:
            self._hurry(0)
            found = self._message()
            self._header = Header(**found | {"size": tuple(found["size"])})
        return self._header

    def still(self) -> Image.Image:
        """Wait for the picture, of an animation its first frame: see `codec.Opened`.

        Returns:
            An upright picture in sRGB, of mode L where the file is grey, RGB or RGBA.

        Raises:
            DataError: As from `header`.
            UnwantedError: If nobody wants it any more.
        """
        if self._here:
            return messages.simple(self._here().load(), self._name)
        return self._pictures("still")[1][0]

    def moving(self) -> Animation:
        """Wait for all frames of an animation: see `frames.read_animation`.

        Raises:
            DataError: As from `header`.
            UnwantedError: If nobody wants it any more.
        """
        if self._here:
            return read_animation(self._here().content, self._name)
        facts, frames = self._pictures("moving")
        return Animation(frames, facts["durations_ms"], facts["loop"])

    def _pictures(self, want: Want) -> tuple[dict[str, Any], list[Image.Image]]:
        pixels = self.header().pixels
        if self._want is None:
            self._want = want
            self._send(pack({"want": want}))
        self._hurry(pixels)
        facts = self._message()
        size, mode = tuple(facts["size"]), facts["mode"]
        if mode not in messages.MODES or size[0] * size[1] * facts["count"] > codec.MAX_PIXELS:
            self._fail(ValueError("an answer that is none"))
        pictures = [self._picture(size, mode) for _ in range(facts["count"])]
        self._want = None
        return facts, pictures

    def _picture(self, size: tuple[int, int], mode: str) -> Image.Image:
        """Receive a picture in parts, so that it is never held twice."""
        whole = Image.new(mode, size)
        for left, top, right, bottom in messages.bands(size, len(mode)):
            content = self._receive((right - left) * (bottom - top) * len(mode))
            part = Image.frombuffer(mode, (right - left, bottom - top), content, "raw", mode, 0, 1)
            whole.paste(part, (left, top))
        return whole

    def _message(self) -> dict[str, Any]:
        length = int.from_bytes(self._receive(messages.LENGTH_BYTES))
        if length > messages.MOST_MESSAGE_BYTES:
            self._fail(ValueError("an answer that is none"))
        message: dict[str, Any] = json.loads(self._receive(length))
        self._answered = True
        if "error" not in message:
            return message
        self._want = None
        if message["kind"] == "memory":
            self.close()  # what is left of its memory, nobody knows
            raise MoreMemoryError(
                f"{self._name}: decoding needs more than {in_units(self._limits.memory_bytes)} of "
                f"memory beyond that of its pixels; {INSTEAD}"
            )
        raise (codec.NotAPictureError if message["kind"] else DataError)(message["error"])

    def _hurry(self, pixels: int) -> None:
        """Begin to wait: processor time is the process' own affair, but it may also just hang."""
        seconds = WALL_START_S + WALL_FACTOR * self._limits.cpu_for(pixels)
        self._deadline = time.monotonic() + seconds

    def _send(self, content: bytes) -> None:
        self._talk(lambda process: process.write(content, self._wait))

    def _receive(self, size: int) -> bytearray:
        return self._talk(lambda process: process.read(size, self._wait))

    def _talk(self, act: Callable[[DecoderProcess], Any]) -> Any:
        if self._process is None:
            raise DataError(f"{self._name}: its decoding was ended")
        try:
            return act(self._process)
        except (EOFError, BrokenPipeError) as error:
            self._fail(error)
        except BaseException:
            self.close()  # half of something is under way
            raise

    def _wait(self, pipe: int, to_write: bool) -> None:
        while not is_ready(pipe, to_write, TICK_S):
            if self._unwanted():
                raise UnwantedError(f"{self._name}: nobody wants it any more")
            if time.monotonic() > self._deadline:
                raise TooLongError(
                    f"{self._name}: decoding did not come to an end; {INSTEAD}, or try again when "
                    "this machine has less to do"
                )

    def _fail(self, error: Exception) -> NoReturn:
        """Say in words why the process is no more."""
        code = self._process.code() if self._process else 0
        self.close()
        name, header = self._name, self._header
        ended_by = signal.Signals(-code).name if code < 0 else ""
        if ended_by == "SIGPROF":
            seconds = self._limits.cpu_for(header.pixels if header else 0)
            raise TooLongError(
                f"{name}: decoding took more than {seconds:g} s of processor time; {INSTEAD}"
            ) from None
        if ended_by == "SIGKILL":  # by the system, as a rule
            raise MoreMemoryError(
                f"{name}: its decoding was ended from outside, perhaps for want of memory; close "
                "other programs, or make it smaller"
            ) from None
        if ended_by:
            raise DataError(f"{name}: damaged picture (its decoder crashed: {ended_by})") from None
        if not self._answered:
            raise PipelineError(
                f"The decoder of pictures could not be started (exit code {code}). Install "
                f"anime-pipeline again; {sys.executable} -m {PROGRAM} 0 tells what is wrong."
            ) from error
        raise DataError(f"{name}: damaged picture (its decoder failed)") from error


def read_rgb(path: Path, decoder: Decoder | None = None) -> np.ndarray:
    """Read a picture file as RGB uint8 [H, W, 3], transparency over white.

    Args:
        path: The file.
        decoder: What decodes it; a process of its own without one.

    Raises:
        DataError: As from `Decoder.still`, or if it cannot be read; names the path.
    """
    try:
        content = read_regular(path, MAX_PICTURE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    with nullcontext(decoder) if decoder else Decoder() as used:
        return decode_rgb(content, str(path), used)


def decode_rgb(content: bytes, name: str, decoder: Decoder) -> np.ndarray:
    """Decode the content of a picture file as `read_rgb` does; `name` is what errors call it."""
    decoder.begin(content, name, want="still")
    return codec.to_rgb(decoder.still())
