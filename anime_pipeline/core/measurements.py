"""Every number that is measured, named once: logs, reports, tables and pages take it from here.

A new one is an entry below and its function. Of training, the function compares real with drawn
faces; of a benchmark, an original with a result. Whatever shows measurements then shows it.
"""

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

TRAINING, EVALUATION, BENCHMARK = "training", "evaluation", "benchmark"
LOWER, HIGHER = "lower is better", "higher is better"
UP, DOWN = "\u00a0↑", "\u00a0↓"  # held to the word before by a space that never breaks
FEW_FACES = "val_images"

LIKENESS, VARIETY, COPIES, ATTRIBUTES = "Likeness", "Variety", "Copies", "Attributes"
LOSSES, LOGITS, ACCURACY = "Losses", "Mean logits", "Discriminator accuracy"
PSNR, GUESSES = "PSNR on held-out pairs (dB)", "Error of the guessed hair and skin"
PENALTIES, PACE = "Gradient penalties", "Pictures a second"


@dataclass(frozen=True)
class Measurement:
    """What one measured number is called, means and looks like.

    Attributes:
        key: Its name in logs, CSV and JSON, unit included.
        label: Its name for people.
        meaning: What it says, or the protocol that decides it.
        group: The chart that its curve stands in, or the section of an evaluation.
        format: How a value is written, for `str.format`; nothing for about three digits.
        direction: `LOWER`, `HIGHER`, what is good in other words, or nothing.
        headline: Whether runs are set side by side by it, or methods picture by picture.
        beside: Key of what its last value should be read beside.
        kind: Where it is measured: `TRAINING`, `EVALUATION` or `BENCHMARK`.
        function: ``"module:name"`` of what measures it, where nothing else need be known.
    """

    key: str
    label: str
    meaning: str = ""
    group: str = ""
    format: str = ""
    direction: str = ""
    headline: bool = False
    beside: str = ""
    kind: str = TRAINING
    function: str = ""

    @property
    def directed(self) -> str:
        """The label with an arrow towards better, where one way is better."""
        return self.label + {LOWER: DOWN, HIGHER: UP}.get(self.direction, "")

    @property
    def is_share(self) -> bool:
        """Whether values lie between 0 and 1, which curves then show as a whole."""
        return self.group == ACCURACY

    def text(self, value: float) -> str:
        """Return a value as people read it."""
        if self.format and abs(value) < 1e6:
            return self.format.format(value)
        if isinstance(value, int) or 1000 <= abs(value) < 1e15:
            return f"{value:,.0f}" if abs(value) < 1e15 else f"{float(value):.3g}"
        return f"{value:.3g}"

    def best(self, values: Iterable[float]) -> float:
        """Return the best of some values; those that are no number count for nothing, alone NaN."""
        known = [value for value in values if value == value]
        return (max if self.direction == HIGHER else min)(known, default=float("nan"))

    def load(self) -> Callable[..., Any]:
        """Return the function that measures it; only now is anything heavy imported."""
        found: Callable[..., Any] = pkgutil.resolve_name(f"anime_pipeline.metrics.{self.function}")
        return found


_PERCENT, _DB, _2, _3, _4 = "{:.1%}", "{:.2f} dB", "{:.2f}", "{:.3f}", "{:.4f}"
_logged = partial(Measurement, kind=TRAINING)
_of_faces = partial(Measurement, meaning="", format=_3, kind=EVALUATION)
_column = partial(Measurement, group="", kind=BENCHMARK)

