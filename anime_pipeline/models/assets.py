"""Where weights lie that are not ours to ship: the folder that `$ANIME_PIPELINE_ASSETS` names.

Nowhere else is looked: what a run learns and is measured by must not change by itself.
"""

from __future__ import annotations

import os
from pathlib import Path

VGG_FILE = "vgg16_notop_torch.npz"
LPIPS_FILES = {"alex": "lpips_alexnet.npz", "vgg": VGG_FILE}


def find_asset(name: str) -> Path | None:
    """Return a file of the folder, if it is there."""
    folder = os.environ.get("ANIME_PIPELINE_ASSETS")
    path = Path(folder, name) if folder else None
    return path if path and path.is_file() else None
