"""Frozen training configurations; the resolved one is saved with every run."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from anime_pipeline.architectures import ARCHITECTURES, architecture_of, architectures
from anime_pipeline.core import parameters
from anime_pipeline.core.errors import UsageError

Fit = Literal["crop", "pad", "stretch"]
LossName = Literal["bce", "lsgan", "hinge", "wgan-gp", "rpgan"]
Precision = Literal["float32", "bfloat16"]

MAX_SEED = 2**63 - 1
SCALE = 4  # stage two's enlargement
GROUP_SIZE = 4  # pictures whose variety stage one's discriminator compares

FITS: tuple[str, ...] = get_args(Fit)
LOSSES: tuple[str, ...] = get_args(LossName)
PRESETS = tuple(dict.fromkeys(["auto", *(p for e in ARCHITECTURES.values() for p in e.presets)]))


@dataclass(frozen=True)
class DcganConfig:
    """Stage one: everything that decides a DCGAN run."""

    stage = "dcgan"
    # Data
    image_size: int = 32
    fit: Fit = "crop"
    flip: bool = True
    train_count: int = 0  # 0: the stable hashed split; N: exactly N training images, as the paper's
    # Architecture
    architecture: str = "modulated"  # one of those in the registry, `anime_pipeline.architectures`
    latent_dim: int = 128
    latent_distribution: Literal["normal", "uniform"] = "normal"
    width: int = 48  # the generator's channels at full resolution; 8x as many at 4x4
    width_d: int = 32  # the discriminator's, likewise
    blocks: int = 1  # `residual`: the generator's blocks at each size from 16 px on
    precision: Precision = "float32"
    condition: str = ""  # what faces can be asked for, such as "hair,skin", see data/conditions.py
    feature_critic: bool = False  # D looks at VGG16's features too, see models/feature_extractor.py
    feature_px: int = 0  # pictures are enlarged to this side for VGG16; 0: seen as they are
    pixel_votes: int = 1  # `residual`: of D's opinion of the pixels, where each map has one
    minibatch_std: bool = True  # D sees how much a batch varies, `reference`'s never does
    init_sha256: str = ""  # weights file that the generator starts from; empty: from noise
    # Optimisation
    loss: LossName = "rpgan"  # relativistic pairs hold on to variety; `bce` drops it first
    real_label: float = 1.0
    d_steps: int = 1
    batch_size: int = 32  # small: on a CPU more updates do more than smoother ones
    learning_rate_g: float = 2e-4
    learning_rate_d: float = 2e-4
    beta_1: float = 0.5  # Adam's default 0.9 lets the two players chase each other's past
    beta_2: float = 0.99
    beta_2_start: float = 0.0  # the second decay begins here and rises; 0: it never changes
    lr_schedule: Literal["constant", "linear"] = "linear"  # to zero over the last half of the run
    learning_rate_fall: float = 1.0  # both rates end at this part of where they began (a cosine)
    gamma_fall: float = 1.0  # both penalties likewise
    r1_gamma: float = 0.2
    r2_gamma: float = 0.2  # the same penalty at drawn faces
    r1_interval: int = 16  # lazy R1: every 16th step, weighted by 16 (Karras et al. 2020, B)
    guess_weight: float = 0.2  # of D's guess of hair and skin, for both players
    diff_augment: bool = True  # without it the critic memorises from about 20 passes on
    ema_half_life_images: float = 20_000.0  # 0: no averaging
    steps: int = 30_000
    seed: int = 0
    # Bookkeeping
    steps_per_dispatch: int = 1  # on a GPU more helps small networks, not large ones; JAX only
    save_every: int = 500
    evaluate_every: int = 100  # at least: grids and measurements of small sets cost more than steps
    keep_checkpoints: int = 3

    def __post_init__(self) -> None:
        """Check ranges."""
        _require_ranges(self)
        own, plain = architecture_of(self), f"none ({self.architecture})"
        _require(self, "condition", own.conditional or not self.condition, plain)
        seen = bool(own.feature_layers) or not self.feature_critic
        _require(self, "feature_critic", seen, plain)
        voting = "pixel_votes" in own.recipe or self.pixel_votes == 1
        _require(self, "pixel_votes", voting, f"1 ({self.architecture})")
        sizes = own.image_sizes
        _require(self, "image_size", self.image_size in sizes, f"one of {sizes}")
        groups = f"a multiple of {GROUP_SIZE} (the discriminator compares groups of that size)"
        _require(self, "batch_size", self.batch_size % GROUP_SIZE == 0, groups)
        least = max(32, self.image_size)
        large = self.feature_px == 0 or self.feature_px >= least
        _require(self, "feature_px", large, f"0 or at least {least}")
        _require_buildable(self)


@dataclass(frozen=True)
class SrganConfig:
    """Stage two: everything that decides an SRGAN run."""

    stage = "srgan"
    # Data
    hr_size: int = 128
    scale: int = SCALE
    fit: Fit = "crop"
    crop_size: int = 96  # HR pixels; 0 trains on whole images
    flip: bool = True
    train_count: int = 0
    degradations: str = "bicubic:6,area:2,bilinear:1,jpeg:1"  # name:weight, see data/degrade.py
    flat_share: float = 0.0  # of the pictures, moved aside to leave an area of one colour
    # Architecture
    architecture: str = "best"
    blocks: int = 16
    channels: int = 64
    width_d: int = 32  # the paper's 64 makes D two thirds of the adversarial step
    precision: Precision = "float32"
    init_sha256: str = ""  # weights file that the generator starts from; empty: from noise
    # Optimisation
    batch_size: int = 8
    fidelity_steps: int = 12_000
    adversarial_steps: int = 2_000
    learning_rate: float = 5e-4
    learning_rate_adversarial: float = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.99
    lr_schedule: Literal["constant", "cosine"] = "cosine"  # to zero over the fidelity phase
    pixel_loss: Literal["l1", "mse"] = "l1"
    pixel_weight: float = 0.2  # in the adversarial phase; the fidelity phase is pixel loss alone
    # Features lead in the second phase: with the pixel loss in front, 600 steps changed next to
    # nothing (-0.04 dB and no crisper to the eye).
    perceptual_weight: float = 1.0
    adversarial_weight: float = 0.02
    label_noise: float = 0.0
    ema_half_life_images: float = 2_000.0
    seed: int = 0
    # The `faces` phase, a run of its own, see training/srgan/faces.py
    faces_steps: int = 0
    faces_batch_size: int = 16
    faces_px: int = 64  # at which whole faces are compared
    condition: str = ""  # what its critic knows of the faces, as stage one's does
    critic_weight: float = 0.05
    consistency_weight: float = 2.0
    consistency_slack: float = 4.0  # grey levels by which a reduced result may miss the drawn face
    identity_weight: float = 0.2
    # Bookkeeping
    steps_per_dispatch: int = 1  # on a GPU more helps small networks, not large ones; JAX only
    save_every: int = 250
    evaluate_every: int = 100
    keep_checkpoints: int = 3

    def __post_init__(self) -> None:
        """Check ranges."""
        _require_ranges(self)
        _require(self, "scale", self.scale == SCALE, str(SCALE))
        whole = self.hr_size >= 16 and self.hr_size % 4 == 0
        _require(self, "hr_size", whole, "a multiple of 4, at least 16")
        whole = self.crop_size % 4 == 0 and (self.crop_size == 0 or 8 <= self.crop_size)
        _require(self, "crop_size", whole, "0 (whole pictures) or a multiple of 4, at least 8")
        phases = (self.fidelity_steps, self.adversarial_steps, self.faces_steps)
        some = min(phases) >= 0 and sum(phases) > 0
        _require(self, "fidelity_steps", some, "steps to do, here or in adversarial_steps")
        sides = (32, 64, 128)
        _require(self, "faces_px", self.faces_px in sides, f"one of {sides}")
        groups = f"a multiple of {GROUP_SIZE} (the critic compares groups of that size)"
        _require(self, "faces_batch_size", self.faces_batch_size % GROUP_SIZE == 0, groups)
        alone = not self.faces_steps or sum(phases) == self.faces_steps
        _require(self, "faces_steps", alone, "0 beside other phases: it is a run of its own")
        _require_buildable(self)

    @property
    def steps(self) -> int:
        """Total steps of all phases."""
        return self.fidelity_steps + self.adversarial_steps + self.faces_steps


def _require(config: TrainingConfig, name: str, good: bool, expected: str) -> None:
    if not good:
        raise _invalid(name, expected, getattr(config, name))


def _invalid(name: str, expected: str, received: Any) -> UsageError:
    return UsageError(
        f"Invalid value for config field `{name}`. Expected {expected}. Received: {received!r}"
    )


POSITIVE = frozenset(
    "batch_size faces_batch_size save_every evaluate_every keep_checkpoints steps_per_dispatch "
    "latent_dim width width_d channels blocks d_steps steps r1_interval pixel_votes "
    "learning_rate_g learning_rate_d learning_rate learning_rate_adversarial learning_rate_fall "
    "gamma_fall".split()
)
NOT_NEGATIVE = frozenset(
    "train_count r1_gamma r2_gamma guess_weight ema_half_life_images pixel_weight "
    "perceptual_weight adversarial_weight label_noise critic_weight consistency_weight "
    "consistency_slack identity_weight".split()
)
BELOW_ONE = ("beta_1", "beta_2", "beta_2_start", "flat_share")
# Beyond these no machine could begin, and most would end the process without a word.
AT_MOST = {
    "adversarial_steps": 1_000_000_000,
    "batch_size": 65_536,
    "blocks": 1_000,
    "crop_size": 4_096,
    "d_steps": 1_000,
    "feature_px": 1_024,
    "fidelity_steps": 1_000_000_000,
    "hr_size": 4_096,
    "latent_dim": 65_536,
    "pixel_votes": 64,
    "steps": 1_000_000_000,
    "steps_per_dispatch": 65_536,
}


def _require_ranges(config: TrainingConfig) -> None:
    """Check what can be said of each field by itself."""
    known = architectures(config.stage)
    _require(config, "architecture", config.architecture in known, f"one of {', '.join(known)}")
    for name, value in vars(config).items():
        if name in POSITIVE:
            _require(config, name, value > 0, "more than 0")
        if name in NOT_NEGATIVE:
            _require(config, name, value >= 0, "0 or more")
        if name in BELOW_ONE:
            _require(config, name, 0 <= value < 1, "at least 0 and below 1")
        if name in AT_MOST:
            _require(config, name, value <= AT_MOST[name], f"at most {AT_MOST[name]:,}")
    _require(config, "seed", 0 <= config.seed <= MAX_SEED, f"0 to {MAX_SEED}")


def _require_buildable(config: TrainingConfig) -> None:
    players = {
        "width" if config.stage == "dcgan" else "channels": parameters.most_parameters(config),
        "width_d": parameters.most_critic_parameters(config),
    }
    most = parameters.MOST_PARAMETERS
    for name, count in players.items():
        expected = f"a network of at most {most:,} numbers (this one: {count:.2g})"
        _require(config, name, count <= most, expected)


TrainingConfig = DcganConfig | SrganConfig
Config = TypeVar("Config", DcganConfig, SrganConfig)


def to_dict(config: TrainingConfig) -> dict[str, Any]:
    """Return the configuration as a JSON-ready dictionary."""
    return dataclasses.asdict(config)


def from_dict(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a configuration from JSON values, checking names and types.

    Raises:
        UsageError: If a field is unknown or its value has the wrong type or an unknown choice.
    """
    hints = get_type_hints(kind)
    if not isinstance(values, Mapping):
        raise UsageError(f"Expected fields of {kind.__name__}. Received: {values!r}")
    values = under_new_names(kind, values)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise UsageError(
            f"Unknown {kind.__name__} field(s): {', '.join(unknown)}. "
            f"Expected some of: {', '.join(hints)}."
        )
    return kind(**{name: _checked(name, hints[name], value) for name, value in values.items()})