# In the order that everything is shown in: first what tells most.
_OF_TRAINING = (
    _logged("kid_val", "KID, to compare runs",
            "How far the drawn faces are, as a crowd, from real ones that training never saw. 0 "
            "would be no difference; what counts is that it falls. It chooses best.npz. "
            "config.json says by which network (snapshots); compare it with runs by the same one "
            "on the same pictures only.", "Distance from held-out faces (KID)",
            direction=LOWER, headline=True, beside=FEW_FACES),
    _logged("val_psnr_db", "PSNR on held-out pictures",
            "How close enlarged pictures come to their originals; higher is closer. In the second "
            "phase a little is given up for crispness.", PSNR, format=_DB, direction=HIGHER,
            headline=True, beside="val_psnr_bicubic_db"),
    _logged("val_psnr_bicubic_db", "PSNR of plain bicubic",
            "The same for ordinary enlargement, the mark to beat.", PSNR, format=_DB,
            headline=True),
    _logged("diversity", "Variety of the faces",
            "How much drawn faces differ from each other, beside how much real ones do: 100% is as "
            "varied, near 0% means that all look alike (collapse).",
            "Variety of the faces (1: as real ones)", format="{:.0%}",
            direction="near 100% is good", headline=True,
            function="diversity:thumbnail_ratio"),
    _logged("auc_real_fake", "Real ranked above drawn",
            "Shown one real and one drawn face, how often the discriminator finds the real one. "
            "50% is a coin, 100% never fooled.", ACCURACY, format=_PERCENT,
            direction="between is good: 60 to 95%", headline=True),
    _logged("accuracy_real_train", "Accuracy, training",
            "Share of the training pictures that the discriminator calls real.", ACCURACY,
            format=_PERCENT, headline=True),
    _logged("accuracy_real_val", "Accuracy, held-out",
            "Share of the real pictures that it has never seen that it calls real.", ACCURACY,
            format=_PERCENT, headline=True),
    _logged("accuracy_fake", "Accuracy, drawn",
            "Share of the generator's faces that the discriminator sees through.", ACCURACY,
            format=_PERCENT, headline=True),
    _logged(FEW_FACES, "Held-out pictures used",
            "How many real pictures the held-out figures rest on; with few, they are rough.",
            headline=True),
    _logged("loss_d", "Discriminator loss",
            "What the discriminator minimises. It does not fall steadily: its opponent learns "
            "too.", LOSSES, headline=True),
    _logged("loss_g", "Generator loss",
            "What the generator minimises. High means that the discriminator is ahead just now; "
            "it says little about how good the pictures are.", LOSSES, headline=True),
    _logged("loss_pixel", "Pixel loss",
            "Mean difference between enlarged picture and original, pixel by pixel.", LOSSES,
            headline=True),
    _logged("loss_perceptual", "Perceptual loss",
            "The same difference as a picture-recognition network (VGG16) sees it: texture, "
            "outlines.", LOSSES),
    _logged("loss_adversarial", "Adversarial loss",
            "How plainly the discriminator sees that the enlarged picture is none of the "
            "originals.", LOSSES),
    _logged("real_logit", "Logit of real pictures",
            "The discriminator's raw score; for the relativistic loss only the distance to the "
            "next line counts.", LOGITS),
    _logged("fake_logit", "Logit of generated pictures",
            "The same for what the generator makes.", LOGITS),
    _logged("guess_d", "Error in guessing colours, real",
            "How far the discriminator's guess of what a real face shows (hair, skin, tags) is "
            "off.", GUESSES),
    _logged("guess_g", "Error in guessing colours, drawn",
            "How far drawn faces are from what was asked for, as the discriminator reads them.",
            GUESSES),
    _logged("r1", "Gradient penalty, real pictures",
            "How steep the discriminator is around real pictures; kept small so that it teaches "
            "well.", PENALTIES),
    _logged("r2", "Gradient penalty, drawn faces", "The same around drawn faces.", PENALTIES),
    _logged("gradient_penalty", "Gradient penalty",
            "How far the discriminator is from the even steepness that the WGAN loss needs.",
            PENALTIES),
    _logged("images_per_second", "Pictures a second",
            "Pace since the line before, evaluating and saving included.", PACE, format="{:,.0f}",
            headline=True),
)  # fmt: skip

