"""What `evaluate` compares faces by, at which sizes, and what it says of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anime_pipeline.cli.common import say
from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.errors import PipelineError

if TYPE_CHECKING:
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.metrics.features import Features
    from anime_pipeline.reports.evaluate import Faces

# In the order of reports: first those that nobody flatters.
NETWORKS = ("alexnet", "efficientnet-lite", "vgg16")
UNTRAINED = "nothing is trained on it"


def load_networks(wanted: tuple[str, ...]) -> tuple[list[Features], dict[str, str]]:
    """Return the feature networks to ask, and why others cannot be asked, by title.

    Raises:
        PipelineError: If VGG16, or one that was asked for by name, is missing.
    """
    from anime_pipeline.metrics.features import ALEXNET, TITLES, VGG16, Features, why_missing

    networks, missing = [], {}
    for name in NETWORKS:
        # Variety and copies are by VGG16, whatever else compares the faces.
        if name not in {VGG16, *(wanted or [ALEXNET])}:
            continue
        reason = why_missing(name)
        if reason and name in wanted:
            raise PipelineError(
                f"{TITLES[name]} cannot be asked: {reason}. "
                f"Leave --network {name} out, or see to that."
            )
        if reason:
            missing[TITLES[name]] = reason
            text = f"Warning: faces are not compared by {TITLES[name]}: {reason}."
            say(text)
            continue
        try:
            networks.append(Features(name))
        except PipelineError as error:
            raise PipelineError(
                f"Faces are compared by {TITLES[name]}'s features. Add its weights to measure. "
                f"{error}"
            ) from None
    return networks, missing


def about_stage_two(upscaler: Upscaler | None, faces: Faces) -> dict[str, str]:
    """Return what a report says of its figures after stage two."""
    if upscaler is None or faces.large is None:
        return {"upscaler": "none: only faces as stage one draws them were compared"}
    px = faces.large.images.shape[1]
    weights = upscaler.weights
    return {
        "upscaler": f"{weights.path.name}, sha256 {weights.sha256[:16]}",
        f"real at {px} px": faces.large.in_words(),
    }


def remarks(config: DcganConfig, upscaler: Upscaler | None) -> dict[str, str]:
    """Return by title what a reader should know of each network before believing it."""
    from anime_pipeline.metrics.features import TITLES, VGG16

    owners = ["critic's"] if config.feature_critic else []
    if upscaler is not None and upscaler.config.perceptual_weight:
        owners.append("upscaler's")
    own = f"the {' and the '.join(owners)} own network" if owners else UNTRAINED
    return dict.fromkeys(TITLES.values(), UNTRAINED) | {TITLES[VGG16]: own}
