"""Seeing early that a run goes wrong: collapse, overfitting, a lost player; said in plain words.

The rules are pure functions of the measurements logged so far, so that a resumed run judges as an
uninterrupted one would.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from anime_pipeline.core.files import (
    MAX_DOCUMENT_BYTES,
    append_line,
    read_regular,
    require_regular_if_there,
)
from anime_pipeline.core.runs import METRICS_FILE, WARNINGS_FILE, read_metrics
from anime_pipeline.core.storage import atomic_write_text
from anime_pipeline.training.loop import Callback, Progress

Row = dict[str, Any]

# A single look is noise.
LOOKS = 3
MEMORISING_GAP = 0.15
CERTAIN = 0.98
CHANCE = 0.6
POOR_DIVERSITY = 0.35
NO_DIVERSITY = 0.15
PSNR_DROP_DB = 1.5


@dataclass(frozen=True)
class Rule:
    """One way to fail.

    Attributes:
        name: Short mark, stable for scripts.
        needs: Measurements that must be in a row for it to count.
        holds: Given the rows with all of those, oldest first, tells whether the run is failing.
        says: What is happening and what to do, from the same rows.
    """

    name: str
    needs: tuple[str, ...]
    holds: Callable[[Sequence[Row]], bool]
    says: Callable[[Sequence[Row]], str]


def _last(rows: Sequence[Row], test: Callable[[Row], bool]) -> bool:
    return all(test(row) for row in rows[-LOOKS:])


def _memorising(row: Row) -> bool:
    # Of few held-out pictures the accuracy itself is uncertain, by up to 0.5 / sqrt(n).
    least = max(MEMORISING_GAP, float(row["val_images"]) ** -0.5)
    return bool(row["accuracy_real_train"] - row["accuracy_real_val"] >= least)


def _certain(row: Row) -> bool:
    return bool(min(row["accuracy_real_train"], row["accuracy_fake"]) >= CERTAIN)


def _lost(row: Row) -> bool:
    return bool(row["auc_real_fake"] <= CHANCE)


def _collapsed(rows: Sequence[Row]) -> bool:
    best = max(row["diversity"] for row in rows)
    fallen = _last(rows, lambda row: row["diversity"] <= POOR_DIVERSITY * min(1.0, best))
    # Early faces are alike because they are still fog; later ones have no such excuse.
    never_rose = len(rows) >= 2 * LOOKS and _last(
        rows, lambda row: row["diversity"] <= NO_DIVERSITY
    )
    return fallen or never_rose


def _psnr_dropped(rows: Sequence[Row]) -> bool:
    best = max(row["val_psnr_db"] for row in rows)
    return _last(rows, lambda row: row["val_psnr_db"] < best - PSNR_DROP_DB)


def _percent(value: float) -> str:
    return f"{value:.0%}"


RULES = (
    Rule(
        "memorising",
        ("accuracy_real_train", "accuracy_real_val", "val_images"),
        lambda rows: _last(rows, _memorising),
        lambda rows: (
            "The discriminator memorises: it calls "
            f"{_percent(rows[-1]['accuracy_real_train'])} of the training pictures real but only "
            f"{_percent(rows[-1]['accuracy_real_val'])} of held-out ones. From here on the faces "
            "gain little. Add pictures, stop earlier, or start again with --set diff_augment=true."
        ),
    ),
    Rule(
        "vanishing-generator",
        ("accuracy_real_train", "accuracy_fake"),
        lambda rows: _last(rows, _certain),
        lambda rows: (
            "The discriminator is always right "
            f"({_percent(rows[-1]['accuracy_real_train'])} of real pictures and "
            f"{_percent(rows[-1]['accuracy_fake'])} of drawn ones), so the generator hardly learns "
            "from it. If the sample grids stand still, start again with a smaller --set "
            "learning_rate_d=..., a larger --set r1_gamma=..., or --loss rpgan."
        ),
    ),
    Rule(
        "lost-discriminator",
        ("auc_real_fake",),
        lambda rows: _last(rows, _lost),
        lambda rows: (
            "The discriminator guesses: shown a real and a drawn face, it finds the real one "
            f"{_percent(rows[-1]['auc_real_fake'])} of the time, and a coin half of it. The "
            "generator then wanders. Start again with a "
            "larger --set learning_rate_d=... or a smaller --set learning_rate_g=..."
        ),
    ),
    Rule(
        "collapse",
        ("diversity",),
        _collapsed,
        lambda rows: (
            f"The faces become alike: they vary {_percent(rows[-1]['diversity'])} as much as real "
            f"ones, after {_percent(max(row['diversity'] for row in rows))} at best. This rarely "
            "heals. Start again with another --seed, a larger --batch-size, or --loss rpgan; the "
            "saved grids show how far the run was good."
        ),
    ),
    Rule(
        "psnr-drop",
        ("val_psnr_db",),
        _psnr_dropped,
        lambda rows: (
            f"Held-out PSNR fell to {rows[-1]['val_psnr_db']:.2f} dB from "
            f"{max(row['val_psnr_db'] for row in rows):.2f} dB: the adversarial phase paints over "
            "the pictures. Start again with a smaller --set adversarial_weight=... or a larger "
            "--set pixel_weight=...; fidelity.npz in the run folder is not affected."
        ),
    ),
)


def judge(rows: Sequence[Row]) -> dict[str, str]:
    """Return the warnings that the measurements so far give rise to, by rule."""
    found = {}
    for rule in RULES:
        known = [row for row in rows if all(name in row for name in rule.needs)]
        if len(known) >= LOOKS and rule.holds(known):
            found[rule.name] = rule.says(known)
    return found


def _step(line: str) -> int:
    """Return the step of a line of the warnings' file; a torn line counts as the last."""
    match = re.match(r"step (\d+): .*\n", line)
    return int(match[1]) if match else sys.maxsize


class Watch(Callback):
    """Judges after each look and says once what goes wrong, again only if it went away between.

    Stands after the callbacks that measure and before the one that writes the log.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._rows: list[Row] = []
        self._current: set[str] = set()

    def on_start(self, progress: Progress) -> None:
        """Read what was measured before this process began."""
        rows = read_metrics(progress.folder / METRICS_FILE)
        self._rows = [row for row in rows if row["step"] <= progress.step]
        self._current = set(judge(self._rows))
        path = progress.folder / WARNINGS_FILE
        require_regular_if_there(path)
        if path.exists():
            # Those after the resumed step will be given again.
            text = read_regular(path, MAX_DOCUMENT_BYTES, follow=False).decode("utf-8", "replace")
            lines = text.splitlines(keepends=True)
            atomic_write_text(path, "".join(li for li in lines if _step(li) <= progress.step))

    def after_step(self, progress: Progress) -> None:
        """Judge where something was measured."""
        if not progress.logged:
            return
        self._rows.append({"step": progress.step, **progress.logged})
        found = judge(self._rows)
        for name in found.keys() - self._current:
            line = f"step {progress.step}: {name}: {found[name]}"
            append_line(progress.folder / WARNINGS_FILE, line)
            self.say(f"Warning: {found[name]}")
        self._current = set(found)
