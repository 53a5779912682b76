"""CelebA-style folders: `img_align_celeba/*.jpg` beside a table of +-1 attributes.

Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015. Both the original `.txt` (count
line, then names, then rows separated by spaces) and the common `.csv` re-export are read.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from anime_pipeline.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

IMAGE_FOLDER = "img_align_celeba"
ATTRIBUTE_FILES = ("list_attr_celeba.csv", "list_attr_celeba.txt")


def find_attribute_table(root: Path) -> Path | None:
    """Return the attribute table in `root` (or in its parent, if `root` is the image folder)."""
    folders = (root, root.parent) if root.name == IMAGE_FOLDER else (root,)
    for folder in folders:
        for name in ATTRIBUTE_FILES:
            if (folder / name).is_file():
                return folder / name
    return None


def read_attributes(path: Path) -> pd.DataFrame:
    """Read the attribute table.

    Returns:
        Frame of booleans indexed by image file name, one column per attribute.

    Raises:
        DataError: If the table cannot be parsed or holds values other than -1 and 1.
    """
    import pandas as pd  # here: takes longer to import than most folders to read

    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".txt":
            lines = text.splitlines()
            # The original starts with the number of rows on a line of its own.
            body = lines[1:] if lines and lines[0].strip().isdigit() else lines
            names = body[0].split() if body else []
            frame = pd.read_csv(
                io.StringIO("\n".join(body[1:])), sep=r"\s+", names=["image_id", *names]
            )
            frame = frame.set_index("image_id")
        else:
            frame = pd.read_csv(io.StringIO(text), index_col=0)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(
            f"{path}: not a CelebA attribute table ({error}). Expected a header of names, "
            "then one row a picture with its file name first."
        ) from None
    if frame.empty or not frame.isin([-1, 1]).all(axis=None):
        raise DataError(
            f"{path}: not a CelebA attribute table. Expected values -1 and 1 below a "
            "header of names."
        )
    frame.index = frame.index.astype(str)
    return frame == 1
