"""From a picture to the latent whose face is nearest to it.

Abdal et al., "Image2StyleGAN", ICCV 2019: gradient descent on the generator's input. Here the
start is the best of many seeds, the colours are measured first, and the latent is kept at a length
that training has seen, or faces would come apart.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from anime_pipeline.core.progress import Progress, counted, ignored
from anime_pipeline.data.estimate import estimate_colors
from anime_pipeline.inference.export_keras import keras_generator
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.models.adam import adam, adam_slots
from anime_pipeline.models.backend import jit, keras, to_device, to_numpy, value_and_grad
from anime_pipeline.models.ranges import to_model

ops = keras.ops

CANDIDATES = 512
RESTARTS = 8
STEPS = 300
LEARNING_RATE = 0.05
LENGTH_WEIGHT = 0.02
MEAN_SQUARE = {"normal": 1.0, "uniform": 1 / 3}  # of a latent of training, by its distribution
COARSE_WEIGHT = 2.0  # of the 8x smaller picture, which finds the layout before the lines


@dataclass(frozen=True)
class Projection:
    """The face that was found.

    Attributes:
        latent: float32 [D].
        condition: float32 [K].
        rms: Root mean square difference from the picture, in grey levels.
    """

    latent: np.ndarray
    condition: np.ndarray
    rms: float


def project(
    generator: FaceGenerator,
    image: np.ndarray,
    steps: int = STEPS,
    progress: Progress = ignored,
) -> Projection:
    """Find the face nearest to a picture; the same picture always gives the same face.

    Args:
        generator: Stage one.
        image: uint8 [S, S, 3], of the generator's size.
        steps: Of gradient descent, from each of 8 starts together.
        progress: Called with (done, total).
    """
    model = keras_generator(generator.weights)  # the same function, but one with gradients
    target = to_model(image[None])
    latent, condition = _starts(generator, image)
    usual = MEAN_SQUARE[generator.config.latent_distribution]

    def loss(found: dict[str, Any]) -> tuple[Any, Any]:
        inputs = [found["latent"], found["condition"]] if generator.names else found["latent"]
        images = model(inputs, training=False)
        each = _difference(images, target)
        length = ops.mean(ops.square(found["latent"]), axis=-1)
        total = each + LENGTH_WEIGHT * ops.square(length / usual - 1)
        return ops.sum(total), each

    def advance(found: Any, slots: Any, count: Any) -> tuple[Any, Any]:
        _, gradients = value_and_grad(loss)(found)
        return adam(found, gradients, slots, count, LEARNING_RATE, 0.9, 0.99)

    compiled = jit(advance)
    found = to_device({"latent": latent, "condition": condition})
    slots = adam_slots(found)
    for step in counted(range(1, steps + 1), progress):
        found, slots = compiled(found, slots, np.float32(step))
    best = int(np.argmin(to_numpy(loss(found)[1])))
    result = {name: array[best] for name, array in to_numpy(found).items()}
    face = generator.draw(result["latent"][None], result["condition"][None])[0]
    rms = float(np.sqrt(np.mean(np.square(face.astype(float) - image))))
    return Projection(result["latent"], result["condition"], rms)


def _difference(images: Any, target: Any) -> Any:
    """Return the error of each picture [N], at full and at an eighth of the size."""
    fine = ops.mean(ops.square(images - target), axis=(1, 2, 3))
    small = [ops.average_pool(x, 8, 8) for x in (images, target)]
    return fine + COARSE_WEIGHT * ops.mean(ops.square(small[0] - small[1]), axis=(1, 2, 3))


def _starts(generator: FaceGenerator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the latents and conditions of the seeds whose faces are nearest to a picture."""
    colours = vars(estimate_colors(image))
    seeds = range(CANDIDATES)
    attributes = {name: colour for name, colour in colours.items() if name in generator.names}
    latent, condition = generator.latents(seeds), generator.condition(seeds, attributes)
    faces = generator.draw(latent, condition, 64)
    difference = np.asarray(_difference(to_model(faces), to_model(image[None])))
    nearest = np.argsort(difference, kind="stable")[:RESTARTS]
    return latent[nearest], condition[nearest]
