"""Which models are served: those named at the start, the shipped ones, and the runs at hand.

Clients choose among names; none of what they send is ever made into a path.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition
from typing import Any

from cachetools import LRUCache, cached

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.errors import CheckpointError, PipelineError
from anime_pipeline.core.runs import list_runs
from anime_pipeline.data import conditions
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.runtime import generator_graph
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.models.blend import BEST_FOR_DRAWN, DENOISE, find_upscaler, mix
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, Weights, load_weights
from anime_pipeline.models.zoo import RUN_FILES, find_pair, find_weights, shipped
from anime_pipeline.web.errors import Problem

KEPT_MODELS = 3
KEPT_OFFERS = 1000
KEPT_UPSCALERS = 6
STEPS = 20  # mixtures are made in steps of 0.05, so that few are kept

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """A generator that can be asked for, and what it can be asked to show."""

    name: str
    shipped: bool
    weights: str
    image_size: int
    attributes: tuple[str, ...]
    error: str | None


class Catalogue:
    """Finds and keeps the models of both stages."""

    def __init__(self, checkpoint: str, upscaler: str, checkpoints: Path) -> None:
        """Load the default models, so that what is wrong with them shows before serving.

        Args:
            checkpoint: Stage one, as `models.zoo.find_weights` takes it.
            upscaler: Stage two; empty for the shipped pair.
            checkpoints: Where runs are kept.

        Raises:
            CheckpointError: If either is not to be found or not usable.
        """
        self._checkpoints = checkpoints
        path = find_weights(checkpoint, DCGAN_KIND)
        self.default = self._name_of(checkpoint, path)
        self._fixed = {self.default: path}
        # Two requests for a new model do not load it twice, nor keep others from the known ones.
        self._lock = lock = Condition()
        self._looked_at: LRUCache[Any, Offer] = LRUCache(KEPT_OFFERS)
        self._describe = cached(self._looked_at, version_of, condition=lock)(self._look_at)
        self._load = cached(LRUCache(KEPT_MODELS), version_of, condition=lock)(_load)
        self._mixed = cached(LRUCache(KEPT_UPSCALERS), condition=lock)(self._mix)
        self._load(path)
        self._pairs = self._load_pairs(upscaler or None)
        self._cleaning = None
        known = shipped(SRGAN_KIND)
        if upscaler in ("", *known.keys() - {DENOISE}) and DENOISE in known:
            self._cleaning = load_weights(find_weights(DENOISE, SRGAN_KIND), SRGAN_KIND)
        self.upscaler(BEST_FOR_DRAWN)

    def _name_of(self, checkpoint: str, path: Path) -> str:
        """Return what clients call the default: its own name, or that of the run it lies in."""
        if checkpoint in shipped(DCGAN_KIND):
            return checkpoint
        for name, run in self._runs().items():
            if find_weights(str(run), DCGAN_KIND).resolve() == path.resolve():
                return name
        # A path is nothing that clients need to know.
        return Path(checkpoint).name

    def _load_pairs(self, wanted: str | None) -> dict[bool, tuple[Weights, Weights]]:
        """Return what realism goes between, for drawn faces and not; a single one twice."""
        load = functools.cache(lambda path: load_weights(path, SRGAN_KIND))
        pairs = {}
        for drawn in (True, False):
            pair = find_pair(wanted or "fidelity", drawn)
            first, last = pair or (find_upscaler(wanted, None, drawn).base,) * 2
            pairs[drawn] = (load(first), load(last))
        return pairs

    def has_realism(self, drawn: bool = True) -> bool:
        """Tell whether there are two upscalers to go between, for drawn faces or for pictures."""
        first, last = self._pairs[drawn]
        return first is not last

    @property
    def has_denoise(self) -> bool:
        """Whether there are weights that clean up."""
        return self._cleaning is not None

    def weights_hash(self, generator: Weights | None = None) -> str:
        """Return 16 hex digits that stand for a generator (or none) and all upscalers."""
        hashes = [weights.sha256 for pair in self._pairs.values() for weights in pair]
        hashes += [self._cleaning.sha256] if self._cleaning else []
        hashes += [generator.sha256] if generator else []
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16]

    def names(self) -> list[str]:
        """Return all that can be asked for now; the default first."""
        return list(dict.fromkeys([self.default, *shipped(DCGAN_KIND), *self._runs()]))

    def _runs(self) -> dict[str, Path]:
        """Return the runs that have exported a generator, by name."""
        return {
            f"dcgan/{run.name}": run
            for run in list_runs(self._checkpoints / "dcgan")
            if any((run / name).is_file() for name in RUN_FILES[DCGAN_KIND])
        }

    def generator(self, name: str | None = None) -> FaceGenerator:
        """Return a generator by its name in `names`; None is the default.

        Raises:
            Problem: 404 if there is none of that name, 409 if its file cannot be used; without
                paths.
        """
        name = name or self.default
        path = self._file(name)
        with self._lock:
            known = self._looked_at.get(version_of(path))
        reason = known and known.error
        if not reason:
            try:
                return self._load(path)
            except (OSError, MemoryError):  # of the machine, and another time it may be loaded
                raise
            except Exception as error:  # strangers' weights make the builders raise what they like
                LOG.warning("The model %r cannot be used: %s", name, error)
                reason = _reason(error, path)
                with self._lock:  # once is enough: it takes as long as with a good one
                    self._looked_at[version_of(path)] = _unusable(reason)
        raise Problem(
            409,
            f"The model {name!r} cannot be used: {reason} Choose another that /api/v1/models "
            "lists.",
        )

    def _file(self, name: str) -> Path:
        try:
            path = self._find(name)
            path.stat()
            return path
        except (OSError, CheckpointError):  # whose text tells where it was looked for
            raise Problem(409, f"The weights of {name!r} are gone. Choose another model.") from None

    def _find(self, name: str) -> Path:
        if name not in self._fixed and name in shipped(DCGAN_KIND):
            self._fixed[name] = find_weights(name, DCGAN_KIND)  # reads and hashes the whole file
        if name in self._fixed:
            return self._fixed[name]
        runs = self._runs()
        if name not in runs:
            raise Problem(
                404,
                f"No model called {name[:80]!r} is served here. Choose one of those that "
                "/api/v1/models lists.",
            )
        return find_weights(str(runs[name]), DCGAN_KIND)

    def offers(self) -> list[Offer]:
        """Return every model with what it can do; a damaged one says what is wrong with it."""
        return [self._offer(name) for name in self.names()]

    def _offer(self, name: str) -> Offer:
        try:
            found = self._describe(self._file(name))
        except PipelineError as error:
            found = _unusable(str(error))
        return replace(found, name=name, shipped=name in shipped(DCGAN_KIND))

    def _look_at(self, path: Path) -> Offer:
        try:
            weights = load_weights(path, DCGAN_KIND)
            generator_graph(weights)  # whether its arrays are those of its architecture
            config = weights.read_config(DcganConfig)
            names = conditions.parse_names(config.condition)
        except Exception as error:  # as in `generator`
            return _unusable(_reason(error, path))
        attributes = conditions.without_tags(names)
        return Offer("", False, self.weights_hash(weights), config.image_size, attributes, None)

    def upscaler(self, realism: float, drawn: bool = True, denoise: float = 0.0) -> Upscaler:
        """Return stage two for drawn faces or pictures, its shares rounded to 1 / `STEPS`."""
        shares = (
            round(realism * STEPS) if self.has_realism(drawn) else 0,
            round(denoise * STEPS) if self.has_denoise else 0,
        )
        return self._mixed(drawn, *shares)

    def _mix(self, drawn: bool, realism: int, denoise: int) -> Upscaler:
        first, last = self._pairs[drawn]
        cleaning = [(self._cleaning, denoise / STEPS)] if self._cleaning else []
        return Upscaler(mix(first, [(last, realism / STEPS), *cleaning]))


def version_of(path: Path) -> tuple[Any, ...]:
    """Return what a file is known by until it changes: a run in progress writes some many times."""
    try:
        found = path.stat()
    except OSError:  # none yet, or gone; what else is wrong will show where it is read
        return (path,)
    return path, found.st_mtime_ns, found.st_size, found.st_ino


def _load(path: Path) -> FaceGenerator:
    return FaceGenerator.load(path)


def _unusable(reason: str) -> Offer:
    return Offer("", False, "", 0, (), reason)


def _reason(error: Exception, path: Path) -> str:
    """Say why weights cannot be used; where they lie is nothing that clients need to know."""
    text = str(error) if isinstance(error, PipelineError) else "its weights are not what they say."
    text = text.replace(str(path), path.name)
    return text.encode("utf-8", "replace").decode("utf-8")  # a name need be none
