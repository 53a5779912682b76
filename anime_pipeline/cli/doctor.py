"""`anime-pipeline doctor` and `models`: whether the installation and its weights are whole."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from anime_pipeline import __version__
from anime_pipeline.cli import common
from anime_pipeline.core import machine
from anime_pipeline.core.errors import CheckpointError, PipelineError, UsageError, in_words
from anime_pipeline.core.platform import memory_bytes
from anime_pipeline.core.storage import atomic_write_bytes, cache_folder

OPTIONAL = ("jax", "tensorboardX", "openvino", "ai-edge-litert")
FOR_TRAINING = ("tensorflow", "keras")
SLIM = "draws, upscales and measures, but cannot train, project or evaluate"
LITTLE_DISK_BYTES = 1_000_000_000
LITTLE_MEMORY_BYTES = 2_000_000_000


@click.command("doctor")
@common.json_option
def doctor() -> None:
    """Check this installation and this machine, and draw a few faces as a test.

    Exit 1 if something is broken. Paste the output into bug reports.
    """
    checks: list[dict[str, str]] = []
    for name, examine in EXAMINATIONS.items():
        with common.waiting(f"Examining: {name}"):
            try:
                status, detail = examine()
            except Exception as error:  # a line of the report, so that the others are still seen
                words = in_words(error) or f"{type(error).__name__}: {error}"
                status, detail = "fail", str(words)
        checks.append({"name": name, "status": status, "detail": detail})
    if common.wants_json():
        common.print_json({"version": __version__, "checks": checks})
    else:
        rows = [(check["status"], check["name"], check["detail"]) for check in checks]
        common.print_table(("", f"anime-pipeline {__version__}", ""), rows)
    if failed := [check["name"] for check in checks if check["status"] == "fail"]:
        raise PipelineError(
            f"{len(failed)} of {len(checks)} checks failed ({', '.join(failed)}); their lines say "
            "what to do."
        )


# Each returns ``ok``, ``note`` (works, but) or ``fail``, and what there is to say.


def _python() -> tuple[str, str]:
    detail = f"{platform.python_version()} on {platform.platform()}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        detail += "; expected Python 3.11 to 3.13: make the environment with one of these"
        return ("fail", detail)
    return ("ok", detail)


def _versions(names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return found, missing


def _packages() -> tuple[str, str]:
    required = importlib.metadata.requires("anime-pipeline") or []
    names = [re.split(r"[^\w.-]", line)[0] for line in required if "extra ==" not in line]
    found, missing = _versions((*names, *OPTIONAL))
    missing = [name for name in missing if name not in OPTIONAL]
    full = _versions(("opencv-python",))[0]
    if full and "opencv-python-headless" in missing:  # the full build serves as well
        missing.remove("opencv-python-headless")
        found += full
    if missing and set(missing) <= set(FOR_TRAINING):
        return ("note", f"{', '.join(found)}; without {', '.join(missing)}: {SLIM}")
    if missing:
        return ("fail", f"missing: {', '.join(missing)}; install anime-pipeline again")
    return ("ok", ", ".join(found))


def _backend() -> tuple[str, str]:
    if not machine.has_keras():
        return ("note", f"none: this installation {SLIM}")
    from anime_pipeline.models import backend

    gpu = "a GPU" if backend.has_gpu() else "no GPU: everything runs on the CPU"
    version = importlib.metadata.version(backend.name())
    chosen = "set by KERAS_BACKEND" if "KERAS_BACKEND" in _GIVEN else "the default"
    return ("ok", f"{backend.name()} {version} ({chosen}), {gpu}")


_GIVEN = dict(os.environ)  # before the backend is selected, which sets the variable


def _cpu() -> tuple[str, str]:
    limits = [f"{k}={v}" for k, v in os.environ.items() if k.endswith("_NUM_THREADS")]
    detail = f"{machine.cpu_name()}, {machine.usable_cores()} of {os.cpu_count()} threads usable"
    if limits:
        return ("note", f"{detail}; limited by {', '.join(limits)}")
    return ("ok", detail)


def _bfloat16() -> tuple[str, str]:
    setting = machine.bfloat16_forbidden_by()
    if machine.cpu_has_bfloat16():
        detail = "in hardware"
    elif setting:
        detail = f"emulated, as {setting} allows no instructions for it"
    else:
        detail = "emulated on this processor"
    if machine.has_keras():
        from anime_pipeline.models import backend
        from anime_pipeline.models.precision import best_precision

        place = "on the GPU" if backend.has_gpu() else "here"
        detail += f"; training uses {best_precision()} {place}"
    if not machine.cpu_has_bfloat16():
        detail += "; upscale --precision bfloat16 is refused"
    return ("note" if setting else "ok", detail)


def _memory() -> tuple[str, str]:
    if (total := memory_bytes()) is None:
        return ("note", "this system does not tell how much; training wants 2 GB")
    if total < LITTLE_MEMORY_BYTES:
        return ("note", f"{total / 1e9:.1f} GB; training wants 2 GB: take a small --batch-size")
    return ("ok", f"{total / 1e9:.1f} GB")


def _disk() -> tuple[str, str]:
    cache = cache_folder()
    probe = cache / "doctor.tmp"
    atomic_write_bytes(probe, b"written and deleted by anime-pipeline doctor")
    probe.unlink()
    here, there = (shutil.disk_usage(folder).free for folder in (Path.cwd(), cache))
    used = sum(path.stat().st_size for path in cache.glob("*") if path.is_file())
    detail = f"{here / 1e9:.1f} GB free here; cache {cache} ({used / 1e6:.0f} MB, may be deleted)"
    if min(here, there) < LITTLE_DISK_BYTES:
        return ("note", f"{detail}: little is left; make room before training")
    return ("ok", detail)


def _weights() -> tuple[str, str]:
    from anime_pipeline.models.zoo import damaged, shipped

    if bad := damaged():
        return ("fail", f"{', '.join(bad)}: missing or damaged; install the package again")
    return ("ok", f"{', '.join(shipped())}: whole (sha256)")


def _vgg() -> tuple[str, str]:
    from anime_pipeline.models.assets import VGG_FILE, find_asset

    if path := find_asset(VGG_FILE):
        return ("ok", str(path))
    detail = "no weights in $ANIME_PIPELINE_ASSETS; training and evaluate need them, and Keras "
    return ("note", detail + "downloads 58 MB then")


def _self_test() -> tuple[str, str]:
    from anime_pipeline.inference.selftest import run_self_test

    difference, gain_db, faces_per_s = run_self_test()
    detail = f"{faces_per_s:.0f} faces/s drawn and upscaled; alone and in a batch they differ by "
    detail += f"{difference} grey level(s); {gain_db:+.1f} dB over bicubic"
    if difference <= 1 and gain_db > 0:
        return ("ok", detail)
    wanted = "expected at most 1 level and more than 0 dB: install ONNX Runtime again"
    return ("fail", f"{detail}; {wanted}")


EXAMINATIONS: dict[str, Callable[[], tuple[str, str]]] = {
    "Python": _python,
    "Packages": _packages,
    "Backend": _backend,
    "CPU": _cpu,
    "bfloat16": _bfloat16,
    "Memory": _memory,
    "Disk": _disk,
    "Shipped weights": _weights,
    "VGG16": _vgg,
    "Self-test": _self_test,
}


@click.group("models")
def models() -> None:
    """List and verify the weights that came with the package, and fetch what measures need."""


@models.command("list")
@common.json_option
def list_models() -> None:
    """Show each model: what it is, its size and how it was trained."""
    from anime_pipeline.models.weights import load_weights
    from anime_pipeline.models.zoo import damaged, pretrained_folder, shipped

    rows: list[dict[str, Any]] = []
    cells: list[list[str]] = []
    bad = damaged()
    for name, entry in shipped().items():
        path = pretrained_folder() / entry["file"]
        cells.append([name, entry["kind"], "", "", "missing or damaged", ""])
        if name in bad:
            rows.append({"name": name, "kind": entry["kind"], "error": "missing or damaged"})
            continue
        weights = load_weights(path, entry["kind"])
        count, size = sum(each.size for each in weights.arrays.values()), path.stat().st_size
        rows.append({"name": name, "kind": entry["kind"], "parameters": count, "bytes": size})
        rows[-1] |= {"training": weights.training, "sha256": weights.sha256, "path": str(path)}
        steps = f"{weights.training.get('step', 0):,} steps"
        cells[-1][2:] = [f"{count:,}", f"{size / 1e6:.1f} MB", steps, weights.sha256[:16]]
    if common.wants_json():
        common.print_json({"models": rows})
        return
    head = ("Name", "Kind", "Parameters", "Size", "Trained for", "sha256")
    common.print_table(head, cells)


@models.command("verify")
@common.json_option
def verify() -> None:
    """Check every shipped file against its recorded sha256 (exit 5 if one is bad)."""
    from anime_pipeline.models.zoo import damaged, shipped

    bad = damaged()
    if common.wants_json():
        common.print_json({"models": {name: name not in bad for name in shipped()}})
    else:
        for name in shipped():
            click.echo(f"{name}: {'DAMAGED' if name in bad else 'whole'}")
    if bad:
        raise CheckpointError(
            f"The shipped weights {', '.join(bad)} are missing or differ from their recorded "
            "sha256. Install the package again."
        )


@models.command("path")
@click.argument("name")
def path_of(name: str) -> None:
    """Print where the weights called NAME lie."""
    from anime_pipeline.models.zoo import find_weights, shipped

    entries = shipped()
    if name not in entries:
        raise UsageError(f"No shipped weights called {name!r}. Expected: {', '.join(entries)}.")
    click.echo(find_weights(name, entries[name]["kind"]))


@models.command("fetch")
@click.argument("folder", type=common.UserPath(file_okay=False), envvar="ANIME_PIPELINE_ASSETS")
def fetch(folder: Path) -> None:
    """Download AlexNet, VGG16 and the heads of LPIPS into FOLDER (64 MB, 34 MB when written).

    `evaluate` and `benchmark` measure with them, and `train-dcgan` and `train-srgan` learn with
    VGG16, wherever $ANIME_PIPELINE_ASSETS names the folder, which stands for FOLDER too.
    """
    from anime_pipeline.models.fetch import fetch_lpips

    with common.waiting("Downloading 64 MB"):
        written = fetch_lpips(folder)
    for path in written:
        click.echo(path)
    click.echo(f"Set the variable: export ANIME_PIPELINE_ASSETS={folder.absolute()}", err=True)
