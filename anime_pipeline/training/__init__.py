"""Training as a library: `train` starts or resumes a run of either stage; no terminal is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.progress import Say, Show, unseen
from anime_pipeline.core.runs import STAGES
from anime_pipeline.training.loop import Callback, Display
from anime_pipeline.training.request import Request

__all__ = ["Request", "train"]


def train(
    stage: str,
    request: Request,
    say: Say = print,
    progress: Show = unseen,
    display: Display = unseen,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Start or resume a run and train to its end.

    What it writes into the run folder, checkpoints, grids, logs and weights, is what the commands
    write, and either continues the other's runs.

    Args:
        stage: ``"dcgan"`` (faces, 32 px) or ``"srgan"`` (4x upscaling).
        request: What to train, on what, for how long.
        say: Told what people should know: what was skipped, warnings, where results are.
        progress: Called with what is being prepared; a context that gives a function of
            (done, total).
        display: Called with the run folder, the steps done before and the pictures that a step
            takes; a context around the loop that gives a function, which gets the progress after
            each step.
        callbacks: Side effects of one's own, after those that measure and log and before saving.

    Returns:
        JSON values: ``run`` (its folder), ``steps``, and ``metrics``, the last of each that was
        logged. Of a dry run its plan, see `training.plan.describe`.

    Raises:
        UsageError: If the request contradicts itself, or the run that it resumes.
        DataError: If the pictures cannot be trained on, or are not those of the run.
        CheckpointError: If there is no such run, or weights are not what they should be.
        TrainingInterruptedError: After Ctrl-C or its kin; the state is saved.
        HostLostError: If another host does not come; that one is lost later ends the process.
        PipelineError: If the losses are no numbers any more, or something needed is not there.

    Example:
        >>> from pathlib import Path
        >>> from anime_pipeline.training import Request, train
        >>> done = train("dcgan", Request(data=[Path("faces")], minutes=30))
        >>> train("dcgan", Request(resume=done["run"]))  # complete: nothing more to do
    """
    if stage not in STAGES:
        raise UsageError(f"Expected a stage among {', '.join(STAGES)}. Received: {stage!r}")
    from anime_pipeline.training.parallel.hosts import joined

    with joined(request) as hosts:
        if not hosts.is_first:
            say, progress, display, callbacks = _nothing, unseen, unseen, ()
        with progress("Loading the libraries"):
            from anime_pipeline.models import backend
            from anime_pipeline.training.callbacks.tensorboard import TensorBoard
            from anime_pipeline.training.dcgan.stage import DcganStage
            from anime_pipeline.training.srgan.stage import SrganStage

            backend.make_deterministic()
            # Made early, so that it fails early.
            events = [TensorBoard()] if request.tensorboard and hosts.is_first else []
        stages: dict[str, Any] = {"dcgan": DcganStage, "srgan": SrganStage}
        chosen = stages[stage](request, say, progress)
        chosen.hosts = hosts
        go = chosen.resume if request.resume else chosen.start
        summary: dict[str, Any] = go(display, [*callbacks, *events])
        return summary


def _nothing(_: str) -> None:
    """Say nothing: host 0 has said it."""
