"""Weights by name or path: what ships with the package, and what the user trained."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.core.storage import expand_user, sha256_of
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND

MANIFEST = "manifest.json"
RUNS = Path("checkpoints")  # where training puts its runs by default

# What a run folder exports, by kind; the first that exists is taken.
RUN_FILES = {
    DCGAN_KIND: ("best.npz", "generator.npz"),
    SRGAN_KIND: ("fidelity.npz", "perceptual.npz", "faces.npz"),
}


def pretrained_folder() -> Path:
    """Return the folder of shipped weights."""
    return Path(str(resources.files("anime_pipeline.pretrained")))


def shipped(kind: str | None = None) -> dict[str, dict[str, str]]:
    """Return the manifest's entries by name: file, kind and sha256."""
    path = pretrained_folder() / MANIFEST
    if not path.is_file():
        return {}
    entries: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))["weights"]
    return {n: entry for n, entry in entries.items() if kind in (None, entry["kind"])}


def damaged() -> list[str]:
    """Return the names of shipped weights that are missing or differ from their sha256."""
    return [name for name, entry in shipped().items() if not _is_whole(entry)]


def _is_whole(entry: dict[str, str]) -> bool:
    path = pretrained_folder() / entry["file"]
    return path.is_file() and sha256_of(path) == entry["sha256"]


def find_weights(wanted: str, kind: str, prefer: str = "") -> Path:
    """Return the weights file that a name, file or run folder stands for.

    Args:
        wanted: A shipped name such as ``"fidelity"``, a ``.npz`` file, a run folder, or the name of
            a run such as ``"dcgan/1-cpu"``.
        kind: ``"dcgan-generator"`` or ``"srgan-generator"``.
        prefer: Stem to take first from a run folder that holds several files.

    Raises:
        CheckpointError: If nothing of that kind is there, or a shipped file is damaged.
    """
    entries = shipped(kind)
    if wanted in entries:
        path = pretrained_folder() / entries[wanted]["file"]
        if not _is_whole(entries[wanted]):
            raise CheckpointError(
                f"The shipped weights {path} are missing or damaged (sha256). "
                "Install the package again."
            )
        return path
    path = expand_user(Path(wanted))
    if not path.exists() and (RUNS / wanted).is_dir():
        path = RUNS / wanted  # by its name, as `runs list` shows it
    if len(path.name) > 255:
        raise CheckpointError(
            f"No weights called {wanted[:40]!r}… Expected a name that a file can have."
        )
    if path.is_dir():
        names = sorted(RUN_FILES[kind], key=lambda name: Path(name).stem != prefer)
        for name in names:
            if (path / name).is_file():
                return path / name
        raise CheckpointError(
            f"No {' or '.join(names)} in {path}. Expected a run folder of this stage with at "
            "least one finished epoch."
        )
    if path.is_file():
        return path
    known = ", ".join(entries) or "none"
    raise CheckpointError(
        f"No weights called {wanted!r}. Expected a shipped name ({known}), a .npz file or a run "
        "folder."
    )


def find_pair(wanted: str, drawn: bool) -> tuple[Path, Path] | None:
    """Return the two upscalers that realism goes between.

    Args:
        wanted: A shipped name, a run folder or its name.
        drawn: Whether for faces that stage one draws: then to `faces`, where there are such.

    Returns:
        The file true to its input, and the one that looks best; None where there is only one.
    """
    fidelity, *looks = (Path(name).stem for name in RUN_FILES[SRGAN_KIND])
    if drawn:
        looks.reverse()
    entries = shipped(SRGAN_KIND)
    if wanted in (fidelity, *looks) and wanted in entries:
        chosen = [look for look in looks if look in entries and wanted in (fidelity, look)]
        if not chosen or fidelity not in entries:
            return None
        return find_weights(fidelity, SRGAN_KIND), find_weights(chosen[0], SRGAN_KIND)
    first = find_weights(wanted, SRGAN_KIND)
    if first.parent.name != Path(wanted).name:  # a file was named, not a folder
        return None
    start = first.with_name(f"{fidelity}.npz")
    ends = [first.with_name(f"{look}.npz") for look in (looks if drawn else looks[:1])]
    end = next((path for path in ends if path.is_file()), None)
    return (start, end) if end and start.is_file() else None
