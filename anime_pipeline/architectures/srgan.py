"""Stage two, `best`: SRGAN's trunk, without what costs it quality or time.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a GAN", CVPR 2017. LR pictures
enter in [0, 1], HR pictures leave and are judged in [-1, 1], as in the paper's section 3.2. Of its
network there are 16 residual blocks, 64 channels, PReLU and pixel shuffle; batch norm there is none
(Lim et al., EDSR, 2017), the input is added back at the end so that the network learns only what is
missing, and the last convolution comes before the last shuffle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anime_pipeline.architectures import layers as nn
from anime_pipeline.architectures.entry import Architecture, Seen
from anime_pipeline.architectures.layers import HE, UNIT, Node, Start

if TYPE_CHECKING:
    from anime_pipeline.core.config import SrganConfig

TINY = Start(gain=0.02)


def generator(config: SrganConfig, x: Node) -> Node:
    """Upscale LR pictures [N, H, W, 3] to [N, 4H, 4W, 3]."""
    channels = config.channels
    centred = nn.affine(x, 2.0, -1.0)
    trunk = x = nn.prelu(nn.conv(centred, channels, 3, "head"), "head_prelu", 0.25)
    for block in range(1, config.blocks + 1):
        y = nn.conv(x, channels, 3, f"block{block}_conv1")
        y = nn.prelu(y, f"block{block}_prelu", 0.25)
        # Near zero at the start: sixteen blocks then begin as the identity and train stably.
        x = nn.add(x, nn.conv(y, channels, 3, f"block{block}_conv2", TINY))
    x = nn.add(nn.conv(x, channels, 3, "trunk", Start(gain=0.2)), trunk)
    x = nn.prelu(nn.conv(x, 4 * channels, 3, "up1"), "up1_prelu", 0.25)
    x = nn.conv(nn.depth_to_space(x), 4 * 3, 3, "to_rgb", TINY)
    return nn.add(nn.upsample(centred, config.scale), nn.depth_to_space(x))


def discriminator(config: SrganConfig, seen: Seen) -> list[Node]:
    """Judge patches of images: logits [N, h, w, 1]."""
    x = critic_trunk(config, seen.image, HE, normalise=False)
    return [nn.conv(x, 1, 1, "logits", UNIT, wide=True)]


def critic_trunk(config: SrganConfig, x: Node, start: Start, normalise: bool) -> Node:
    """Apply the paper's figure 4: eight convolutions, every other one halving the size."""
    plan = ((1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2))
    for index, (factor, stride) in enumerate(plan, start=1):
        x = nn.conv(x, factor * config.width_d, 3, f"conv{index}", start, stride=stride)
        x = nn.lrelu(x)
        if normalise and index > 1:
            x = nn.norm(x, f"bn{index}", momentum=0.5)
    return x


ARCHITECTURE = Architecture(
    "srgan",
    "best",
    ("srgan", "srgan critic"),
    generator,
    discriminator,
    {
        "cpu": {},
        "gpu": {
            "batch_size": 32,
            "fidelity_steps": 60_000,
            "adversarial_steps": 20_000,
            "width_d": 64,
            "precision": "bfloat16",
            "save_every": 1000,
            "evaluate_every": 500,
        },
    },
)
