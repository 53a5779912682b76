"""The pipeline as commands use it: by their options, with progress, replacing nobody's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anime_pipeline.cli.common import progress_bar, waiting

if TYPE_CHECKING:
    from anime_pipeline.inference.pipeline import Pipeline


def load_pipeline(options: Mapping[str, Any]) -> Pipeline:
    """Load what `weights_options` and ``--upscale`` ask for; without that, stage one alone."""
    from anime_pipeline import Pipeline

    with waiting("Loading the models"):
        stage_two = (options["upscaler"], options["realism"]) if options["upscale"] else ()
        pipeline = Pipeline.load(options["checkpoint"], *stage_two)
        if options["upscale"]:
            _ = pipeline.upscaler  # loaded before any work, so that what is wrong shows at once
    return pipeline


@contextmanager
def stage_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar for each stage in turn; yields what `Pipeline` takes for `progress`."""
    with ExitStack() as shown:
        bars: dict[str, Callable[[int, int], None]] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                shown.close()  # one at a time
                bars[stage] = shown.enter_context(progress_bar(stage))
            bars[stage](done, total)

        yield update


def refuse_other_face(path: Path, texts: Mapping[str, str]) -> None:
    """Refuse to write over anything but the same request's picture, of version 0.5 too.

    Raises:
        UsageError: If another file is there.
    """
    from anime_pipeline.images.marks import refuse_other_picture
    from anime_pipeline.inference.spec import as_request

    refuse_other_picture(path, as_request(texts), "pass --overwrite", as_request)


def as_document(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the entries of a picture as the JSON of commands has had them from the start."""
    from anime_pipeline.inference.spec import SOFTWARE, WEIGHTS

    names = {WEIGHTS["dcgan"]: "weights"}
    return {names.get(k, k): value for k, value in texts.items() if k not in SOFTWARE}
