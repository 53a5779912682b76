"""Text entries by which a command knows its own earlier pictures from all others.

A command may replace a picture that the very same request has made before; anything else that is
in the way is somebody's work, and is refused.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import open_regular
from anime_pipeline.images.headers import open_header
from anime_pipeline.images.writing.save import IMAGE_DESCRIPTION

WRITTEN = ("PNG", "JPEG", "WEBP", "GIF")  # what results are written as, by Pillow's names


def picture_text(path: Path) -> dict[str, str]:
    """Return the text entries of a picture; empty for anything that is none."""
    try:
        with open_regular(path) as file, open_header(file, WRITTEN) as picture:
            text = {str(k): v for k, v in picture.info.items() if isinstance(v, str)}
            # JPEG and WebP have no text entries but EXIF's; a GIF has one comment. Of a PNG without
            # any, Pillow would decode the pixels to look behind them.
            known = picture.format != "PNG" or "exif" in picture.info
            described = picture.getexif().get(IMAGE_DESCRIPTION) if known else None
            described = described or picture.info.get("comment")
            return text | (_entries(described) if described else {})
    except Exception:  # hostile bytes make the decoders raise anything
        return {}


def _entries(described: str | bytes) -> dict[str, str]:
    try:
        found = json.loads(described)
    except ValueError:
        return {}  # somebody's words about a picture
    return {str(key): value for key, value in found.items() if isinstance(value, str)}


def refuse_other_picture(
    path: Path,
    text: dict[str, str],
    or_else: str = "",
    read: Callable[[dict[str, str]], dict[str, str]] = dict,
) -> None:
    """Refuse to write over anything but an earlier result of the same request.

    Args:
        path: What is to be written; it need not exist.
        text: Entries that the result will carry, and that tell requests apart.
        or_else: What else to do than choose another --out, such as "pass --overwrite".
        read: Gives the entries that are there the names that `text` has.

    Raises:
        UsageError: If another file is there.
    """
    # A dangling link is there, too: perhaps to a disk that is not mounted now.
    if not os.path.lexists(path):
        return
    found = read(picture_text(path))
    differ = [name for name, value in text.items() if found.get(name) != value]
    if differ:
        raise UsageError(
            f"{path} exists and is not an earlier result of this request ({', '.join(differ)} "
            f"differ). Choose another --out{', or ' if or_else else ''}{or_else}."
        )
