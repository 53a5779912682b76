"""What the registry knows of an architecture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from anime_pipeline.architectures.layers import Node


class Seen(NamedTuple):
    """What a discriminator sees: its inputs, in this order.

    Attributes:
        image: Images [N, S, S, 3] in [-1, 1].
        maps: Stage one: feature maps of them [N, s, s, C], by VGG16's layers.
        condition: Stage one: what was asked for [N, K], or None.
        masks: Stage one: dropout masks, see `Architecture.dropout_shapes`.
    """

    image: Node
    maps: Mapping[str, Node] = {}
    condition: Node | None = None
    masks: Sequence[Node] = ()


@dataclass(frozen=True)
class Architecture:
    """One form of a stage's two networks, and all that is its own.

    Attributes:
        stage: ``"dcgan"`` or ``"srgan"``.
        name: As configurations call it.
        seeds: What the first weights of the generator and of the discriminator are drawn by,
            before each layer's name.
        generator: (config, x) to images in [-1, 1]. Stage one: x is the latent, joined with the
            condition where there is one; stage two: LR pictures in [0, 1].
        discriminator: (config, what it sees) to the logits and, with a condition, its guess of it.
        presets: Fields that differ from the configuration's defaults, by the preset's name.
        recipe: Stage one: those of how it is trained, which belong to it whatever the preset.
        formerly: What runs and weights before 0.6 call it.
        image_sizes: Stage one: sides that it can draw.
        conditional: Stage one: whether it can be asked for attributes.
        feature_layers: Stage one: layers of VGG16 that the discriminator may look at.
        mixes_features: Stage one: whether each map's channels are mixed at random.
        dropout: Stage one: share of the discriminator's numbers that a step leaves out.
        dropout_shapes: Stage one: [H, W, C] of each mask, so that randomness stays outside.
        fixed_size: Stage two: whether the discriminator takes pictures of the training size only.
    """

    stage: str
    name: str
    seeds: tuple[str, str]
    generator: Callable[[Any, Node], Node]
    discriminator: Callable[[Any, Seen], list[Node]]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    formerly: str = ""
    image_sizes: tuple[int, ...] = (8, 16, 32, 64, 128)
    conditional: bool = True
    feature_layers: tuple[str, ...] = ()
    mixes_features: bool = False
    dropout: float = 0.0
    dropout_shapes: Callable[[Any], list[tuple[int, int, int]]] = lambda config: []
    fixed_size: bool = False
