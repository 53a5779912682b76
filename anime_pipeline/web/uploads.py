"""Pictures that clients send: looked at before they are decoded, enlarged a tile at a time."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError, features

from anime_pipeline.images.codec import has_alpha, open_picture
from anime_pipeline.images.png_chunks import without_damaged_extras
from anime_pipeline.images.png_stream import write_png_strips
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.web.parts import FewReads, TooManyPartsError, has_many_chunks
from anime_pipeline.web.problems import Problem
from anime_pipeline.web.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS
from anime_pipeline.web.work import BusyError, LongJob

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", *(["AVIF"] if features.check("avif") else []))
NAME = "The picture"
# Others are served between two tiles, so they must be small: this one takes about a third of a
# second on two cores.
TILE_PX = 96
KEPT_TICKETS = 200
MAX_RESULT_PIXELS = 64_000_000  # 4 megapixels four times as wide and high: two minutes on two cores
JPEG_SCAN, MOST_SCANS = b"\xff\xda", 200  # a thumbnail has some too; files have about ten
TOO_MANY_PARTS = f"{NAME} is cut into far too many parts. Save it anew."
DECODERS = 2
DECODE_WAIT_S = 10.0

_decoding = threading.BoundedSemaphore(DECODERS)


@dataclass
class Progress:
    """How far an upload is, and the job that works on it.

    Attributes:
        state: ``"waiting"``, ``"running"`` or, once its request is answered, ``"done"``.
        job: Holds the decoded picture; None before there is one and once its request is answered.
    """

    state: str = "waiting"
    done: int = 0
    total: int = 0
    job: LongJob | None = None

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


def check_upload(content: bytes, scale: int) -> None:
    """Look at a picture's header before anything is decoded.

    Args:
        content: The file.
        scale: How many times it shall be enlarged.

    Raises:
        Problem: 413 for too many bytes, 415 for no picture, 422 for too much work.
    """
    if len(content) > MAX_UPLOAD_BYTES:
        raise Problem(
            413, f"{NAME} has more than {MAX_UPLOAD_BYTES // 10**6} MB. Send a smaller file."
        )
    # Damaged side chunks are left out as when decoding, but looking for them in many takes long.
    header = content if has_many_chunks(content) else without_damaged_extras(content)
    try:
        # Only these parsers ever see the bytes.
        with Image.open(FewReads(header), formats=FORMATS) as found:
            kind, (width, height), alpha = found.format, found.size, has_alpha(found)
            moves = getattr(found, "is_animated", False)
    except UnidentifiedImageError:
        raise Problem(415, f"{NAME} is none of {', '.join(FORMATS)}. Send one of these.") from None
    except TooManyPartsError:
        raise Problem(422, TOO_MANY_PARTS) from None
    except Exception as error:  # hostile bytes make the parsers raise whatever they like
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Problem(422, f"{NAME} is damaged ({reason}). Save it anew.") from None
    if moves:
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
    if width * height * scale**2 * (2 if alpha else 1) > MAX_RESULT_PIXELS:
        raise Problem(
            422,
            f"{NAME} has {width}x{height} pixels{' and transparency' if alpha else ''}, too many "
            f"for {scale} times. Choose a smaller scale, or make it smaller first.",
        )
    # Those behind the pixels are read when these are.
    if kind == "PNG" and has_many_chunks(content):
        raise Problem(422, TOO_MANY_PARTS)
    # Each scan of a progressive JPEG is decoded over the whole picture, and a few bytes make one.
    if kind in ("JPEG", "MPO") and content.count(JPEG_SCAN) > MOST_SCANS:
        raise Problem(422, f"{NAME} has more than {MOST_SCANS} JPEG scans. Save it anew.")


def decode(content: bytes) -> Image.Image:
    """Decode a picture whose header has been looked at.

    Raises:
        BusyError: If others are being decoded all the time.
        DataError: If it is damaged.
    """
    # In the request's own thread: the one of the models has better things to do.
    if not _decoding.acquire(timeout=DECODE_WAIT_S):
        raise BusyError(f"{DECODERS} pictures are being read already. Try again later.", 5)
    try:
        return open_picture(content, NAME, FORMATS)
    finally:
        _decoding.release()


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
