"""Options of both training commands: on which devices and hosts, and in how little memory."""

from __future__ import annotations

import click

from anime_pipeline.cli import common

device_options = common.joined(
    click.option(
        "--devices",
        type=click.IntRange(min=1),
        help="Devices of each host that share a batch, on JAX [default: 1; of several hosts all].",
    ),
    click.option(
        "--accumulate",
        type=click.IntRange(min=1),
        help="Compute each batch in this many parts: less memory, the same result (JAX).",
    ),
    click.option(
        "--remat", is_flag=True, help="Compute networks twice: less memory, more time (JAX)."
    ),
    click.option(
        "--coordinator",
        metavar="HOST:PORT",
        help="Train on several hosts: where host 0 is; auto under Slurm, Open MPI, Kubernetes.",
    ),
    click.option("--num-hosts", type=click.IntRange(min=1), help="How many hosts there are."),
    click.option("--host-id", type=click.IntRange(min=0), help="Which of them this is, from 0."),
    click.option(
        "--host-timeout",
        type=common.FiniteRange(0, min_open=True),
        default=300.0,
        help="Seconds that the hosts have to come.",
    ),
)
