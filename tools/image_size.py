"""Add up how large the container image becomes, without building it.

    python tools/image_size.py
    python tools/image_size.py --site-packages /opt/venv/lib/python3.11/site-packages

Counted are the base image, the packages that the Dockerfile's requirement files ask for with all
that those require, as they lie in an installation, and the program. Exit code 1 if it is too much.
"""

import argparse
import importlib.metadata as metadata
import shlex
import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from dockerfile_parse import DockerfileParser
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LIMIT_MB = 600
# python:3.11-slim-bookworm, unpacked: `docker images` shows 121 to 131 MB for it, by patch release
# (Debian without documentation 75, Python and its libraries 50). Counted with room to grow.
BASE_MB = 155

Sizes = dict[str, float]


def read_dockerfile(path: Path) -> list[dict[str, str]]:
    """Return the instructions of a Dockerfile in order, without comments."""
    steps: list[dict[str, str]] = DockerfileParser(fileobj=BytesIO(path.read_bytes())).structure
    return [step for step in steps if step["instruction"] != "COMMENT"]


def requirement_files(steps: Iterable[dict[str, str]]) -> list[str]:
    """Return the files that ``pip install -r`` is given."""
    words = [shlex.split(step["value"]) for step in steps if step["instruction"] == "RUN"]
    return [
        after
        for line in words
        for word, after in zip(line, line[1:], strict=False)
        if word in ("-r", "--requirement")
    ]


def read_requirements(path: Path) -> list[Requirement]:
    """Return what a requirements file asks for."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def closure(
    requirements: Iterable[Requirement], site_packages: Path | None = None
) -> dict[str, metadata.Distribution]:
    """Return what requirements need, with all that it needs in turn, by its canonical name."""
    folders = [str(site_packages)] if site_packages else sys.path
    installed = {
        canonicalize_name(found.name): found for found in metadata.distributions(path=folders)
    }
    needed: dict[str, metadata.Distribution] = {}
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in needed:
            continue
        if name not in installed:
            sys.exit(f"{requirement} is not installed. Install it, then count.")
        needed[name] = installed[name]
        inner = (Requirement(line) for line in installed[name].requires or [])
        waiting += [
            one for one in inner if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return needed


def installed_mb(distribution: metadata.Distribution) -> float:
    """Return the size of a distribution's files, bytecode included."""
    paths = (Path(str(distribution.locate_file(file))) for file in distribution.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def program_mb(package: Path) -> float:
    """Return the size of this package once installed: bytecode is about as large as its source."""
    files = [
        path for path in package.rglob("*") if path.is_file() and path.parent.name != "__pycache__"
    ]
    sources = sum(path.stat().st_size for path in files if path.suffix == ".py")
    return (sum(path.stat().st_size for path in files) + sources) / 1e6


def image_sizes(root: Path, site_packages: Path | None = None) -> Sizes:
    """Return the size in MB of all that the image holds, the largest first.

    Args:
        root: The repository.
        site_packages: Where distributions are installed; None is where this Python looks.
    """
    requirements = [
        requirement
        for name in requirement_files(read_dockerfile(root / "Dockerfile"))
        for requirement in read_requirements(root / name)
    ]
    sizes = {name: installed_mb(one) for name, one in closure(requirements, site_packages).items()}
    sizes["anime-pipeline"] = program_mb(root / "anime_pipeline")
    sizes["base image"] = float(BASE_MB)
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site-packages", type=Path, help="where to look; default: this Python's")
    sizes = image_sizes(ROOT, parser.parse_args().site_packages)
    for name, size_mb in sizes.items():
        print(f"{name:28}{size_mb:8.1f} MB")
    total_mb = sum(sizes.values())
    print(f"{'together':28}{total_mb:8.1f} MB of {LIMIT_MB} MB")
    sys.exit(total_mb > LIMIT_MB)


if __name__ == "__main__":
    main()
