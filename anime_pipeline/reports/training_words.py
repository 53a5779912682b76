"""What the measurements of a training run mean, in plain words; for the report and the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from anime_pipeline.core.runs import RunSummary

# Name in the log: (label, explanation).
MEASUREMENTS = {
    "kid_val": (
        "Distance to held-out faces (KID)",
        "How far the drawn faces are, as a crowd, from real ones that training never saw. 0 would "
        "be no difference; what counts is that it falls. config.json says by which network "
        "(snapshots); compare it with runs by the same one on the same pictures only.",
    ),
    "diversity": (
        "Variety of the faces",
        "How much drawn faces differ from each other, beside how much real ones do: 1 is as "
        "varied, near 0 means that all look alike (collapse).",
    ),
    "val_psnr_db": (
        "PSNR on held-out pictures",
        "How close enlarged pictures come to their originals; higher is closer. In the second "
        "phase a little is given up for crispness.",
    ),
    "val_psnr_bicubic_db": (
        "PSNR of plain bicubic",
        "The same for ordinary enlargement, the mark to beat.",
    ),
    "accuracy_real_train": (
        "Right about training pictures",
        "Share of the training pictures that the discriminator calls real.",
    ),
    "accuracy_real_val": (
        "Right about held-out pictures",
        "The same for real pictures that it has never seen.",
    ),
    "accuracy_fake": (
        "Right about drawn faces",
        "Share of the generator's faces that the discriminator sees through.",
    ),
    "auc_real_fake": (
        "Real ranked above drawn",
        "Shown one real and one drawn face, how often the discriminator finds the real one. 50% "
        "is a coin, 100% never fooled.",
    ),
    "val_images": (
        "Held-out pictures used",
        "How many real pictures the held-out figures rest on; with few, they are rough.",
    ),
    "loss_d": (
        "Discriminator's loss",
        "What the discriminator minimises. It does not fall steadily: its opponent learns too.",
    ),
    "loss_g": (
        "Generator's loss",
        "What the generator minimises. High means that the discriminator is ahead just now; it "
        "says little about how good the faces are.",
    ),
    "loss_pixel": (
        "Pixel loss",
        "Mean difference between enlarged picture and original, pixel by pixel.",
    ),
    "loss_perceptual": (
        "Perceptual loss",
        "The same difference as a picture-recognition network (VGG16) sees it: texture, outlines.",
    ),
    "loss_adversarial": (
        "Adversarial loss",
        "How plainly the discriminator sees that the enlarged picture is none of the originals.",
    ),
    "real_logit": (
        "Score of real pictures",
        "The discriminator's raw score; for the relativistic loss only the distance to the next "
        "line counts.",
    ),
    "fake_logit": ("Score of drawn faces", "The same for the generator's faces."),
    "guess_d": (
        "Error in guessing colours, real",
        "How far the discriminator's guess of what a real face shows (hair, skin, tags) is off.",
    ),
    "guess_g": (
        "Error in guessing colours, drawn",
        "How far drawn faces are from what was asked for, as the discriminator reads them.",
    ),
    "r1": (
        "Gradient penalty, real pictures",
        "How steep the discriminator is around real pictures; kept small so that it teaches well.",
    ),
    "r2": ("Gradient penalty, drawn faces", "The same around drawn faces."),
    "gradient_penalty": (
        "Gradient penalty",
        "How far the discriminator is from the even steepness that the WGAN loss needs.",
    ),
    "images_per_second": (
        "Pictures a second",
        "Pace since the line before, looking and saving included.",
    ),
}

# What is said otherwise of a run that enlarges pictures: it draws no faces.
ENLARGING = {
    "real_logit": (
        "Score of originals",
        "The discriminator's raw score of large pictures as they were; only the distance to the "
        "next line counts.",
    ),
    "fake_logit": ("Score of enlarged pictures", "The same for what the network has enlarged."),
}

LOW, HIGH = "lower is better", "higher is better"

# Small curves of the page: (name, which way is good, what to set beside the last value).
TRENDS = (
    ("kid_val", LOW, "val_images"),
    ("diversity", "near 1 is good", "val_images"),
    ("auc_real_fake", "between is good: 60 to 95%", "val_images"),
    ("val_psnr_db", HIGH, "val_psnr_bicubic_db"),
)

# As in training/watch.py, which waits for three looks in a row before it warns.
MEMORISING_GAP = 0.15
CERTAIN = 0.98
CHANCE = 0.6

AHEAD = 0.9


class Verdict(NamedTuple):
    """How the two players stand.

    Attributes:
        tone: ``"good"``, ``"fair"`` or ``"bad"``, which decides its colour.
        word: Two or three words for the terminal.
        text: A sentence or two.
    """

    tone: str
    word: str
    text: str


def verdict(measured: Mapping[str, Any]) -> Verdict | None:
    """Judge the discriminator's last accuracies; None where they were not measured."""
    train, fake = measured.get("accuracy_real_train"), measured.get("accuracy_fake")
    if train is None or fake is None:
        return None
    held_out, count = measured.get("accuracy_real_val"), measured.get("val_images", 0)
    # Of few held-out pictures the accuracy itself is uncertain, by up to 0.5 / sqrt(n).
    limit = max(MEMORISING_GAP, count**-0.5) if count > 0 else 1.0
    if held_out is not None and train - held_out >= limit:
        return Verdict(
            "bad",
            "memorising?",
            f"It knows {train:.0%} of the training pictures but only {held_out:.0%} of real "
            "pictures that it has not seen: it has begun to learn them by heart.",
        )
    if min(train, fake) >= CERTAIN:
        return Verdict(
            "bad",
            "discriminator never wrong",
            "It is practically always right, so the generator hardly learns from it any more.",
        )
    if measured.get("auc_real_fake", 1.0) <= CHANCE:
        return Verdict(
            "bad",
            "discriminator guesses",
            "It does little better than a coin: it can teach nothing.",
        )
    if min(train, fake) >= AHEAD:
        return Verdict(
            "fair",
            "discriminator ahead",
            "It is well ahead, but still wrong now and then, and that is what the generator "
            "learns from.",
        )
    return Verdict(
        "good",
        "level",
        "The two are level: it is often right, not always, and knows unseen real pictures about as "
        "well as those it trains on.",
    )


