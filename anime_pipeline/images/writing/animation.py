"""Frames as a GIF or an MP4."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.storage import atomic_write_bytes
from anime_pipeline.images.writing.save import write_animation


def encode_gif(frames: np.ndarray, fps: float, comment: str = "") -> bytes:
    """Encode frames uint8 [T, H, W, 3] as a GIF that repeats for ever."""
    file = io.BytesIO()
    write_animation(file, list(frames), [round(1000 / fps)] * len(frames), 0, "gif", 100, comment)
    return file.getvalue()


def write_gif(path: Path, frames: np.ndarray, fps: float, comment: str = "") -> None:
    """Write a GIF atomically; see `encode_gif`."""
    atomic_write_bytes(path, encode_gif(frames, fps, comment))


def write_mp4(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write frames uint8 [T, H, W, 3] as MPEG-4 video; odd sides lose a pixel.

    Raises:
        PipelineError: If this build of OpenCV cannot encode it.
    """
    height, width = (side - side % 2 for side in frames.shape[1:3])
    path.parent.mkdir(parents=True, exist_ok=True)
    # OpenCV writes only to paths; the finished bytes then go through the one atomic write.
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "video.mp4")
        video = cv2.VideoWriter(made, cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        if not video.isOpened():
            raise PipelineError(
                f"{path}: this build of OpenCV cannot write MP4. Choose a name that ends in .gif."
            )
        for frame in frames:
            video.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))
        video.release()
        atomic_write_bytes(path, Path(made).read_bytes())
