"""Ready-made configurations: ours for a CPU and for a GPU, and the original project's."""

from dataclasses import replace

from anime_pipeline.architectures import architecture_of, architectures
from anime_pipeline.core.config import DcganConfig, SrganConfig

AUTO = "auto"  # a condition on whatever the data knows, decided when a run begins

DCGAN_PRESETS: dict[str, DcganConfig] = {
    preset: DcganConfig(
        architecture=name,
        condition=AUTO if entry.conditional else "",
        **{**entry.recipe, **fields},
    )
    for name, entry in architectures("dcgan").items()
    for preset, fields in entry.presets.items()
}

SRGAN_PRESETS: dict[str, SrganConfig] = {
    preset: SrganConfig(**{"architecture": name, **fields})
    for name, entry in architectures("srgan").items()
    for preset, fields in entry.presets.items()
}


def with_architecture(preset: DcganConfig, name: str) -> DcganConfig:
    """Return a preset for other networks, which are trained in their own way.

    Args:
        preset: One of `DCGAN_PRESETS`.
        name: The architecture.

    Raises:
        UsageError: If there is no such architecture, or it cannot be of the preset's size.
    """
    entry = architectures("dcgan").get(name)
    if entry is None or name == preset.architecture:
        return replace(preset, architecture=name)  # which says what is wrong with it
    left = {field: getattr(DcganConfig(), field) for field in architecture_of(preset).recipe}
    condition = AUTO if entry.conditional else ""
    return replace(preset, architecture=name, condition=condition, **{**left, **entry.recipe})
