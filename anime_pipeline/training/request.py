"""What a training run is asked for, before any data or library is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anime_pipeline.core.config import from_dict, to_dict
from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.sources.places import Root, parse_root


@dataclass(frozen=True)
class Request:
    """A new run, or one to be continued; names are those of the commands' options.

    Attributes:
        data: Folders of faces, tars or addresses of stores; may be empty where a run is resumed on
            its own.
        preset: ``"cpu"``, ``"gpu"`` or ``"reference"``; None or ``"auto"`` fits this machine.
        overrides: Fields of the configuration that differ from the preset.
        steps: Length of the run; of `steps`, `epochs` and `minutes` one at most.
        epochs: Length in passes over the set.
        minutes: Length by the clock: a few steps are timed, then the number of steps is fixed.
        checkpoints: Folder of all runs.
        init: Weights to start from: a shipped name, a ``.npz`` file or a run.
        adversarial_share: Part of stage two's steps spent in its second phase.
        faces: Stage two: folders of faces as stage one draws them, for a run of the `faces` phase.
        generator: Stage two: what draws them, a shipped name, a ``.npz`` file or a run.
        annotate: Whether to estimate colours of hair and skin where there are none (stage one).
        resume: Run folder or name, ``"latest"``, or None for a new run.
        dry_run: Whether only to say what would be done.
        tensorboard: Whether to write TensorBoard event files too.
        devices: Devices of each host that share a batch; None: one, of several hosts all.
        accumulate: In how many parts each device computes its share, to save memory.
        remat: Whether to compute networks twice, to save memory; `accumulate` does so too.
        coordinator: Where host 0 of several meets the others, ``HOST:PORT``, or ``"auto"`` where
            Slurm, Open MPI or Kubernetes has started them.
        num_hosts: How many hosts train together.
        host_id: Which of them this is, from 0.
        host_timeout: Seconds that the hosts have to come.

    Raises:
        UsageError: If these contradict each other.
    """

    data: Sequence[Root] = ()
    preset: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    checkpoints: Path = Path("checkpoints")
    init: str | None = None
    adversarial_share: float | None = None
    faces: Sequence[Root] = ()
    generator: str | None = None
    annotate: bool = False
    resume: str | None = None
    dry_run: bool = False
    tensorboard: bool = False
    devices: int | None = None
    accumulate: int | None = None
    remat: bool = False
    coordinator: str | None = None
    num_hosts: int | None = None
    host_id: int | None = None
    host_timeout: float = 300.0

    def __post_init__(self) -> None:
        """Check."""
        for name in ("data", "faces"):
            object.__setattr__(self, name, tuple(map(parse_root, getattr(self, name))))
        if not (self.data or self.resume):
            raise UsageError(f"Expected folders of faces. Received: {self.data}. Give --data.")
        if len({root.resolve() for root in self.data}) != len(self.data):
            shown = ", ".join(map(str, self.data))
            raise UsageError(
                f"The same folder is given twice with --data. Received: {shown}. Leave one."
            )
        self._check_hosts()
        lengths = {name: getattr(self, name) for name in ("steps", "epochs", "minutes")}
        given = [f"--{name}" for name, value in lengths.items() if value is not None]
        if len(given) > 1:
            raise UsageError(
                f"Expected only one length. Received: {' and '.join(given)}. Leave one."
            )
        if self.faces and self.adversarial_share is not None:
            raise UsageError(
                f"Received --faces and --adversarial-share {self.adversarial_share}. The faces "
                "phase is a run of its own. Leave one out."
            )
        if self.generator and not (self.faces or self.resume):
            raise UsageError(
                f"Received --generator {self.generator}, which draws for --faces. Give --faces "
                "too, or leave it out."
            )
        begun = ("epochs", "minutes", "init", "adversarial_share", "generator", "dry_run")
        decided = {name: getattr(self, name) for name in begun if self.resume}
        for name, value in decided.items():
            if value is not None and value is not False:
                option = f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
                raise UsageError(
                    f"--resume continues {self.resume} with the length, phases and weights that "
                    f"it began with. Leave {option} out."
                )

    def _check_hosts(self) -> None:
        numbers = {"--num-hosts": self.num_hosts, "--host-id": self.host_id}
        given = [f"{name} {value}" for name, value in numbers.items() if value is not None]
        if self.coordinator in (None, "auto"):
            if given:
                raise UsageError(
                    f"Received {' '.join(given)} and --coordinator {self.coordinator}. Give "
                    "--coordinator HOST:PORT, where host 0 is, too."
                )
            return
        _, colon, port = str(self.coordinator).rpartition(":")
        if not (colon and port.isdecimal() and 0 < int(port) < 65_536):
            raise UsageError(
                f"Invalid value for --coordinator: {self.coordinator!r}. Expected HOST:PORT, where "
                "host 0 is, or auto."
            )
        if self.num_hosts is None or self.host_id is None or self.host_id >= self.num_hosts:
            raise UsageError(
                f"Received --coordinator {self.coordinator} {' '.join(given)}. Give --num-hosts N, "
                "and each host its own --host-id from 0 to N - 1."
            )

    @property
    def needs_jax(self) -> str:
        """What of this request only JAX can do, as its option; empty if nothing."""
        if self.coordinator:
            return f"--coordinator {self.coordinator}"
        if (self.devices or 1) > 1:
            return f"--devices {self.devices}"
        return ("--accumulate" if self.accumulate else "--remat") if self.parts else ""

    @property
    def parts(self) -> int:
        """In how many parts networks are applied, see `models.parts`."""
        return self.accumulate or int(self.remat)


def parse_assignments(texts: Sequence[str], config: Any) -> dict[str, Any]:
    """Parse `--set field=value` options against the fields of a configuration.

    Raises:
        UsageError: If a field is unknown or a value does not fit it.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"Invalid value for --set: {text!r}. Expected FIELD=VALUE.")
        if name.strip() == "init_sha256":
            raise UsageError(
                f"Received {text!r}, which --init records. Give the weights to --init."
            )
        try:
            values[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            values[name.strip()] = value.strip()  # plain words need no quotes
    checked = from_dict(type(config), {**to_dict(config), **values})
    return {name: getattr(checked, name) for name in values}
