"""Stage one, `modulated`: batch normalisation that latent and condition scale and shift.

Radford et al., "Unsupervised Representation Learning with DCGANs", ICLR 2016, drawn and judged
through what has been learnt since: a style for every layer, a critic with heads for VGG16's maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anime_pipeline.architectures import layers as nn
from anime_pipeline.architectures.entry import Architecture, Seen
from anime_pipeline.architectures.layers import Node, Start
from anime_pipeline.architectures.parts import HEAD, START, judged, spread, style

if TYPE_CHECKING:
    from anime_pipeline.core.config import DcganConfig

NORMAL = Start(stddev=0.02)  # Radford et al., section 4


def generator(config: DcganConfig, x: Node) -> Node:
    """Draw images [N, S, S, 3] from latents and conditions [N, D]."""
    stages = (config.image_size // START).bit_length() - 1
    top = config.width * 2**stages
    # Weights were first drawn by this name, and a seed's run is to begin as it always has.
    modulation = style(x, Start(name="critic g style"))

    def styled(x: Node, name: str) -> Node:
        x = nn.norm(x, f"bn{name}", momentum=0.9, epsilon=1e-5, learnt=False)
        return nn.relu(nn.modulate(x, modulation, f"modulate{name}", NORMAL))

    x = nn.dense(x, START * START * top, "project", NORMAL, bias=False)
    x = styled(nn.reshape(x, START, START, top), "0")  # [N, 4, 4, 8w]
    for stage in range(1, stages + 1):  # 8x8x4w, 16x16x2w, 32x32xw
        x = styled(nn.upsample_conv(x, top // 2**stage, f"up{stage}", NORMAL), str(stage))
    # An upsampled map is smooth: lines need a layer at full resolution.
    x = styled(nn.conv(x, config.width, 3, "refine", NORMAL, bias=False), "_refine")
    return nn.tanh(nn.conv(x, 3, 3, "to_rgb", NORMAL))


def discriminator(config: DcganConfig, seen: Seen) -> list[Node]:
    """Judge images and maps: logits [N, 1 + maps], and with a condition the guess of it [N, K]."""
    stages = (config.image_size // START).bit_length() - 1

    def down(x: Node, filters: int, name: str) -> Node:
        size, stride = (4, 2) if x.shape[1] > START else (3, 1)
        return nn.lrelu(nn.conv(x, filters, size, name, stride=stride), f"{name}_lrelu")

    def head(x: Node, prefix: str) -> Node:
        flat, pooled = nn.flatten(x, f"{prefix}flatten"), nn.pool(x, f"{prefix}pool")
        return judged(flat, pooled, seen.condition, prefix)

    x = seen.image
    for stage in range(1, stages + 1):  # 16x16x2w, 8x8x4w, 4x4x8w
        x = spread(config, x, "minibatch_stddev") if stage == stages else x
        x = down(x, config.width_d * 2**stage, f"down{stage}")
    logits = [head(x, "")]
    for name, features in seen.maps.items():
        y = spread(config, down(features, HEAD, f"{name}_down1"), f"{name}_stddev")
        logits.append(head(down(y, HEAD, f"{name}_2"), f"{name}_"))
    outputs = [nn.concat(*logits) if seen.maps else logits[0]]
    if seen.condition is not None:
        pooled = nn.pool(x, "guess_pool")
        outputs.append(nn.dense(pooled, seen.condition.shape[-1], "guess", wide=True))
    return outputs


ARCHITECTURE = Architecture(
    "dcgan",
    "modulated",
    ("dcgan", "dcgan critic"),
    generator,
    discriminator,
    # No preset: `residual` draws better faces in the same time. Weights and runs of this one go on.
    recipe={"feature_critic": True},
    formerly="best",
    feature_layers=("block3_conv3", "block4_conv3"),
)
