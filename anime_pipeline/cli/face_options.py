"""What every command that draws faces takes and loads: weights, and what the faces shall show."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from anime_pipeline.cli import complete
from anime_pipeline.cli.common import FiniteRange, Function, joined, progress_bar, say, waiting
from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.words import RANDOM, WORDS
from anime_pipeline.inference import spec
from anime_pipeline.inference.pipeline import Pipeline

# What can be wished for of every face, by the names that conditions have for it.
OPTIONS = {"hair": "--hair", "skin": "--skin", "eyes": "--eyes", "length": "--hair-length"}


def realism_option(end: str, default: str) -> Callable[[Function], Function]:
    """Add `--realism`; without it None, and the weights that were named are taken as they are."""
    return click.option(
        "--realism",
        type=FiniteRange(0, 1),
        help=f"Between the fidelity (0) and {end} (1) upscaler {default}.",
    )


def colour_option(part: str, words: str) -> Callable[[Function], Function]:
    """Add `--hair` or `--skin`, with the names of colours for Tab."""
    return click.option(f"--{part}", shell_complete=complete.colour_names, help=words)


def word_option(name: str, words: str) -> Callable[[Function], Function]:
    """Add the option for a name in `WORDS`, with its words for Tab."""
    return click.option(OPTIONS[name], name, shell_complete=complete.words, help=words)


weights_options = joined(
    click.option(
        "--checkpoint",
        shell_complete=complete.weights_names,
        default="dcgan",
        help="Stage one: a shipped name, a .npz file or a run folder.",
    ),
    click.option(
        "--upscaler",
        shell_complete=complete.weights_names,
        help="Stage two: a shipped name, a .npz file or a run folder [default: the shipped pair].",
    ),
    realism_option("the faces", "[default: 1; weights that are named: as they are]"),
)
stages_options = joined(
    click.option("--upscale", is_flag=True, help="Upscale 4x with stage two: 128 px faces."),
    weights_options,
)
truncation_option = click.option(
    "--truncation",
    type=FiniteRange(0, spec.MOST_TRUNCATION),
    default=1.0,
    help="Below 1: faces more alike and more regular.",
)
_OR_RANDOM = "or random [default: random, as training pictures have it]."
attribute_options = joined(
    colour_option("hair", f"A name, #rrggbb, {_OR_RANDOM}"),
    colour_option("skin", f"A name, #rrggbb, {_OR_RANDOM}"),
    word_option("eyes", f"{', '.join(WORDS['eyes'])}, {_OR_RANDOM}"),
    word_option("length", f"{', '.join(WORDS['length'])}, {_OR_RANDOM}"),
    truncation_option,
)


def read_attributes(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Return colours and words by name; what is None or ``"random"`` is left out.

    Args:
        texts: What the options say, by name; those that are no attributes are passed over.

    Raises:
        UsageError: If a text is no colour, or none of the words.
    """
    read = {
        name: spec.read_attribute(name, texts.get(name), f"value for {option}")
        for name, option in OPTIONS.items()
    }
    return {name: value for name, value in read.items() if value is not None}


def gather_attributes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return colours and words by name, and True or False by tag.

    --hair, --skin, --eyes and --hair-length come before --prompt, and that before --like.

    Args:
        options: Those of `generate`, by name; what is not asked for may be missing.

    Raises:
        UsageError: If a prompt says nothing that can be drawn, or an attribute cannot be read.
        DataError: If the picture cannot be read.
    """
    tags, not_tags = options.get("tags", ()), options.get("not_tags", ())
    if both := set(tags) & set(not_tags):
        raise UsageError(
            f"Received --with and --without for {', '.join(sorted(both))}. Leave one out."
        )
    asked = read_attributes(options)
    attributes: dict[str, Any] = dict.fromkeys(tags, True) | dict.fromkeys(not_tags, False)
    if options.get("like") is not None:
        from anime_pipeline.data.estimate import estimate_colors
        from anime_pipeline.images.decoding.decoder import read_rgb

        attributes |= vars(estimate_colors(read_rgb(options["like"])))
    if (text := options.get("prompt")) is not None:
        from anime_pipeline.data.prompt import parse_prompt

        prompt = parse_prompt(text)
        if not prompt.attributes:
            raise UsageError(
                f"Invalid value for --prompt: {text!r}. Expected something about hair, skin or "
                "eyes, such as 'long silver hair, tan skin, blue eyes': nothing else can be asked "
                "for."
            )
        if prompt.ignored:
            said = "only colour and length of hair, skin and the colour of eyes can be"
            say(f"Not drawn ({said}): {', '.join(prompt.ignored)}")
        if twice := [OPTIONS[name] for name in prompt.attributes if name in asked]:
            say(f"The prompt speaks of that too: {', '.join(twice)} comes first.")
        attributes |= prompt.attributes
    return attributes | asked


def only_known(
    attributes: Mapping[str, Any], options: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """Leave out words that a prompt alone asked for and that weights know nothing of; say so.

    A prompt says much that cannot be drawn. If nothing would be left, or an option asked for it,
    the weights refuse it themselves.

    Args:
        attributes: What `gather_attributes` returned.
        options: The command's options by name.
        names: What the weights know.
    """
    lost = {
        name: attribute
        for name, attribute in attributes.items()
        if name in WORDS and name not in names and options.get(name) in (None, RANDOM)
    }
    if not lost or len(lost) == len(attributes):
        return dict(attributes)
    said = {"eyes": "{} eyes", "length": "{} hair"}
    words = ", ".join(said[name].format(attribute) for name, attribute in lost.items())
    say(f"Not drawn (these weights know nothing of it): {words}")
    return {name: attribute for name, attribute in attributes.items() if name not in lost}


def load_pipeline(options: Mapping[str, Any]) -> Pipeline:
    """Load what `weights_options` and ``--upscale`` ask for; without that, stage one alone."""
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

    refuse_other_picture(path, spec.as_request(texts), "pass --overwrite", spec.as_request)


def as_document(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the entries of a picture as the JSON of commands has had them from the start."""
    names = {spec.WEIGHTS["dcgan"]: "weights"}
    return {names.get(k, k): value for k, value in texts.items() if k not in spec.SOFTWARE}
