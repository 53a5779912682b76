"""Arrays on disk: what damaged files may raise, and the check that keeps bad numbers out."""

from __future__ import annotations

import tokenize
import zipfile
import zlib

import numpy as np

from anime_pipeline.core.errors import PipelineError

# What reading damaged bytes as a zip of arrays may raise.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    MemoryError,  # a header that claims more than there is
    SyntaxError,  # NumPy's headers are Python literals
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def check_finite(arrays: dict[str, np.ndarray]) -> None:
    """Refuse arrays that hold anything but finite numbers, so that no such file is ever written.

    Raises:
        PipelineError: Naming the first bad array.
    """
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise PipelineError(
                f"{name} holds values that are no finite numbers, so nothing was written. If "
                "training diverged, the last saved state is whole: Start again with a smaller "
                "learning rate or another --loss."
            )
