"""What there is to say of a training run, as one JSON document that every page renders."""

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from anime_pipeline.core import measurements
from anime_pipeline.core.advice import standing
from anime_pipeline.core.measurements import measurement
from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS
from anime_pipeline.core.runs import RunSummary
from anime_pipeline.core.samples import epoch_words
from anime_pipeline.reports.curves import Curves, curves

SHOWN_FIRST = 3  # measurements that stand beside a run's name

Document = dict[str, Any]


class Log(NamedTuple):
    """What a run's log says over time.

    Attributes:
        curves: See `reports.curves`.
        seconds: How long one picture a step would have taken: each line tells the pace since the
            one before.
        steps: The last step logged in each epoch.
    """

    curves: Curves
    seconds: float
    steps: dict[int, int]


def digest(rows: Sequence[Mapping[str, Any]]) -> Log:
    """Return what is told of the lines of a log."""
    seconds, before = 0.0, 0
    for row in rows:
        pace = row.get("images_per_second", 0)
        if pace > 0 and math.isfinite(spent := (row["step"] - before) / pace):
            seconds += spent
        before = row["step"]
    return Log(curves(rows), seconds, {row["epoch"]: row["step"] for row in rows if "epoch" in row})


def summary(run: RunSummary, samples: Sequence[int]) -> Document:
    """Return how far a run is, what it measured last and what it warned of.

    Args:
        run: The run; its log may hold anything that is a number.
        samples: Epochs of which there are sample grids.
    """
    measured = {name: value for name, value in run.metrics.items() if not isinstance(value, bool)}
    warnings = [line for line in run.warnings if line.strip()]
    epoch, seconds = run.metrics.get("epoch"), _seconds_left(run)
    title = f"Learning to enlarge faces {run.config.get('scale', 4)} times"
    if run.stage == "dcgan":
        size = run.config.get("image_size", "?")
        title = f"Learning to draw faces of {size} × {size} pixels"
    document: Document = {
        "name": run.name,
        "stage": run.stage,
        "title": title,
        "preset": run.preset,
        "state": run.state,
        "step": max(0, int(run.step)),
        "total_steps": max(0, run.total_steps),
        "share": min(1.0, max(0.0, run.step / max(run.total_steps, 1))),
        "warnings": warnings,
        "warned": [_warning_words(line) for line in warnings],
        "latest_sample": samples[-1] if samples else None,
        "latest_words": epoch_words(samples[-1]) if samples else "",
        "metrics": measured,
        "headlines": [
            {"name": one.key, "label": one.label, "value": one.text(measured[one.key])}
            for one in measurements.headlines(measured)[:SHOWN_FIRST]
        ],
    }
    # What is not known is left out.
    if isinstance(epoch, int) and epoch >= 0:
        document["epoch"] = int(epoch)
    if seconds is not None:
        document["seconds_left"] = seconds
        if seconds >= 1:
            document["time_left"] = duration(seconds)
    return document


def details(run: RunSummary, samples: Sequence[int], log: Log) -> Document:
    """Return all that a run's page shows; see `summary`."""
    document = summary(run, samples)
    measured = document["metrics"]
    found = standing(measured)
    return document | {
        "samples": list(samples),
        "curves": log.curves,
        "config": run.config,
        "tiles": _tiles(run, log),
        "measured": _measured(log),
        "standing": found and found._asdict(),
        "charts": [
            {
                "title": title,
                "series": [{"name": one.key, "label": one.label} for one in members],
                "share": members[0].is_share,
                "empty": not any(one.key in measured for one in members),
            }
            for title, members in measurements.charts().items()
        ],
        "trends": [
            _trend(one.key, log.curves)
            for one in measurements.of_kind(measurements.TRAINING)
            if one.direction and one.key in log.curves
        ],
        "differences": _differences(run),
        "settings": [[name, plain(value)] for name, value in run.config.items()],
        "commands": _commands(run),
    }


def _images_per_step(config: Mapping[str, Any]) -> int:
    try:
        return int(config["batch_size"]) * int(config.get("d_steps", 1))
    except (KeyError, TypeError, ValueError):
        return 0


def _seconds_left(run: RunSummary) -> float | None:
    """Return how long the rest takes at the last pace, or None where that cannot be told."""
    pace = run.metrics.get("images_per_second", 0)
    if run.state != "training" or pace <= 0:
        return None
    return max(0, run.total_steps - run.step) * _images_per_step(run.config) / pace


