"""Pictures that clients send: looked at before they are decoded, enlarged a tile at a time."""

from __future__ import annotations

import io
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from anime_pipeline.core.errors import DataError, PipelineError
from anime_pipeline.images.codec import open_picture
from anime_pipeline.images.png_stream import write_png_strips
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.web.problems import Problem
from anime_pipeline.web.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
NAME = "The picture"
# Others are served between two tiles, so they must be small: this one takes about a third of a
# second on two cores.
TILE_PX = 96
KEPT_TICKETS = 200


class CancelledError(PipelineError):
    """Its sender does not want the picture any more."""


@dataclass
class Progress:
    """How far an upload is."""

    state: str = "waiting"
    done: int = 0
    total: int = 0
    cancelled: bool = False


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


def check_upload(content: bytes) -> tuple[int, int]:
    """Look at a picture's header before anything is decoded.

    Returns:
        Width and height.

    Raises:
        Problem: 413 for too many bytes, 415 for no picture, 422 for too many pixels.
    """
    if len(content) > MAX_UPLOAD_BYTES:
        raise Problem(
            413, f"{NAME} has more than {MAX_UPLOAD_BYTES // 10**6} MB. Send a smaller file."
        )
    try:
        # Only these parsers ever see the bytes; their warnings are about what is refused below.
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=FORMATS) as found:
            warnings.simplefilter("ignore")
            width, height = found.size
    except UnidentifiedImageError:
        raise Problem(415, f"{NAME} is none of {', '.join(FORMATS)}. Send one of these.") from None
    except Exception as error:  # hostile bytes make the parsers raise whatever they like
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Problem(422, f"{NAME} is damaged ({reason}). Save it anew.") from None
    if width * height > MAX_UPLOAD_PIXELS:
        raise Problem(
            422,
            f"{NAME} has {width}x{height} pixels; {MAX_UPLOAD_PIXELS:,} are allowed. Make it "
            "smaller first.",
        )
    return width, height


def enlarge(
    content: bytes,
    upscaler: Upscaler,
    scale: int,
    text: dict[str, str],
    progress: Progress,
    pause: Callable[[], None],
) -> bytes:
    """Enlarge a picture whose header has been looked at.

    Args:
        content: Its file.
        upscaler: The network.
        scale: How many times.
        text: What the result's file records.
        progress: Kept up to date.
        pause: Called after each tile.

    Returns:
        A PNG.

    Raises:
        DataError: If it is damaged.
    """

    def advance(done: int, total: int) -> None:
        progress.state, progress.done, progress.total = "running", done, total
        if progress.cancelled:
            raise CancelledError("Cancelled, as you asked. Send the picture again to have it.")
        pause()

    advance(0, 0)
    picture = open_picture(content, NAME)
    if picture.width * picture.height > MAX_UPLOAD_PIXELS:
        raise DataError(f"{NAME} is larger than its header says. Save it anew.")
    result = Enlarger(upscaler, Target(scale), most_tile_px=TILE_PX)(picture, advance)
    buffer = io.BytesIO()
    write_png_strips(buffer, result.size, result.channels, result.strips, text)
    return buffer.getvalue()
