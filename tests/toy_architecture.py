"""An architecture of one layer for each player: what a module of a new one has to hold."""

from anime_pipeline.architectures import layers as nn
from anime_pipeline.architectures.entry import Architecture


def generator(config, x):
    side = config.image_size
    return nn.tanh(nn.reshape(nn.dense(x, side * side * 3, "paint"), side, side, 3))


def discriminator(config, seen):
    return [nn.dense(nn.flatten(seen.image), 1, "logits", wide=True)]


ARCHITECTURE = Architecture(
    "dcgan", "toy", ("toy", "toy critic"), generator, discriminator, {"toy": {"width": 4}},
    conditional=False,
)  # fmt: skip