_OF_EVALUATION = (
    _of_faces("kid", "KID", group=LIKENESS, direction=LOWER, format=_4),
    _of_faces("precision", "precision", group=LIKENESS, direction=HIGHER),
    _of_faces("recall", "recall", group=LIKENESS, direction=HIGHER),
    _of_faces("fid", "FID", group=LIKENESS),
    _of_faces("frechet", "Frechet", group=LIKENESS),
    _of_faces("feature_distance", "feature distance (real = 1)", group=VARIETY),
    _of_faces("ms_ssim", "MS-SSIM of pairs", group=VARIETY),
    _of_faces("copies_median", "nearest training face, median over held-out's", group=COPIES),
    _of_faces("copies_share", "share nearer than held-out's nearest 1%", group=COPIES),
    _of_faces("hair", "hair asked for and shown", group=ATTRIBUTES),
    _of_faces("skin", "skin asked for and shown", group=ATTRIBUTES),
    _of_faces("leakage", "change of skin when hair changes", group=ATTRIBUTES),
    _of_faces("variety_within", "variety of faces of one condition (real, all: 1)",
              group=ATTRIBUTES),
    _of_faces("eyes", "eyes asked for and shown", group=ATTRIBUTES),
)  # fmt: skip

_LPIPS = "Zhang et al. 2018, {}, version 0.1: 0 if nothing looks different"
_OF_BENCHMARK = (
    _column("psnr_rgb_db", "PSNR RGB (dB)", "uint8 RGB, peak 255", format=_2, direction=HIGHER,
            headline=True, function="psnr:psnr_rgb"),
    _column("psnr_y_db", "PSNR Y (dB)", "BT.601 luma, 4 px shaved off", format=_2,
            direction=HIGHER, function="psnr:psnr_y"),
    _column("ssim", "SSIM", "7x7 window on RGB, by scikit-image", format=_4, direction=HIGHER,
            headline=True, function="ssim:ssim_rgb"),
    _column("lpips_alex", "LPIPS alex", _LPIPS.format("AlexNet"), format=_3, direction=LOWER,
            headline=True),
    _column("lpips_vgg", "LPIPS vgg", _LPIPS.format("VGG16"), format=_3, direction=LOWER,
            headline=True),
    _column("gmsd", "Edges (GMSD)", "gradient magnitude similarity deviation, Xue et al. 2014: 0 "
            "if all edges are kept", format=_4, direction=LOWER, function="gmsd:gmsd"),
    _column("colour_shift_delta_e", "Colour shift (ΔE00)", "mean CIEDE2000 between result and "
            "original, both averaged to 8x8 px", format=_2, direction=LOWER,
            function="colour_shift:colour_shift"),
    _column("lr_psnr_db", "Consistency (dB)", "LR-PSNR: the result reduced again, against the "
            "input; by the same reduction where that is a plain one, else by Pillow's bicubic; 100 "
            "stands for equal", format=_2, direction=HIGHER),
    _column("ms_per_image", "ms per picture", "wall-clock", format=_2, direction=LOWER),
)  # fmt: skip

MEASUREMENTS = {one.key: one for one in (*_OF_TRAINING, *_OF_EVALUATION, *_OF_BENCHMARK)}


def measurement(key: str) -> Measurement:
    """Return what a key stands for; of one that another version wrote, its name is all there is."""
    return MEASUREMENTS.get(key, Measurement(key, key))


def of_kind(kind: str) -> list[Measurement]:
    """Return what is measured in training, an evaluation or a benchmark, in the order shown."""
    return [one for one in MEASUREMENTS.values() if one.kind == kind]


def headlines(measured: Iterable[str]) -> list[Measurement]:
    """Return by what runs are compared, of what a log holds."""
    known = set(measured)
    return [one for one in of_kind(TRAINING) if one.headline and one.key in known]


def charts() -> dict[str, list[Measurement]]:
    """Return the charts of a training run by their titles, with the curves of each."""
    found: dict[str, list[Measurement]] = {LOSSES: [], LOGITS: [], ACCURACY: []}
    for one in of_kind(TRAINING):
        if one.group:
            found.setdefault(one.group, []).append(one)
    return found
