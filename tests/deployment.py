"""What the repository says about its deployment, read for the tests."""

import importlib.util
import json
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _load_tool(name):
    description = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(description)
    description.loader.exec_module(module)
    return module


image_size = _load_tool("image_size")

STEPS = image_size.read_dockerfile(ROOT / "Dockerfile")


def last_stage():
    """What the image itself is made with: the values of each instruction."""
    begin = max(index for index, step in enumerate(STEPS) if step["instruction"] == "FROM")
    stage = {}
    for step in STEPS[begin:]:
        stage.setdefault(step["instruction"], []).append(step["value"])
    return stage


def health_check():
    """The options of the health check, and its command."""
    options, command = last_stage()["HEALTHCHECK"][0].split("CMD", 1)
    return options.split(), json.loads(command)


def procfile_command():
    kind, command = (ROOT / "Procfile").read_text(encoding="utf-8").strip().split(": ", 1)
    assert kind == "web"
    return shlex.split(command)


def served():
    """The distributions that the image holds, by their canonical names."""
    requirements = image_size.read_requirements(ROOT / "requirements-serve.txt")
    return image_size.closure(requirements)
