"""Text entries by which a command knows its own earlier pictures from all others.

A command may replace a picture that the very same request has made before; anything else that is
in the way is somebody's work, and is refused.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from anime_pipeline.core.errors import UsageError


def is_earlier_result(path: Path, text: dict[str, str]) -> bool:
    """Tell whether the picture at `path` carries all of these text entries."""
    try:
        with Image.open(path) as picture:
            return text.items() <= {str(k): v for k, v in picture.info.items()}.items()
    except (OSError, ValueError, SyntaxError, TypeError):
        return False


def refuse_other_picture(path: Path, text: dict[str, str], or_else: str = "") -> None:
    """Refuse to write over anything but an earlier result of the same request.

    Args:
        path: What is to be written; it need not exist.
        text: Entries that the result will carry, and that tell requests apart.
        or_else: What else to do than choose another --out, such as "pass --overwrite".

    Raises:
        UsageError: If another file is there.
    """
    if path.exists() and not is_earlier_result(path, text):
        raise UsageError(
            f"{path} exists and is something else than an earlier result of this request. Choose "
            f"another --out{', or ' if or_else else ''}{or_else}."
        )
