"""Pictures that clients send, decoded in processes of their own: none is parsed in this one."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from PIL import Image, features

from anime_pipeline.images.codec import NotAPictureError
from anime_pipeline.images.decoding.decoder import TICK_S, Decoder, UnwantedError
from anime_pipeline.images.decoding.messages import Header, Limits
from anime_pipeline.web.errors import BusyError, GivenUpError, Problem
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", *(["AVIF"] if features.check("avif") else []))
NAME = "The picture"
MAX_RESULT_PIXELS = 64_000_000  # 4 megapixels four times as wide and high: two minutes on two cores
DECODERS = 2
# The largest upload takes 0.1 to 0.6 s. A hostile one keeps its decoder, and a core, as long as it
# may, and whoever waits must get a turn after it.
DECODE_LIMITS = Limits(cpu_s=5.0)
DECODE_WAIT_S = 20.0


class Decoders:
    """A few decoder processes that requests take turns with."""

    def __init__(self, count: int, limits: Limits) -> None:
        """Take how many there are; each is started when it is first needed."""
        self._count = count
        self._free: queue.LifoQueue[Decoder] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(Decoder(limits))

    @contextmanager
    def one(self, unwanted: Callable[[], bool]) -> Iterator[Decoder]:
        """Wait for a free one and hold it.

        Raises:
            BusyError: If none becomes free.
            UnwantedError: If nobody waits for it any more.
        """
        until = time.monotonic() + DECODE_WAIT_S
        while True:
            with suppress(queue.Empty):
                decoder = self._free.get(timeout=TICK_S)
                break
            if unwanted():
                raise UnwantedError(f"{NAME}: nobody wants it any more")
            if time.monotonic() > until:
                raise BusyError(f"{self._count} pictures are being read. Try again later.", 5)
        try:
            yield decoder
        finally:
            self._free.put(decoder)


decoders = Decoders(DECODERS, DECODE_LIMITS)


def decode(content: bytes, scale: int, unwanted: Callable[[], bool]) -> Image.Image:
    """Decode a picture that may be enlarged; none of its bytes is parsed in this process.

    Args:
        content: The file.
        scale: How many times it shall be enlarged.
        unwanted: Asked several times a second whether nobody waits for it any more.

    Raises:
        Problem: 413 for too many bytes, 415 for no picture, 422 for too much work.
        DataError: If it is damaged, or takes longer or more memory than is given to one.
        BusyError: If others are being decoded all the time.
        GivenUpError: If nobody waits for it.
    """
    if not content:
        raise Problem(415, f"{NAME} is empty (0 bytes). Send one of {', '.join(FORMATS)}.")
    if len(content) > MAX_UPLOAD_BYTES:
        raise Problem(
            413, f"{NAME} has more than {MAX_UPLOAD_BYTES // 10**6} MB. Send a smaller file."
        )
    try:
        # In the request's own thread: the one of the models has better things to do.
        with decoders.one(unwanted) as decoder:
            decoder.begin(content, NAME, FORMATS, unwanted=unwanted)
            check_header(decoder.header(), scale)
            return decoder.still()
    except NotAPictureError:
        raise Problem(415, f"{NAME} is none of {', '.join(FORMATS)}. Send one of these.") from None
    except UnwantedError:
        raise GivenUpError() from None


def check_header(found: Header, scale: int) -> None:
    """Refuse what would be too much work, before anything is decoded.

    Raises:
        Problem: 422, saying why.
    """
    width, height = found.size
    if found.moves:
        raise Problem(
            422,
            f"{NAME} is an animation, of which only one frame would be enlarged. Send that, or "
            "enlarge all with `anime-pipeline upscale`.",
        )
    if width * height > MAX_UPLOAD_PIXELS:
        raise Problem(
            422,
            f"{NAME} has {width}x{height} pixels; {MAX_UPLOAD_PIXELS:,} are allowed. Make it "
            "smaller first.",
        )
    if width * height * scale**2 * (2 if found.alpha else 1) > MAX_RESULT_PIXELS:
        raise Problem(
            422,
            f"{NAME} has {width}x{height} pixels{' and transparency' if found.alpha else ''}, too "
            f"many for {scale} times. Choose a smaller scale, or make it smaller first.",
        )
