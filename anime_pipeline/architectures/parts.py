"""What architectures of stage one share: a style, and heads that know what was asked for."""

from typing import Any

from anime_pipeline.architectures import layers as nn
from anime_pipeline.architectures.layers import HE, Node, Start

START = 4  # side of the smallest maps
STYLE = 128  # numbers that say how each layer of the generator is modulated
EMBEDDING = 64  # in which pictures and conditions are compared
HEAD = 128  # channels of a feature head


def style(x: Node, start: Start = HE) -> Node:
    """Return what modulates every layer, not the first one alone, [N, 128] float32.

    Chen et al., "On self modulation for GANs", ICLR 2019; here the condition does too.
    """
    return nn.lrelu(nn.dense(x, STYLE, "style", start, wide=True))


def spread(config: Any, x: Node, name: str) -> Node:
    """Show how much the batch varies, before a head's last convolution, which can use it."""
    return nn.minibatch_stddev(x, name) if config.minibatch_std else x


def judged(x: Node, features: Node, condition: Node | None, prefix: str, start: Start = HE) -> Node:
    """Return logits [..., 1] of x: real or not, and whether `features` show what was asked for.

    The second part is a projection (Miyato and Koyama, "cGANs with projection discriminator",
    ICLR 2018) of the features, [N, C] or of patches [N, P, C], on an embedding of the condition.
    """
    logits = nn.dense(x, 1, f"{prefix}logits", start, wide=True)
    if condition is None:
        return logits
    asked = nn.dense(condition, EMBEDDING, f"{prefix}asked1", wide=True)
    asked = nn.lrelu(asked, f"{prefix}asked_lrelu")
    asked = nn.dense(asked, EMBEDDING, f"{prefix}asked2", start, wide=True)
    shown = nn.dense(features, EMBEDDING, f"{prefix}shown", start, bias=False, wide=True)
    return nn.add(logits, nn.match(asked, shown))
