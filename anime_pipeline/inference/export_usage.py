"""What stands beside an exported network: how it is called, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.data import conditions
from anime_pipeline.data.words import WORDS
from anime_pipeline.inference.export import EXAMPLES, Exported
from anime_pipeline.models.weights import Weights


def describe(exported: Exported, sources: Mapping[str, Weights]) -> dict[str, Any]:
    """Return what a program should know of a network, ready for JSON.

    Args:
        exported: What was written.
        sources: The weights it was made from, by stage: ``dcgan`` and ``srgan``.
    """
    document: dict[str, Any] = {
        "file": exported.path.name,
        "form": exported.form,
        "inputs": exported.inputs,
        "output": {"image": exported.output},
        "weights": {stage: weights.facts() for stage, weights in sources.items()},
        "difference_from_keras": exported.difference,
        "within_one_level": exported.within_one,
    }
    if "dcgan" in sources:
        config = sources["dcgan"].read_config(DcganConfig)
        document["latent_distribution"] = config.latent_distribution
        document["condition"] = condition_parts(config)
        document["examples"] = {
            name: np.round(array.astype(np.float64), 6).tolist()
            for name, array in exported.examples.items()
        }
    return document


def usage(document: Mapping[str, Any], facts_file: str) -> str:
    """Return how to call the network, as Markdown with code to copy.

    Args:
        document: What `describe` returned.
        facts_file: Name of the JSON file that holds it.
    """
    from jinja2 import Environment, StrictUndefined

    source = resources.files("anime_pipeline.inference") / "templates" / "usage.md"
    # Markdown with program text: there is nothing to escape.
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    template = environment.from_string(source.read_text(encoding="utf-8"))
    return template.render(document, facts=facts_file, count=EXAMPLES)


def condition_parts(config: DcganConfig) -> list[dict[str, Any]]:
    """Return how each part of a condition is encoded, in the order in which they stand there."""
    names, result = conditions.parse_names(config.condition), []
    for name in names:
        place = conditions.columns(names, name)
        part: dict[str, Any] = {"name": name, "first": place.start}
        part["count"] = place.stop - place.start
        centre, spread = conditions.CENTRE_AND_SPREAD.get(name, (None, None))
        words = WORDS.get(name)
        part |= {"words": words and list(words), "strength": words and conditions.WORD}
        result.append(part | {"centre": centre and list(centre), "spread": spread and list(spread)})
    return result
