"""The whole faces of the `faces` phase: stage one draws as many as there are real ones, or more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anime_pipeline.core.config import DcganConfig, SrganConfig
from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.core.progress import Say, Show
from anime_pipeline.core.randomness import latents
from anime_pipeline.data import conditions
from anime_pipeline.data.opening import open_store, training_split
from anime_pipeline.data.sources.places import Root
from anime_pipeline.images.rows import Pictures, Rows
from anime_pipeline.models import backend
from anime_pipeline.models.dcgan import build_generator
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import to_uint8
from anime_pipeline.models.weights import Weights, assign
from anime_pipeline.training.srgan.faces import FacePool

FIRST_SEED = 2**32  # beyond what anybody looks at or measures
BATCH = 256
ROUNDS = 2  # faces drawn for each real one


def open_pool(
    roots: Sequence[Root], weights: Weights, config: SrganConfig, say: Say, progress: Show
) -> FacePool:
    """Open folders of real faces, their training side, and draw as many.

    Args:
        roots: Folders of faces, cropped as those that stage one was trained on.
        weights: Of stage one's generator.
        config: The run's configuration.
        say: Told what was skipped.
        progress: Shows how far it is.

    Raises:
        DataError: If no picture can be used.
        CheckpointError: If the generator is damaged.
    """
    labels = bool(config.condition)
    store = open_store(
        roots, config.faces_px, config.fit, labels=labels, say=say, progress=progress
    )
    rows = training_split(store, 0).train
    names = conditions.parse_names(config.condition)
    known = conditions.of_records(names, store.records.take(rows))
    with progress(f"Drawing {ROUNDS * len(rows)} faces"):
        return draw_pool(Rows(store.images, rows), known, config.condition, weights)


def draw_pool(
    real: Pictures, condition: np.ndarray, names: str, weights: Weights, rounds: int = ROUNDS
) -> FacePool:
    """Let stage one draw faces that are asked to show what real ones do.

    Args:
        real: Real faces uint8 [N, P, P, 3], cropped as those that it was trained on.
        condition: What they show, float32 [N, K].
        names: What the condition is on, such as ``"hair,skin"``.
        weights: Of stage one's generator.
        rounds: Faces drawn for each real one.

    Raises:
        CheckpointError: If the generator takes another condition, or is damaged.
    """
    config = weights.read_config(DcganConfig)
    if config.condition != names:
        raise CheckpointError(
            f"{weights.path} draws by {config.condition or 'no condition'}, and of the faces "
            f"{names or 'none'} is known. Give other weights."
        )
    model = build_generator(config)
    assign(model, weights)
    network = Network(model)
    state = network.initial_state()
    draw = backend.jit(lambda asked: network(state["params"], state["stats"], asked, False)[0])
    drawn = np.empty((rounds, len(real), config.image_size, config.image_size, 3), np.uint8)
    for number in range(rounds):
        for start in range(0, len(real), BATCH):
            rows = np.arange(start, start + BATCH) % len(real)  # every batch alike: compiled once
            seeds = (FIRST_SEED + number * len(real) + rows).tolist()
            latent = latents(seeds, config.latent_dim, config.latent_distribution)
            asked = [latent, condition[rows].astype(np.float32)] if names else latent
            drawn[number, rows] = to_uint8(draw(asked))
    return FacePool(real, condition, drawn, weights.sha256)