def _tiles(run: RunSummary, log: Log) -> list[dict[str, str]]:
    """Return how much was done, as (value, what it counts)."""
    per_step = _images_per_step(run.config)
    tiles = [(f"{run.step:,}", f"of {run.total_steps:,} steps")]
    if per_step:
        kind = "pictures" if run.stage == "dcgan" else "crops"
        tiles.append((f"{run.step * per_step:,}", f"{kind} seen, {per_step} a step"))
    if log.steps:
        tiles.append((f"{list(log.steps)[-1]:,}", "passes over the set begun"))
    if per_step and log.seconds:
        spent = duration(log.seconds * per_step)
        tiles.append((spent, "of training, evaluating and saving included"))
        tiles.append((f"{run.metrics['step'] / log.seconds:,.0f}", "pictures a second"))
    tiles.append((f"{run.bytes / 1e6:,.0f} MB", "in the run folder"))
    return [{"value": value, "label": label} for value, label in tiles]


def _measured(log: Log) -> list[dict[str, Any]]:
    """Return the last value of all that was logged, the known ones first, in words."""
    known = [one for one in measurements.of_kind(measurements.TRAINING) if one.key in log.curves]
    others = [measurement(key) for key in log.curves if key not in {one.key for one in known}]
    return [
        {
            "name": one.key,
            "label": one.label,
            "meaning": one.meaning,
            "value": one.text(log.curves[one.key][-1][1]),
            "step": log.curves[one.key][-1][0],
            "share": log.curves[one.key][-1][1] if one.is_share and not one.direction else None,
        }
        for one in [*known, *others]
    ]


def _trend(key: str, known: Curves) -> dict[str, Any]:
    """Return what the ends of a measurement's curve mean."""
    one, points = measurement(key), known[key]
    notes = [one.direction]
    if one.direction in (measurements.LOWER, measurements.HIGHER):
        best = one.best(value for _, value in points)
        step = next(step for step, value in points if value == best)
        notes.append(f"best {one.text(best)} at step {step:,}")
    if one.beside in known:
        beside = measurement(one.beside)
        notes.append(f"{beside.label}: {beside.text(known[one.beside][-1][1])}")
    return {"name": key, "label": one.label, "value": one.text(points[-1][1]), "notes": notes,
            "meaning": one.meaning}  # fmt: skip


def _differences(run: RunSummary) -> list[list[str]] | None:
    """Return [field, the preset's value, the run's]; None if no such preset is known."""
    presets: Mapping[str, Any] = SRGAN_PRESETS if run.stage == "srgan" else DCGAN_PRESETS
    if run.preset not in presets:
        return None
    ours = asdict(presets[run.preset])
    return [
        [name, plain(ours[name]) if name in ours else "", plain(value)]
        for name, value in run.config.items()
        if name not in ours or ours[name] != value
    ]


def _warning_words(line: str) -> tuple[str, str, str]:
    """Return (when, kind, what) of a line of the warnings' file; a torn one is shown as it is."""
    when, _, rest = line.partition(": ")
    kind, _, text = rest.partition(": ")
    return (when, kind, text) if when.startswith("step ") and text else ("", "", line)


def duration(seconds: float) -> str:
    """Return a time as people say it: ``"42 s"``, ``"12 min"``, ``"3 h 05 min"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def plain(value: Any) -> str:
    """Return a setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        nested = any(isinstance(part, dict | list) for part in value)
        return json.dumps(value) if nested else ", ".join(map(plain, value))
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value) or "(none)"


def _commands(run: RunSummary) -> list[tuple[str, str]]:
    """Return (what for, command) of what one may want to do now, on the machine of the run."""
    folder = shlex.quote(str(run.folder))
    found = []
    if run.state in ("stopped", "new"):
        resume = f"anime-pipeline train-{run.stage} --resume {folder}"
        found.append(("Go on where it stopped, to the bit", resume))
    if run.stage == "dcgan":
        generate = f"anime-pipeline generate --checkpoint {folder}"
        found.append(("Draw faces with it", generate))
        found.append(("Draw and enlarge them", f"{generate} --upscale"))
    else:
        upscale = f"anime-pipeline upscale PICTURES --weights {folder}"
        found.append(("Enlarge pictures with it", upscale))
    found += [
        ("Curves of this run, or of several", f"anime-pipeline runs plot {folder}"),
        ("Set it beside another", f"anime-pipeline runs compare {folder} OTHER"),
        ("Write a report as a file", f"anime-pipeline runs report {folder}"),
    ]
    return found
