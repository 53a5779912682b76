"""`anime-pipeline doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from anime_pipeline import __version__
from anime_pipeline.cli.common import json_option, print_json, print_table, waiting
from anime_pipeline.core.errors import PipelineError, in_words

PACKAGES = ("keras", "numpy", "opencv-python-headless", "Pillow", "scikit-image")
OPTIONAL = ("jax", "tensorboardX")
LITTLE_DISK_BYTES = 1_000_000_000
LITTLE_MEMORY_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Check:
    """One line of the report: ``ok``, ``note`` (works, but), or ``fail``."""

    name: str
    status: str
    detail: str


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Check this installation and this machine, and draw a few faces as a test.

    Exit 1 if something is broken. Paste the output into bug reports.
    """
    checks: list[Check] = []
    for examine in (_python, _packages, _backend, _cpu, _memory, _disk, _weights, _vgg, _self_test):
        with waiting("Examining"):
            checks.append(_guarded(examine))
    failed = [check for check in checks if check.status == "fail"]
    if as_json:
        print_json({"version": __version__, "checks": [asdict(check) for check in checks]})
    else:
        rows = [(check.status, check.name, check.detail) for check in checks]
        print_table(("", f"anime-pipeline {__version__}", ""), rows)
    if failed:
        names = ", ".join(check.name for check in failed)
        raise PipelineError(
            f"{len(failed)} of {len(checks)} checks failed ({names}); their lines say what to do."
        )


def _guarded(examine: Callable[[], Check]) -> Check:
    """Turn a failure into a line of the report, so that the others are still seen."""
    try:
        return examine()
    except Exception as error:
        name = examine.__name__.strip("_").replace("_", " ").capitalize()
        return Check(name, "fail", str(in_words(error) or f"{type(error).__name__}: {error}"))


def _python() -> Check:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    detail = f"{platform.python_version()} on {platform.platform()}"
    if not good:
        detail += "; expected Python 3.11 to 3.13: make the environment with one of these"
    return Check("Python", "ok" if good else "fail", detail)


def _versions(names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return found, missing


def _packages() -> Check:
    found, missing = _versions(PACKAGES)
    if "opencv-python-headless" in missing and _versions(("opencv-python",))[0]:
        missing.remove("opencv-python-headless")
        found += _versions(("opencv-python",))[0]
    extra, _ = _versions(OPTIONAL)
    if missing:
        detail = f"missing: {', '.join(missing)}; install anime-pipeline again"
        return Check("Packages", "fail", detail)
    return Check("Packages", "ok", ", ".join(found + extra))


def _backend() -> Check:
    from anime_pipeline.models import backend

    gpu = "a GPU" if backend.has_gpu() else "no GPU: everything runs on the CPU"
    version = importlib.metadata.version(backend.name())
    chosen = "set by KERAS_BACKEND" if "KERAS_BACKEND" in _GIVEN else "the default"
    return Check("Backend", "ok", f"{backend.name()} {version} ({chosen}), {gpu}")


_GIVEN = dict(os.environ)  # before the backend is selected, which sets the variable


def _cpu() -> Check:
    from anime_pipeline.core.machine import cpu_has_bfloat16, cpu_name, usable_cores
    from anime_pipeline.models.precision import best_precision

    limits = [f"{k}={v}" for k, v in os.environ.items() if k.endswith("_NUM_THREADS")]
    detail = f"{cpu_name()}, {usable_cores()} of {os.cpu_count()} threads usable"
    detail += f"; bfloat16 {'in hardware' if cpu_has_bfloat16() else 'not in hardware'}"
    detail += f"; trains in {best_precision()}"
    if limits:
        return Check("CPU", "note", f"{detail}; limited by {', '.join(limits)}")
    return Check("CPU", "ok", detail)


def _memory() -> Check:
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    free = page * os.sysconf("SC_AVPHYS_PAGES")
    detail = f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB unused"
    if total < LITTLE_MEMORY_BYTES:
        return Check("Memory", "note", f"{detail}; training wants 2 GB: take small --batch-size")
    return Check("Memory", "ok", detail)


def _disk() -> Check:
    from anime_pipeline.core.storage import atomic_write_bytes, cache_folder

    cache = cache_folder()
    probe = cache / "doctor.tmp"
    atomic_write_bytes(probe, b"written and deleted by anime-pipeline doctor")
    probe.unlink()
    here, there = (shutil.disk_usage(folder).free for folder in (Path.cwd(), cache))
    used = sum(path.stat().st_size for path in cache.glob("*") if path.is_file())
    detail = f"{here / 1e9:.1f} GB free here; cache {cache} ({used / 1e6:.0f} MB, may be deleted)"
    if min(here, there) < LITTLE_DISK_BYTES:
        return Check("Disk", "note", f"{detail}: little is left; make room before training")
    return Check("Disk", "ok", detail)


def _weights() -> Check:
    from anime_pipeline.models.zoo import damaged, shipped

    bad = damaged()
    if bad:
        detail = f"{', '.join(bad)}: missing or damaged; install the package again"
        return Check("Shipped weights", "fail", detail)
    return Check("Shipped weights", "ok", f"{', '.join(shipped())}: whole (sha256)")


def _vgg() -> Check:
    from anime_pipeline.models.vgg import asset_path

    path = asset_path()
    if path:
        return Check("VGG16", "ok", str(path))
    detail = (
        "no weights in $ANIME_PIPELINE_ASSETS; only the second phase of train-srgan needs them, "
        "and Keras downloads 58 MB then"
    )
    return Check("VGG16", "note", detail)


def _self_test() -> Check:
    from anime_pipeline.inference.selftest import run_self_test

    result = run_self_test()
    detail = (
        f"{result.faces_per_second:.0f} faces/s drawn and upscaled; alone and in a batch they "
        f"differ by {result.batch_difference} grey level(s); {result.gain_db:+.1f} dB over bicubic"
    )
    if not result.passed:
        detail += (
            "; expected at most 1 level and more than 0 dB: install TensorFlow and Keras again"
        )
    return Check("Self-test", "ok" if result.passed else "fail", detail)
