"""`anime-pipeline train-srgan`."""

from __future__ import annotations

from typing import Any

import click

from anime_pipeline.cli.common import FiniteRange, UserPath
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.cli.training import read_request, train_and_report, training_options
from anime_pipeline.core.config import SrganConfig


@click.command("train-srgan")
@training_options
@click.option("--hr-size", type=click.Choice(["128", "96", "64"]), help="[default: by the data]")
@click.option("--crop-size", type=click.IntRange(min=0), help="HR window in px; 0: whole pictures.")
@click.option("--degradations", help="Mixture such as bicubic:6,area:2,jpeg:1.")
@click.option(
    "--adversarial-share",
    type=FiniteRange(0, 1),
    help="Part of the steps spent in the adversarial phase [default: the preset's].",
)
@click.option(
    "--init",
    shell_complete=weights_names,
    help="Start the generator from weights: a shipped name, a .npz file or a run folder.",
)
@click.option(
    "--faces",
    multiple=True,
    type=UserPath(),
    help="Train for what stage one draws: real faces, cropped as those that it was trained on. "
    "May be repeated.",
)
@click.option(
    "--generator",
    shell_complete=weights_names,
    help="What draws for --faces: a shipped name, a .npz file or a run [default: dcgan].",
)
@click.option("--perceptual-weight", type=FiniteRange(min=0), help="0 needs no VGG16.")
def command(as_json: bool, hr_size: str | None, **values: Any) -> None:
    """Train stage two: an SRGAN that upscales 4x, first for fidelity, then adversarially.

    The run's folder gets fidelity.npz after the first phase and perceptual.npz after the second;
    a run with --faces starts from fidelity weights and makes faces.npz. Each serves
    `upscale --weights` and `generate --upscaler`.
    """
    values["hr_size"] = int(hr_size) if hr_size else None
    train_and_report("srgan", read_request(values, SrganConfig()), as_json)
