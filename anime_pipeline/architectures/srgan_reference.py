"""Stage two, `reference`: the original project's SRGAN, rebuilt to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anime_pipeline.architectures import layers as nn
from anime_pipeline.architectures.entry import Architecture, Seen
from anime_pipeline.architectures.layers import GLOROT, Node
from anime_pipeline.architectures.srgan import critic_trunk

if TYPE_CHECKING:
    from anime_pipeline.core.config import SrganConfig


def generator(config: SrganConfig, x: Node) -> Node:
    """Upscale LR pictures [N, H, W, 3] to [N, 4H, 4W, 3]."""

    def normalised(x: Node, name: str, norm: str) -> Node:
        return nn.norm(nn.conv(x, 64, 3, name, GLOROT), norm, momentum=0.5)

    trunk = x = nn.prelu(nn.conv(x, 64, 9, "head", GLOROT), "head_prelu")
    for block in range(1, config.blocks + 1):
        y = normalised(x, f"block{block}_conv1", f"block{block}_bn1")
        y = nn.prelu(y, f"block{block}_prelu")
        x = nn.add(x, normalised(y, f"block{block}_conv2", f"block{block}_bn2"))
    x = nn.add(normalised(x, "trunk", "trunk_bn"), trunk)
    for stage in (1, 2):
        x = nn.upsample(nn.conv(x, 256, 3, f"up{stage}", GLOROT))
        x = nn.prelu(x, f"up{stage}_prelu")
    return nn.tanh(nn.conv(x, 3, 9, "to_rgb", GLOROT))


def discriminator(config: SrganConfig, seen: Seen) -> list[Node]:
    """Judge images as a whole: logits [N, 1]."""
    x = critic_trunk(config, seen.image, GLOROT, normalise=True)
    x = nn.lrelu(nn.dense(nn.flatten(x), 1024, "dense", GLOROT))
    return [nn.dense(x, 1, "logits", GLOROT, wide=True)]


ARCHITECTURE = Architecture(
    "srgan",
    "reference",
    ("srgan reference", "srgan reference critic"),
    generator,
    discriminator,
    {
        "reference": {
            "fit": "stretch",
            "crop_size": 0,
            "flip": False,
            "degradations": "area:1",
            "width_d": 64,
            "batch_size": 8,
            "fidelity_steps": 0,
            "adversarial_steps": 117_000,
            "learning_rate": 9e-5,
            "learning_rate_adversarial": 9e-5,
            "beta_1": 0.5,
            "beta_2": 0.999,
            "lr_schedule": "constant",
            "pixel_loss": "mse",
            "perceptual_weight": 0.0,
            "pixel_weight": 1.0,
            "adversarial_weight": 1.0,
            "label_noise": 0.2,
            "ema_half_life_images": 0.0,
        }
    },
    fixed_size=True,
)
