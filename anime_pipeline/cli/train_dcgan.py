"""`anime-pipeline train-dcgan`."""

from __future__ import annotations

from typing import Any

import click

from anime_pipeline.cli.complete import weights_names
from anime_pipeline.cli.training import read_request, train_and_report, training_options
from anime_pipeline.core.config import LOSSES, DcganConfig


@click.command("train-dcgan")
@training_options
@click.option("--loss", type=click.Choice(LOSSES), help="Adversarial loss.")
@click.option("--d-steps", type=click.IntRange(min=1), help="Discriminator updates per step.")
@click.option("--width", type=click.IntRange(min=1), help="Channels at full resolution.")
@click.option(
    "--condition",
    help="What faces can be asked for: hair, skin, tags such as Blond_Hair, with commas between; "
    "'' for nothing [default: hair and skin where color.csv has them].",
)
@click.option(
    "--feature-critic/--no-feature-critic",
    default=None,
    help="Let the discriminator look at VGG16's features too [default: on].",
)
@click.option(
    "--annotate",
    is_flag=True,
    help="Estimate hair and skin of pictures without a row in color.csv; nothing is written there.",
)
@click.option(
    "--init",
    shell_complete=weights_names,
    help="Start from weights: a shipped name, a .npz file or a run, whose discriminator is taken "
    "on too.",
)
def command(**values: Any) -> None:
    """Train stage one: a DCGAN that draws 32x32 faces.

    Every run has its own folder with samples after each epoch (several at once for small sets),
    metrics, curves, and a state that --resume continues exactly. Ctrl-C saves first.
    """
    train_and_report("dcgan", read_request(values, DcganConfig()))
