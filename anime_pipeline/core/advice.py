"""What measurements say of a training run: how the two networks stand, what goes wrong, what helps.

Pure functions of what was logged, so that a resumed run is warned as an uninterrupted one would be.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from anime_pipeline.core.measurements import measurement

Row = Mapping[str, Any]

EVALUATIONS = 3  # in a row: a single one is noise
MEMORISING_GAP = 0.15
CERTAIN = 0.98
AHEAD = 0.9
RANKS_AHEAD = 0.95
CHANCE = 0.6
POOR_DIVERSITY = 0.35
NO_DIVERSITY = 0.15
PSNR_DROP_DB = 1.5


class Standing(NamedTuple):
    """How the two networks stand.

    Attributes:
        tone: ``"good"``, ``"fair"`` or ``"bad"``, which decides its colour.
        word: Two or three words for the terminal.
        text: A sentence.
    """

    tone: str
    word: str
    text: str


@dataclass(frozen=True)
class Rule:
    """One way to fail.

    Attributes:
        name: Short mark, stable for scripts.
        needs: Measurements that must be in a row for it to count.
        holds: Tells of a row, given all rows with those, whether it shows the failure.
        says: What is happening, and from the second sentence on what to do; measurements of the
            last row stand by their keys in braces, the best so far as ``best``.
        word: Two or three words for it, if one evaluation tells how the networks stand.
    """

    name: str
    needs: tuple[str, ...]
    holds: Callable[[Row, Sequence[Row]], bool]
    says: str
    word: str = ""


def _memorising(row: Row, _: Sequence[Row]) -> bool:
    # Of few held-out pictures the accuracy itself is uncertain, by up to 0.5 / sqrt(n).
    count = float(row["val_images"])
    least = max(MEMORISING_GAP, count**-0.5) if count > 0 else 1.0
    return bool(row["accuracy_real_train"] - row["accuracy_real_val"] >= least)


def _collapsed(row: Row, rows: Sequence[Row]) -> bool:
    best = max(each["diversity"] for each in rows)
    # Early faces are alike because they are still fog; later ones have no such excuse.
    never = NO_DIVERSITY if len(rows) >= 2 * EVALUATIONS else 0.0
    return bool(row["diversity"] <= max(POOR_DIVERSITY * min(1.0, best), never))


def has_dropped(psnr_db: float, measured_db: Sequence[float]) -> bool:
    """Tell whether held-out PSNR is too far below the best of all that were measured."""
    return psnr_db < max(measured_db) - PSNR_DROP_DB


RULES = (
    Rule(
        "memorising",
        ("accuracy_real_train", "accuracy_real_val", "val_images"),
        _memorising,
        "The discriminator memorises: it calls {accuracy_real_train} of the training pictures real "
        "but only {accuracy_real_val} of held-out ones. From here on the faces gain little. Add "
        "pictures, stop earlier, or start again with --set diff_augment=true.",
        "memorising?",
    ),
    Rule(
        "vanishing-generator",
        ("accuracy_real_train", "accuracy_fake"),
        lambda row, _: min(row["accuracy_real_train"], row["accuracy_fake"]) >= CERTAIN,
        "The discriminator is always right ({accuracy_real_train} of real pictures and "
        "{accuracy_fake} of drawn ones), so the generator hardly learns from it. If the sample "
        "grids stand still, start again with a smaller --set learning_rate_d=..., a larger --set "
        "r1_gamma=..., or --loss rpgan.",
        "discriminator never wrong",
    ),
    Rule(
        "lost-discriminator",
        ("auc_real_fake",),
        lambda row, _: row["auc_real_fake"] <= CHANCE,
        "The discriminator guesses: shown a real and a drawn face, it finds the real one "
        "{auc_real_fake} of the time, and a coin half of it. The generator then wanders. Start "
        "again with a larger --set learning_rate_d=... or a smaller --set learning_rate_g=...",
        "discriminator guesses",
    ),
    Rule(
        "collapse",
        ("diversity",),
        _collapsed,
        "The faces become alike: they vary {diversity} as much as real ones, "
        "after {best} at best. This rarely heals. Start again with another --seed, a larger "
        "--batch-size, or --loss rpgan; the saved grids show how far the run was good.",
    ),
    Rule(
        "psnr-drop",
        ("val_psnr_db",),
        lambda row, rows: has_dropped(row["val_psnr_db"], [r["val_psnr_db"] for r in rows]),
        "Held-out PSNR fell to {val_psnr_db} from {best}: the adversarial phase paints over the "
        "pictures. Start again with a smaller --set adversarial_weight=... or a larger --set "
        "pixel_weight=...; fidelity.npz in the run folder is not affected.",
    ),
)
AHEAD_STANDING = Standing(
    "fair",
    "discriminator ahead",
    "It is well ahead, but still wrong now and then, and that is what the generator learns from.",
)
LEVEL_STANDING = Standing(
    "good",
    "level",
    "The two are level: it is often right, not always, and knows unseen real pictures about as "
    "well as those it trains on.",
)


def warnings(rows: Sequence[Row]) -> dict[str, str]:
    """Return the warnings that the measurements so far, oldest first, give rise to, by rule."""
    found = {}
    for rule in RULES:
        known = [row for row in rows if row.keys() >= {*rule.needs}]
        last = known[-EVALUATIONS:]
        if len(last) == EVALUATIONS and all(rule.holds(row, known) for row in last):
            found[rule.name] = _said(rule, known)
    return found


def standing(row: Row) -> Standing | None:
    """Tell from one evaluation how the networks stand; None where it did not ask the critic."""
    if not row.keys() >= {"accuracy_real_train", "accuracy_fake"}:
        return None
    for rule in RULES:
        if rule.word and row.keys() >= {*rule.needs} and rule.holds(row, [row]):
            return Standing("bad", rule.word, _said(rule, [row]).partition(". ")[0] + ".")
    # Relativistic losses fix no border between real and drawn: there the order tells more.
    ahead = row.get("auc_real_fake", 0.0) > RANKS_AHEAD
    ahead |= min(row["accuracy_real_train"], row["accuracy_fake"]) >= AHEAD
    return AHEAD_STANDING if ahead else LEVEL_STANDING


def _said(rule: Rule, known: Sequence[Row]) -> str:
    values = {key: measurement(key).text(known[-1][key]) for key in rule.needs}
    first = rule.needs[0]
    return rule.says.format(**values, best=measurement(first).text(max(r[first] for r in known)))
