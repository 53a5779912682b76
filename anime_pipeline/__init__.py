"""Two-stage anime face generation: a DCGAN draws 32x32 faces, an SRGAN upsamples them 4x."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anime_pipeline.inference.pipeline import Pipeline
    from anime_pipeline.inference.spec import FaceSpec

__all__ = ["FaceSpec", "Pipeline", "__version__"]
__version__ = "0.5.0"

_HOMES = {"FaceSpec": "spec", "Pipeline": "pipeline"}


def __getattr__(name: str) -> Any:
    """Import the front door when it is first asked for: commands and `--version` need none."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.inference.{_HOMES[name]}"), name)
