"""From a request to a trained run: a stage starts a new one or resumes one, and drives the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic

import numpy as np

from anime_pipeline.core.config import Config, from_dict, to_dict
from anime_pipeline.core.errors import CheckpointError, UsageError
from anime_pipeline.core.progress import Say, Show
from anime_pipeline.core.runs import METRICS_FILE, last_values, locked, read_metrics
from anime_pipeline.core.storage import sweep_temporaries
from anime_pipeline.data.opening import open_store, poor_prospects, training_split
from anime_pipeline.data.sources.places import Root, parse_root
from anime_pipeline.data.store import Store
from anime_pipeline.images.rows import Pictures, Rows
from anime_pipeline.models.assets import VGG_FILE, find_asset
from anime_pipeline.models.precision import best_precision, check_precision, resolve_preset
from anime_pipeline.models.vgg import load_vgg
from anime_pipeline.training import loop, pictures, plan, session
from anime_pipeline.training.callbacks.common import Checkpoints, NanGuard, Report
from anime_pipeline.training.gan.state import State
from anime_pipeline.training.gan.task import Task
from anime_pipeline.training.parallel.hosts import ALONE, Hosts
from anime_pipeline.training.parallel.memory import saying_what_fits
from anime_pipeline.training.request import Request


class Stage(ABC, Generic[Config]):
    """One of the two stages at a request; subclasses say what differs between them.

    Attributes:
        request: What is asked for.
        say: Told what people should know.
        progress: Shows what is being prepared.
        recorded: What the run that is resumed says of itself.
        hosts: The processes that train together.
        name: As in the command's and in run folders.
        config_type: Its configuration.
        presets: Configurations by name.
    """

    name: ClassVar[str]
    config_type: type[Config]
    presets: Mapping[str, Config]
    hosts: Hosts = ALONE

    def __init__(self, request: Request, say: Say, progress: Show) -> None:
        self.request = request
        self.say = say
        self.progress = progress
        self.recorded: Mapping[str, Any] = {}

    @abstractmethod
    def configure(self, preset: Config) -> Config:
        """Return a preset with what was asked for."""

    @abstractmethod
    def fit_to_machine(self, config: Config) -> Config:
        """Return a configuration without what cannot be had here."""

    @abstractmethod
    def picture_options(self, config: Config) -> dict[str, Any]:
        """Return how pictures are opened, see `data.opening.open_store`."""

    def with_data(self, config: Config, store: Store) -> Config:
        """Return the configuration with what depends on the pictures decided."""
        return config

    @abstractmethod
    def make_task(self, config: Config, store: Store, train: np.ndarray) -> Task[Config]:
        """Build the networks; `train` are the store's rows on the training side."""

    @abstractmethod
    def with_steps(self, config: Config, steps: int) -> Config:
        """Return the configuration for a number of steps."""

    @abstractmethod
    def callbacks(self, task: Any, val_images: Pictures) -> list[loop.Callback]:
        """Return the stage's own side effects, those that measure first."""

    def new_config(self) -> tuple[str, Config]:
        """Return the preset's name and the configuration of a new run, but for its length."""
        preset = resolve_preset(self.request.preset)
        config = self.configure(self.presets[preset])
        if "precision" not in self.request.overrides and preset != "reference":
            config = replace(config, precision=best_precision())
        return preset, self.fit_to_machine(config)

    def with_length(self, task: Task[Config], each: Sequence[float]) -> Config:
        """Return a task's configuration with the length that was asked for.

        Args:
            task: The task.
            each: What a step takes in each phase, where the length depends on it or is to be told.
        """
        request, config = self.request, task.config
        if request.minutes is not None:
            return self.with_steps(config, plan.steps_within(request.minutes, task, each))
        if request.epochs is not None:
            return self.with_steps(config, request.epochs * task.steps_per_epoch)
        return self.with_steps(config, request.steps or config.steps)

    def has_vgg(self, without: str) -> bool:
        """Tell whether VGG16 can be had; if not, say aloud what the run will do without.

        Raises:
            CheckpointError: If there is a file of its weights, and it is damaged.
        """
        try:
            load_vgg(["block1_conv2"])
        except CheckpointError as error:
            if find_asset(VGG_FILE):
                raise
            self.say(f"Warning: training without {without}. {error}")
            return False
        return True

    def open_pictures(self, roots: Sequence[Root], config: Config, annotate: bool) -> Store:
        """Decode the pictures that a configuration trains on."""
        options: dict[str, Any] = {**self.picture_options(config), "annotate": annotate}
        return open_store(roots, fit=config.fit, say=self.say, progress=self.progress, **options)

    def start(self, display: loop.Display, extra: Sequence[loop.Callback]) -> dict[str, Any]:
        """Start a new run and train it; or, of a dry run, return its plan."""
        request = self.request
        preset, config = self._agreed_config()
        check_precision(config.precision)
        store = self.open_pictures(request.data, config, request.annotate)
        self.hosts.require_same("pictures", pictures.pictures_fingerprint(store))
        config = self.with_data(config, store)
        split = training_split(store, config.train_count)
        for warning in poor_prospects(store, split.train):
            self.say(warning)
        with self.progress("Building the networks and timing them"):
            task = self._task(config, store, split.train)
            with saying_what_fits(task):
                # Once: two measurements on a busy machine would contradict each other.
                timed = request.minutes is not None or request.dry_run
                each = plan.phase_seconds(task) if timed else []
                config = self._agreed(self.with_length(task, each))
            task = task.rescheduled(config)  # what was timed is compiled already
        if request.dry_run:
            return plan.describe(task, preset, store, split, each)
        state = task.placed(self.hosts.shared(task.initial_state()))
        if self.hosts.is_first:
            plan.require_room(request.checkpoints, task, state)
        self.say(f"{preset} preset, {task.config.precision}, {task.total_steps} steps")

        def create() -> str:
            stage = request.checkpoints / self.name
            return str(session.create_run(stage, preset, task, store, split.train, request).folder)

        folder = Path(self.hosts.decided(create))
        with locked(folder) if self.hosts.is_first else nullcontext():
            callbacks = self._side_effects(task, store, split.val, extra)
            return self._drive(task, folder, 0, state, callbacks, display)

    def resume(self, display: loop.Display, extra: Sequence[loop.Callback]) -> dict[str, Any]:
        """Continue a run exactly, after checking that all it depends on is as it was."""
        request = self.request
        stage = request.checkpoints / self.name
        with session.opened(stage, str(request.resume), self.config_type, self.hosts) as run:
            return self._continue(run, display, extra)

    def _continue(
        self, run: session.Run[Config], display: loop.Display, extra: Sequence[loop.Callback]
    ) -> dict[str, Any]:
        request = self.request
        check_precision(run.config.precision)
        steps = {} if request.steps is None else {"steps": request.steps}
        session.check_unchanged(run, request.preset, request.overrides | steps)
        annotated = bool(run.recorded.get("annotated"))
        if request.annotate and not annotated:
            raise UsageError(
                f"{run.folder} was started without --annotate. Leave it out, or start a new run "
                f"from its weights with --annotate --init {run.folder}."
            )
        self.recorded = run.recorded
        if request.faces and not run.recorded.get("faces"):
            raise UsageError(
                f"Received --faces {request.faces[0]}, and {run.folder} is no run of that phase. "
                "Leave it out."
            )
        with locked(run.folder):
            roots = request.data or [parse_root(root) for root in run.recorded["data"]]
            store = self.open_pictures(roots, run.config, annotated)
            store = pictures.same_pictures(run, store, roots, self.say)
            split = training_split(store, run.config.train_count)
            pictures.check_same_labels(run, store, split.train, roots)
            self.hosts.require_same("pictures", pictures.pictures_fingerprint(store))
            task = self._task(run.config, store, split.train)
            session.check_same_surroundings(run, task.facts, self.say)
            begun, state = 0, task.initial_state()
            if self.hosts.is_first:
                begun, state = session.restore(run, task, self.say)
                plan.require_room(run.folder, task, state)
            begun = self.hosts.decided(lambda: begun)
            state = task.placed(self.hosts.shared(state))
            self.say(f"Resuming at step {begun} of {task.total_steps}.")
            callbacks = self._side_effects(task, store, split.val, extra)
            folder = Path(self.hosts.decided(lambda: str(run.folder)))
            return self._drive(task, folder, begun, state, callbacks, display)

    def _agreed(self, config: Config) -> Config:
        """Return host 0's configuration: what another would choose may differ."""
        return from_dict(type(config), self.hosts.decided(lambda: to_dict(config)))

    def _agreed_config(self) -> tuple[str, Config]:
        def choose() -> tuple[str, dict[str, Any]]:
            preset, config = self.new_config()
            return preset, to_dict(config)

        preset, values = self.hosts.decided(choose)
        return preset, from_dict(self.config_type, values)

    def _task(self, config: Config, store: Store, train: np.ndarray) -> Task[Config]:
        task = self.make_task(config, store, train)
        mesh, parts = self.hosts.mesh(), self.request.parts
        if mesh or parts:
            task.use(mesh, parts)
        return task

    def _side_effects(
        self, task: Task[Config], store: Store, val: np.ndarray, extra: Sequence[loop.Callback]
    ) -> list[loop.Callback]:
        """Return what host 0 does beside the steps; the others do nothing."""
        return (
            [*self.callbacks(task, Rows(store.images, val)), *extra] if self.hosts.is_first else []
        )

    def _drive(
        self,
        task: Task[Config],
        folder: Path,
        begun: int,
        state: State,
        callbacks: Sequence[loop.Callback],
        display: loop.Display,
    ) -> dict[str, Any]:
        """Run the loop and return a summary of the run. The folder's lock is held."""
        self.say(f"Run folder: {folder}")
        if begun >= task.total_steps:
            self.say(f"Already complete: {begun} of {task.total_steps} steps.")
            return {"run": str(folder), "steps": begun, "metrics": {}}
        first = self.hosts.is_first
        with display(folder, begun, task.images_per_step) as show:
            if first:
                sweep_temporaries(folder)
            saving = Checkpoints(task.config.save_every, task.config.keep_checkpoints)
            last: list[loop.Callback] = [Report(show), saving] if first else [loop.Callback()]
            # Saving comes after measuring, so that a kill in between repeats the measurement.
            with saying_what_fits(task):
                loop.run(task, state, begun, folder, [NanGuard(), *callbacks, *last])
        self.say(f"Done: {task.total_steps} steps. Results in {folder}")
        metrics = last_values(read_metrics(folder / METRICS_FILE)) if first else {}
        return {"run": str(folder), "steps": task.total_steps, "metrics": metrics}
