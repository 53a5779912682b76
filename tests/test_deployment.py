"""The container image, as far as it can be looked at without building it, and the Procfile."""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from deployment import ROOT, STEPS, health_check, image_size, last_stage, procfile_command, served

from anime_pipeline.cli.main import main

FRAMEWORKS = {"tensorflow", "keras", "jax", "torch"}
SIZE_LIMIT_MB = 600


def test_hadolint_has_nothing_to_say():
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        [program, "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_stage_begins_with_a_slim_python_of_a_certain_release():
    bases = [step["value"].split()[0] for step in STEPS if step["instruction"] == "FROM"]
    assert len(bases) == 2 and len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-[a-z]+", bases[0])


def test_it_does_not_run_as_root():
    user, group = last_stage()["USER"][-1].split(":")
    assert int(user) >= 1000 and int(group) >= 1000


def test_its_commands_need_no_shell_to_hear_signals():
    assert json.loads(last_stage()["CMD"][0])[0] == "anime-pipeline"
    options, check = health_check()
    assert check[0] == "python" and "/readyz" in check[-1] and "PORT" in check[-1]
    assert {option.split("=")[0] for option in options} >= {"--interval", "--timeout"}


def test_the_port_it_tells_of_is_the_one_it_uses():
    assert f"PORT={last_stage()['EXPOSE'][0]}" in " ".join(last_stage()["ENV"]).split()


@pytest.mark.parametrize("place", ["Dockerfile", "Procfile"])
def test_what_is_started_is_a_command_of_ours(place):
    words = json.loads(last_stage()["CMD"][0]) if place == "Dockerfile" else procfile_command()
    program, name, *arguments = words
    assert program == "anime-pipeline"
    with click.Context(main) as parent:
        command = main.get_command(parent, name)
        with command.make_context(name, list(arguments), parent=parent) as context:
            assert context.params["host"] == "0.0.0.0"  # noqa: S104


def test_only_what_is_copied_is_sent_to_the_builder():
    copies = [step["value"] for step in STEPS if step["instruction"] == "COPY"]
    sources = {name for copy in copies if "--from" not in copy for name in shlex.split(copy)[:-1]}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")][0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == sources
    assert all((ROOT / name).exists() for name in sources)


def test_its_requirements_are_those_of_the_slim_list_that_serving_needs():
    def read(path):
        lines = path.read_text(encoding="utf-8").splitlines()
        return {line for line in lines if line and not line.startswith("#")}

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    slim, serve = read(ROOT / "requirements-slim.txt"), read(ROOT / "requirements-serve.txt")
    replicas = set(config["options.extras_require"]["replicas"].split())
    assert replicas < serve
    serve -= replicas
    assert serve < slim < set(config["options"]["install_requires"].split())
    left_out = {re.split(r"[~>=]", line)[0] for line in slim - serve}
    assert left_out == {"pandas", "scikit-image", "scipy", "matplotlib", "pooch"}


def test_no_framework_comes_along():
    assert image_size.requirement_files(STEPS) == ["requirements-serve.txt"]
    assert not FRAMEWORKS & set(served())


def test_it_is_small():
    sizes = image_size.image_sizes(ROOT)
    assert {"base image", "anime-pipeline", "onnxruntime", "flask"} <= set(sizes)
    assert sizes["base image"] > 100 and sizes["anime-pipeline"] > 5
    assert sum(sizes.values()) <= SIZE_LIMIT_MB, sizes


@pytest.mark.slow
def test_its_steps_work_one_after_another(tmp_path):
    """Replay the first stage here: the folder stands for the container's root."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    work = tmp_path / "build"
    work.mkdir()
    stage = iter(STEPS[1:])
    while (step := next(stage))["instruction"] != "FROM":
        if step["instruction"] == "COPY":
            *sources, target = shlex.split(step["value"])
            for name in sources:
                place = work / target if len(sources) == 1 and target == name else work / name
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, place)
        elif step["instruction"] == "RUN":
            line = step["value"].replace("/opt/venv", str(tmp_path / "venv"))
            subprocess.run(["bash", "-ec", line], cwd=work, env=environment, check=True)
    python = tmp_path / "venv/bin/python"
    code = "import anime_pipeline; print(anime_pipeline.__file__)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    package = Path(done.stdout.strip()).parent
    missing = {
        str(path.relative_to(ROOT / "anime_pipeline"))
        for path in (ROOT / "anime_pipeline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } - {str(path.relative_to(package)) for path in package.rglob("*")}
    assert not missing
    sizes = image_size.image_sizes(ROOT, package.parent)
    assert sum(sizes.values()) <= SIZE_LIMIT_MB, sizes
    assert not {"pip", "setuptools"} & {path.name for path in package.parent.iterdir()}
