"""Ready-made configurations: ours for a CPU and for a GPU, and the original project's."""

from anime_pipeline.architectures import architectures
from anime_pipeline.core.config import DcganConfig, SrganConfig

AUTO = "auto"  # a condition on whatever the data knows, decided when a run begins

DCGAN_PRESETS: dict[str, DcganConfig] = {
    preset: DcganConfig(
        **{"architecture": name, "condition": AUTO if entry.conditional else "", **fields}
    )
    for name, entry in architectures("dcgan").items()
    for preset, fields in entry.presets.items()
}

SRGAN_PRESETS: dict[str, SrganConfig] = {
    preset: SrganConfig(**{"architecture": name, **fields})
    for name, entry in architectures("srgan").items()
    for preset, fields in entry.presets.items()
}
