"""Pictures that clients send: decoded in processes of their own, enlarged a tile at a time."""

from __future__ import annotations

import io
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from PIL import Image, features

from anime_pipeline.images.codec import NotAPictureError
from anime_pipeline.images.decoding.answers import Header
from anime_pipeline.images.decoding.decoder import TICK_S, Decoder, UnwantedError
from anime_pipeline.images.decoding.messages import Limits
from anime_pipeline.images.writing.png_stream import write_png_strips
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.web.problems import Problem
from anime_pipeline.web.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS
from anime_pipeline.web.work import GIVEN_UP, BusyError, GivenUpError, LongJob

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", *(["AVIF"] if features.check("avif") else []))
NAME = "The picture"
# Others are served between two tiles, so they must be small: this one takes about a third of a
# second on two cores.
TILE_PX = 96
KEPT_TICKETS = 200
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
        decoder = self._wait(unwanted)
        try:
            yield decoder
        finally:
            self._free.put(decoder)

    def _wait(self, unwanted: Callable[[], bool]) -> Decoder:
        until = time.monotonic() + DECODE_WAIT_S
        while time.monotonic() < until:
            with suppress(queue.Empty):
                return self._free.get(timeout=TICK_S)
            if unwanted():
                raise UnwantedError(f"{NAME}: nobody wants it any more")
        raise BusyError(f"{self._count} pictures are being read already. Try again later.", 5)


decoders = Decoders(DECODERS, DECODE_LIMITS)


@dataclass
class Progress:
    """How far an upload is, and the job that works on it.

    Attributes:
        state: ``"waiting"``, ``"running"`` or, once its request is answered, ``"done"``.
        job: Holds the decoded picture; None before there is one and once its request is answered.
        given_up: Whether nobody wants it any more.
    """

    state: str = "waiting"
    done: int = 0
    total: int = 0
    job: LongJob | None = None
    given_up: bool = False

    def advance(self, done: int, total: int) -> None:
        """Note how far it is; nothing is noted of what nobody waits for."""
        if self.state != "done":
            self.state, self.done, self.total = "running", done, total


class Tickets:
    """The progress of the latest uploads, under names that their senders chose."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Progress] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, name: str | None) -> Progress:
        """Begin one; without a name nobody can ask for it.

        Raises:
            Problem: 409 if the name is in use.
        """
        progress = Progress()
        if name is None:
            return progress
        with self._lock:
            if name in self._found and self._found[name].state != "done":
                raise Problem(409, f"The ticket {name!r} is in use. Choose another.")
            self._found[name] = progress
            self._found.move_to_end(name)
            while len(self._found) > KEPT_TICKETS:
                self._found.popitem(last=False)
        return progress

    def get(self, name: str) -> Progress:
        """Return one.

        Raises:
            Problem: 404 if it is unknown.
        """
        with self._lock:
            if name not in self._found:
                raise Problem(404, f"No upload has the ticket {name[:64]!r}. Check its name.")
            return self._found[name]


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
        raise GivenUpError(GIVEN_UP) from None


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


def enlarge(
    picture: Image.Image,
    upscaler: Upscaler,
    scale: int,
    text: dict[str, str],
    progress: Progress,
    pause: Callable[[], None],
) -> bytes:
    """Enlarge a picture.

    Args:
        picture: See `decode`.
        upscaler: The network.
        scale: How many times.
        text: What the result's file records.
        progress: Kept up to date.
        pause: Called after each tile.

    Returns:
        A PNG.
    """

    def advance(done: int, total: int) -> None:
        pause()
        progress.advance(done, total)

    advance(0, 0)
    result = Enlarger(upscaler, Target(scale), most_tile_px=TILE_PX)(picture, advance)
    buffer = io.BytesIO()
    write_png_strips(buffer, result.size, result.channels, result.strips, text)
    return buffer.getvalue()
