"""Free disk space, asked for before long work rather than found missing after it."""

from __future__ import annotations

import shutil
from pathlib import Path

from anime_pipeline.core.errors import PipelineError


def require_free(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Refuse to begin work that the disk cannot hold.

    Args:
        folder: Where the files will go; it need not exist yet.
        needed_bytes: What they will take, estimated from above.
        purpose: What they are, for the message.

    Raises:
        PipelineError: If less than that is free.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        from rich.filesize import decimal  # here: --help can do without

        raise PipelineError(
            f"Not enough disk space for {purpose}: {decimal(needed_bytes)} needed in {folder}, "
            f"{decimal(free_bytes)} free. Make room, or name a folder on another disk."
        )
