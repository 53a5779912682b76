"""Stage one, `residual`: plain residual networks without normalisation, and a critic of patches.

Huang et al., "The GAN is dead; long live the GAN! A Modern Baseline GAN", NeurIPS 2024 (R3GAN):
with relativistic pairs and both zero-centred penalties, residual blocks whose last convolution
starts at zero need no batch normalisation, so there are no statistics to keep. Ours differ: full
convolutions instead of grouped ones (faster on every processor here at these widths), a style that
modulates each block, and beside the critic of pixels one head per VGG16 map
(`models.feature_extractor`), each judging a 4x4 grid of patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anime_pipeline.architectures import layers as nn
from anime_pipeline.architectures.entry import Architecture, Seen
from anime_pipeline.architectures.layers import UNIT, ZEROS, Node, Start
from anime_pipeline.architectures.parts import HEAD, START, judged, spread, style

if TYPE_CHECKING:
    from anime_pipeline.core.config import DcganConfig

WIDEST = 4  # times the channels at full resolution: wider maps would only make the file larger
SMALL = Start(gain=0.1)
# For batches of 32 and of 256 alike.
RECIPE: dict[str, Any] = {
    "feature_critic": True,
    # At half of this rate KID was four times as large after the same 486,000 images.
    "learning_rate_g": 4e-4,
    "learning_rate_d": 4e-4,
    "beta_1": 0.0,
    "beta_2_start": 0.9,
    "lr_schedule": "constant",
    "learning_rate_fall": 4.0,
    "gamma_fall": 10.0,
    # Outvoted four to one the pixels' critic cannot keep contrast from growing, within fifty steps
    # of 32, until tanh passes hardly any gradient on.
    "pixel_votes": 4,
    "r1_interval": 4,  # every sixteenth step, 16 times as strong, they diverge without norms
}


def generator(config: DcganConfig, x: Node) -> Node:
    """Draw images [N, S, S, 3] from latents and conditions [N, D]."""
    modulation = style(x)
    filters = _channels(config.width, START, config.image_size)
    x = nn.dense(x, START * START * filters, "project", UNIT)
    x = _block(nn.reshape(x, START, START, filters), "block4_1", modulation)
    size = START
    while size < config.image_size:
        size *= 2
        # Fewer channels first: at one pixel each, before and after enlarging are the same.
        x = nn.conv(x, _channels(config.width, size, config.image_size), 1, f"narrow{size}", UNIT)
        x = nn.upsample_bilinear(x)
        # Two blocks of the widest maps would double the file.
        for number in range(1, (config.blocks if size >= 16 else 1) + 1):
            x = _block(x, f"block{size}_{number}", modulation)
    return nn.tanh(nn.conv(nn.lrelu(x), 3, 3, "to_rgb", SMALL))


def discriminator(config: DcganConfig, seen: Seen) -> list[Node]:
    """Judge images and maps: logits, and with a condition the guess of it [N, K].

    The logits are [N, votes + maps, 16], those of the pixels' votes all the same one of the whole
    picture, or [N, 1] without maps.
    """
    # A 4x4 stride-2 start sees every pixel four times and skips the costliest resolution.
    size = config.image_size // 2
    x = nn.conv(seen.image, 2 * config.width_d, 4, "stem", stride=2)
    x = _block(x, f"block{size}")
    while size > START:
        size //= 2
        x = nn.conv(nn.halve(x), 2 * x.shape[-1], 1, f"widen{size}", UNIT)
        x = _block(x, f"block{size}")
    filters = x.shape[-1]
    x = spread(config, nn.lrelu(x, "trunk_lrelu"), "minibatch_stddev")
    x = nn.lrelu(nn.conv(x, filters, 3, "last"), "last_lrelu")
    features = nn.pool(x, "pool")
    logits = judged(nn.flatten(x), features, seen.condition, "", UNIT)
    if seen.maps:
        whole = [nn.repeat(logits, START * START)] * config.pixel_votes
        heads = [_feature_head(config, *each, seen.condition) for each in seen.maps.items()]
        logits = nn.swap(nn.concat(*whole, *heads))
    if seen.condition is None:
        return [logits]
    return [logits, nn.dense(features, seen.condition.shape[-1], "guess", UNIT, wide=True)]


def _channels(base: int, size: int, image_size: int) -> int:
    """Return the channels of maps of side `size`: doubled for each halving, up to `WIDEST`."""
    return base * min(image_size // size, WIDEST)


def _block(x: Node, name: str, modulation: Node | None = None) -> Node:
    """Return x plus two 3x3 convolutions of it; between them the style scales and shifts."""
    y = nn.conv(nn.lrelu(x, f"{name}_lrelu"), x.shape[-1], 3, f"{name}_conv1")
    if modulation is not None:
        y = nn.modulate(y, modulation, f"{name}_modulate", SMALL)
    # Zero at first: the network begins as its skips alone, and stays stable without norms.
    y = nn.lrelu(y, f"{name}_inner_lrelu")
    return nn.add(x, nn.conv(y, x.shape[-1], 3, f"{name}_conv2", ZEROS))


def _feature_head(config: DcganConfig, name: str, x: Node, condition: Node | None) -> Node:
    """Judge a feature map: logits of its 16 patches [N, 16, 1], the condition's match included."""
    while x.shape[1] > START:
        down = f"{name}_down{x.shape[1] // 2}"
        x = nn.lrelu(nn.conv(x, HEAD, 4, down, stride=2), f"{down}_lrelu")
    x = nn.conv(spread(config, x, f"{name}_stddev"), HEAD, 3, f"{name}_last")
    x = nn.lrelu(x, f"{name}_last_lrelu")
    x = nn.reshape(x, START * START, HEAD, name=f"{name}_patches", wide=True)
    return judged(x, x, condition, f"{name}_", UNIT)


ARCHITECTURE = Architecture(
    "dcgan",
    "residual",
    ("dcgan residual generator", "dcgan residual critic"),
    generator,
    discriminator,
    {
        "cpu": {},
        "gpu": {
            "feature_px": 64,
            "pixel_votes": 1,  # as it was measured
            "width": 80,
            "blocks": 2,
            "width_d": 64,
            "batch_size": 256,
            "ema_half_life_images": 500_000.0,
            "steps": 50_000,
            "precision": "bfloat16",
            "save_every": 5000,  # where a step takes hundredths of a second
            "evaluate_every": 1000,
        },
    },
    recipe=RECIPE,
    feature_layers=("block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3"),
    mixes_features=True,
)
