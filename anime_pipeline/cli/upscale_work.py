"""What `upscale` does with one picture, whichever way it came in and goes out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import IO, Any

from anime_pipeline.cli.common import waiting
from anime_pipeline.cli.upscale_jobs import Request
from anime_pipeline.core.errors import DataError
from anime_pipeline.images.decoding.decoder import Decoder
from anime_pipeline.images.writing.save import check_size, write_animation, write_picture
from anime_pipeline.inference.bfloat16 import require_bfloat16
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.spec import SOFTWARE, WEIGHTS
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import Extras, Upscaler
from anime_pipeline.models.blend import UpscalerFiles

Write = Callable[[IO[bytes]], None]


class Preparation:
    """What every picture of a call shares; the network is loaded when it is first needed.

    Attributes:
        decoder: Decodes the pictures one after another; to be closed in the end.
        request: What results record of it.
    """

    def __init__(self, files: UpscalerFiles, target: Target, options: dict[str, Any]) -> None:
        self.decoder = Decoder()
        self.target = target
        self.quality: int = options["quality"]
        self._options = options
        narrow = options["precision"] == "bfloat16"
        if narrow:
            require_bfloat16()
        self.weights = files.load()
        settings = {
            "ensemble": options["ensemble"],
            f"back-project {options['back_project']}": options["back_project"],
            "bfloat16": narrow,
            f"quality {self.quality}": options["kind"] in ("jpg", "webp") or self.quality != 92,
        }
        said = ", ".join(text for text, applies in settings.items() if applies)
        self.request: Request = {
            WEIGHTS["srgan"]: self.weights.sha256,
            "scale": str(target),
            "settings": said or "plain",
        }

    @cached_property
    def enlarger(self) -> Enlarger:
        """The loaded network with all settings."""
        with waiting("Loading the model"):
            asked = self._options
            upscaler = Upscaler(self.weights, asked["precision"])
            extras = Extras(asked["ensemble"], asked["back_project"])
            return Enlarger(upscaler, self.target, extras, asked["max_memory"])

    def text(self, content: bytes) -> dict[str, str]:
        """Return what the result of a picture file's bytes records."""
        return {"source": hashlib.sha256(content).hexdigest()} | self.request


def writer(
    content: bytes,
    kind: str,
    animated: bool,
    prepare: Preparation,
    advance: Callable[[int, int], None],
    *,
    place: str = "",
) -> Write:
    """Check and prepare one picture; the function returned enlarges it while it is written.

    Args:
        content: The picture file's bytes.
        kind: The format to write.
        animated: Whether to write all frames.
        prepare: What every picture of the call shares.
        advance: Called with (done, total).
        place: As `Job.place`, of a picture that is a file beside others.

    Raises:
        DataError: If the picture, called "image", cannot be used; nothing is written then.
    """
    enlarger, quality = prepare.enlarger, prepare.quality
    text = SOFTWARE | prepare.text(content) | ({"place": place} if place else {})
    if animated:
        if kind == "jpg":
            raise DataError("image: moves, which JPEG cannot; choose another --format")
        prepare.decoder.begin(content, want="moving")
        moving = prepare.decoder.moving()
        check_size(enlarger.target.size(*moving.frames[0].size), kind)
        frames = enlarger.frames(moving.frames, advance, kind)
        return lambda file: write_animation(
            file, list(frames), moving.durations_ms, moving.loop, kind, quality, text
        )
    if kind == "gif":
        raise DataError("image: does not move, so GIF would only cost colours; choose PNG")
    prepare.decoder.begin(content, want="still")
    picture = prepare.decoder.still()
    check_size(enlarger.target.size(*picture.size), kind)
    result = enlarger(picture, advance, kind)
    return lambda file: write_picture(
        file, result.size, result.channels, result.strips, kind, quality, text
    )
