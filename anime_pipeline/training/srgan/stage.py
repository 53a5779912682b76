"""Stage two's runs: how configuration, pictures, networks and side effects are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from anime_pipeline.core.config import SrganConfig
from anime_pipeline.core.errors import CheckpointError, UsageError
from anime_pipeline.core.presets import SRGAN_PRESETS
from anime_pipeline.core.progress import Say, Show
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.opening import choose_hr_size
from anime_pipeline.data.sources.places import parse_root
from anime_pipeline.data.store import Store
from anime_pipeline.images.rows import Pictures, Rows
from anime_pipeline.models.vgg import load_vgg
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, Weights, load_weights
from anime_pipeline.models.zoo import find_weights
from anime_pipeline.training.callbacks.common import MetricsLog
from anime_pipeline.training.callbacks.watch import Watch
from anime_pipeline.training.gan.task import Task
from anime_pipeline.training.loop import Callback
from anime_pipeline.training.request import Request
from anime_pipeline.training.run import Stage
from anime_pipeline.training.srgan.callbacks import ExportUpscaler, HeldOutPairs
from anime_pipeline.training.srgan.faces import FacesTask
from anime_pipeline.training.srgan.pool import open_pool
from anime_pipeline.training.srgan.task import SrganTask

LOG_EVERY = 20  # steps
PAIRED_PHASES = ("fidelity_steps", "adversarial_steps")


class SrganStage(Stage[SrganConfig]):
    """Stage two."""

    name = "srgan"
    config_type = SrganConfig
    presets = SRGAN_PRESETS

    def __init__(self, request: Request, say: Say, progress: Show) -> None:
        """Load the weights that the run starts from, if any."""
        super().__init__(request, say, progress)
        self.init = None
        start = request.init or ("fidelity" if request.faces and not request.resume else None)
        if start:
            path = find_weights(start, SRGAN_KIND, prefer="fidelity")
            self.init = load_weights(path, SRGAN_KIND)

    def configure(self, preset: SrganConfig) -> SrganConfig:
        """Return a preset with what was asked for, the HR size by the data unless it was."""
        request = self.request
        config = replace(preset, **request.overrides)
        if "hr_size" not in request.overrides:
            size = choose_hr_size([open_dataset(root) for root in request.data])
            if size != config.hr_size:
                self.say(f"The pictures are small: training on {size} px crops.")
            config = replace(config, hr_size=size)
        config = replace(config, crop_size=min(config.crop_size, config.hr_size))
        set_here = [name for name in PAIRED_PHASES if request.overrides.get(name)]
        if request.faces and set_here:
            raise UsageError(
                f"Received --faces and {', '.join(set_here)}. The faces phase is a run of "
                "its own. Give --steps, or leave --faces out."
            )
        if config.faces_steps and not request.faces:
            raise UsageError(
                f"Received faces_steps {config.faces_steps}. Give the real faces too: --faces DIR."
            )
        if request.faces:
            steps = config.faces_steps or config.adversarial_steps
            phases: dict[str, Any] = {**dict.fromkeys(PAIRED_PHASES, 0), "faces_steps": steps}
            config = replace(config, condition=self._generator().config["condition"], **phases)
        if request.adversarial_share is not None:
            config = _divide(config, config.steps, request.adversarial_share)
        return replace(config, init_sha256=self.init.sha256) if self.init else config

    def fit_to_machine(self, config: SrganConfig) -> SrganConfig:
        """Drop the perceptual loss, aloud, where VGG16 can neither be found nor downloaded.

        Raises:
            CheckpointError: If it cannot, and the critic of whole faces looks through it.
        """
        if config.faces_steps:
            try:
                load_vgg(["block1_conv2"])
            except CheckpointError as error:
                raise CheckpointError(
                    f"Received --faces, whose critic needs VGG16. Leave it out, or: {error}"
                ) from None
            return config
        wanted = config.adversarial_steps and config.perceptual_weight
        if not wanted or "perceptual_weight" in self.request.overrides:
            return config
        has_vgg = self.has_vgg("the perceptual loss")
        return config if has_vgg else replace(config, perceptual_weight=0.0)

    def picture_options(self, config: SrganConfig) -> dict[str, Any]:
        """Open the pictures that are large enough to be HR."""
        return {"size": config.hr_size, "min_side": config.hr_size}

    def make_task(self, config: SrganConfig, store: Store, train: np.ndarray) -> SrganTask:
        """Build the networks; for the `faces` phase, also draw faces."""
        images = Rows(store.images, train)
        if not config.faces_steps:
            return SrganTask(config, images, self.init)
        roots = self.request.faces or [parse_root(root) for root in self.recorded["faces"]]
        pool = open_pool(roots, self._generator(), config, self.say, self.progress)
        return FacesTask(config, images, pool, self.init)

    def _generator(self) -> Weights:
        wanted = self.request.generator or self.recorded.get("generator") or "dcgan"
        return load_weights(find_weights(wanted, DCGAN_KIND), DCGAN_KIND)

    def with_length(self, task: Task[SrganConfig], each: Sequence[float]) -> SrganConfig:
        """Fix the length.

        Raises:
            UsageError: If both phases and a length were asked for.
        """
        request, config = self.request, task.config
        if not {*PAIRED_PHASES, "faces_steps"} & set(request.overrides):
            return super().with_length(task, each)
        lengths = (request.steps, request.epochs, request.minutes, request.adversarial_share)
        if any(value is not None for value in lengths):
            phases = " + ".join(str(steps) for _, steps in task.phases) + " steps"
            raise UsageError(
                f"Received the phases ({phases}) and a length too. Give either the phases with "
                "--set fidelity_steps=N and --set adversarial_steps=N, or a length with "
                "--steps, --epochs, --minutes and --adversarial-share."
            )
        return config

    def with_steps(self, config: SrganConfig, steps: int) -> SrganConfig:
        """Divide a number of steps between the phases as they are divided now."""
        return _divide(config, steps, config.adversarial_steps / config.steps)

    def callbacks(self, task: SrganTask, val_images: Pictures) -> list[Callback]:
        """Return PSNR on held-out pairs, the log and the exported weights."""
        if not len(val_images):
            self.say("No picture falls on the val side: no PSNR and no grids during this run.")
        return [
            HeldOutPairs(task, val_images),
            Watch(self.say),
            MetricsLog(LOG_EVERY, task.images_per_step),
            ExportUpscaler(task),
        ]


def _divide(config: SrganConfig, steps: int, share: float) -> SrganConfig:
    """Divide `steps` between the phases; `share` of them are adversarial."""
    if config.faces_steps:
        return replace(config, faces_steps=steps)
    adversarial = round(steps * share)
    return replace(config, fidelity_steps=steps - adversarial, adversarial_steps=adversarial)