def measurements(stage: str) -> dict[str, tuple[str, str]]:
    """Return what is measured by its name in the log, as (label, explanation).

    Args:
        stage: ``"dcgan"`` or ``"srgan"``, which draw and enlarge.
    """
    return MEASUREMENTS | (ENLARGING if stage == "srgan" else {})


def meaning(name: str, stage: str) -> tuple[str, str]:
    """Return (label, explanation) of a name in the log; of an unknown one, the name itself."""
    return measurements(stage).get(name, (name, ""))


def duration(seconds: float) -> str:
    """Return a time as people say it: ``"42 s"``, ``"12 min"``, ``"3 h 05 min"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def number(name: str, value: float) -> str:
    """Return a measurement as text, in its own manner."""
    if name.startswith(("accuracy_", "auc_")):
        return f"{value:.1%}"
    if name.endswith("_db"):
        return f"{value:.2f} dB"
    if isinstance(value, int) or name == "images_per_second":
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def plain(value: Any) -> str:
    """Return a setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value) or "(none)"


def commands(run: RunSummary, state: str) -> list[tuple[str, str]]:
    """Return (what for, command) of what one may want to do now."""
    folder = shlex.quote(str(run.folder))
    found = []
    if state in ("stopped", "new"):
        resume = f"anime-pipeline train-{run.stage} --resume {folder}"
        found.append(("Go on where it stopped, to the bit", resume))
    if run.stage == "dcgan":
        draw = f"anime-pipeline generate --checkpoint {folder}"
        found.append(("Draw faces with it", draw))
        found.append(("Draw and enlarge them", f"{draw} --upscale"))
    else:
        upscale = f"anime-pipeline upscale PICTURES --weights {folder}"
        found.append(("Enlarge pictures with it", upscale))
    found += [
        ("Curves of this run, or of several", f"anime-pipeline runs plot {folder}"),
        ("Set it beside another", f"anime-pipeline runs compare {folder} OTHER"),
        ("Write a report as a file", f"anime-pipeline runs report {folder}"),
    ]
    return found
