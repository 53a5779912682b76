"""What `upscale` does with one picture, whichever way it came in and goes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from anime_pipeline.cli.common import waiting
from anime_pipeline.cli.upscale_jobs import Request
from anime_pipeline.core.errors import DataError
from anime_pipeline.inference.spec import SOFTWARE

if TYPE_CHECKING:
    from anime_pipeline.inference.enlarge import Enlarger
    from anime_pipeline.inference.target import Target
    from anime_pipeline.models.blend import UpscalerFiles


Write = Callable[[IO[bytes]], None]


class Preparation:
    """What every picture of a call shares; the network is loaded when it is first needed.

    Attributes:
        decoder: Decodes the pictures one after another; to be closed in the end.
    """

    def __init__(self, files: UpscalerFiles, target: Target, options: dict[str, Any]) -> None:
        from anime_pipeline.images.decoding.decoder import Decoder

        self.decoder = Decoder()
        self.target = target
        self.quality: int = options["quality"]
        self._options = options
        narrow = options["precision"] == "bfloat16"
        if narrow:
            from anime_pipeline.inference.runtime import require_bfloat16

            require_bfloat16()
        self.weights = files.load()
        settings = {
            "ensemble": options["ensemble"],
            f"back-project {options['back_project']}": options["back_project"],
            "bfloat16": narrow,
            f"quality {self.quality}": options["kind"] in ("jpg", "webp") or self.quality != 92,
        }
        said = ", ".join(text for text, applies in settings.items() if applies)
        self.request = Request(options["kind"], str(target), said, self.weights.sha256)

    @cached_property
    def enlarger(self) -> Enlarger:
        """The loaded network with all settings."""
        with waiting("Loading the model"):
            from anime_pipeline.inference.enlarge import Enlarger
            from anime_pipeline.inference.upscaler import Extras, Upscaler

            asked = self._options
            upscaler = Upscaler(self.weights, asked["precision"])
            extras = Extras(asked["ensemble"], asked["back_project"])
            return Enlarger(upscaler, self.target, extras, asked["max_memory"])


def writer(
    content: bytes,
    kind: str,
    animated: bool,
    enlarger: Enlarger,
    prepare: Preparation,
    advance: Callable[[int, int], None],
    *,
    name: str = "image",
    place: str = "",
) -> Write:
    """Check and prepare one picture; the function returned enlarges it while it is written.

    Args:
        content: The picture file's bytes.
        kind: The format to write.
        animated: Whether to write all frames.
        enlarger: What does the work.
        prepare: What every picture of the call shares.
        advance: Called with (done, total).
        name: How error messages call the picture.
        place: As `Job.place`, of a picture that is a file beside others.

    Raises:
        DataError: If the picture cannot be used; nothing is written then.
    """
    from anime_pipeline.images.writing.save import check_size, write_animation, write_picture

    with _named(name):
        text = SOFTWARE | prepare.request.text(content)
        text |= {"place": place} if place else {}
        if animated:
            if kind == "jpg":
                raise DataError("image: moves, which JPEG cannot; choose another --format")
            prepare.decoder.begin(content, want="moving")
            animation = prepare.decoder.moving()
            size = enlarger.target.size(*animation.frames[0].size)
            check_size(size, kind)
            frames = enlarger.frames(animation.frames, advance, kind)
            return lambda file: write_animation(
                file,
                list(frames),
                animation.durations_ms,
                animation.loop,
                kind,
                prepare.quality,
                text,
            )
        if kind == "gif":
            raise DataError("image: does not move, so GIF would only cost colours; choose PNG")
        prepare.decoder.begin(content, want="still")
        picture = prepare.decoder.still()
        check_size(enlarger.target.size(*picture.size), kind)
        result = enlarger(picture, advance, kind)
        return lambda file: write_picture(
            file, result.size, result.channels, result.strips, kind, prepare.quality, text
        )


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Let errors call the picture by its name; whoever finds the fault knows only "image"."""
    try:
        yield
    except DataError as error:
        message = str(error)
        if name == "image" or not message.startswith("image: "):
            raise
        raise DataError(f"{name}: {message.removeprefix('image: ')}") from None