# What fields and values were called in runs and weights before 0.6.
OLD_NAMES = {
    "look_every": "evaluate_every",
    "steps_per_call": "steps_per_dispatch",
    "decay": "lr_schedule",
}


def under_new_names(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration's values as they are called now."""
    renamed = {OLD_NAMES.get(name, name): value for name, value in values.items()}
    if isinstance(values.get("decay"), bool):
        falling = "linear" if kind is DcganConfig else "cosine"
        renamed["lr_schedule"] = falling if values["decay"] else "constant"
    for name, entry in architectures(kind.stage).items():
        if entry.formerly and values.get("architecture") == entry.formerly:
            renamed["architecture"] = name
    return renamed


def _checked(name: str, hint: Any, value: Any) -> Any:
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        expected = "one of " + ", ".join(map(str, get_args(hint)))
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:  # neither NaN nor infinite
            return float(value)
        expected = "a finite number"
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    else:
        expected = f"a value of type {hint.__name__}"
    raise _invalid(name, expected, value)


def differences(old: TrainingConfig, new: TrainingConfig) -> list[str]:
    """Return one readable line per field that differs between two configurations."""
    return [
        f"{field.name}: the run has {getattr(old, field.name)!r}, "
        f"you asked for {getattr(new, field.name)!r}"
        for field in fields(old)
        if getattr(old, field.name) != getattr(new, field.name)
    ]
