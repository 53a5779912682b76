"""An installation without TensorFlow and Keras: what works there, and what says why it does not."""

import configparser
import re
from pathlib import Path

import pytest
from conftest import spawn

ROOT = Path(__file__).parents[1]

# Importing these fails then, as where they are not installed.
BLOCKED = """
import sys
for name in ("tensorflow", "keras", "ai_edge_litert"):
    sys.modules[name] = None
from anime_pipeline.cli.main import run
sys.argv[0] = "anime-pipeline"
run()
"""


def slim(*arguments, cwd):
    return spawn("-W", "error", "-c", BLOCKED, *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slim")
    made = slim("sample-data", "practice", "--count", 12, "--size", 128, cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize(
    "call",
    [
        "generate -n 2 --upscale --grid --prompt pink",
        "generate -n 2 --like {face} --out like",
        "palette --out palette.png",
        "variations --seed 3 --out variations",
        "interpolate --seeds 1,2 --frames 4 --out walk.gif",
        "upscale {face} --out large",
        "benchmark --data practice --side all --limit 4",
        "export --out export",
        "inspect practice",
        "models verify",
    ],
)
def test_it_works(call, workplace):
    first = sorted((workplace / "practice").glob("*/*.png"))[0].relative_to(workplace)
    arguments = call.format(face=first).split()
    done = slim(*arguments, cwd=workplace)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "call",
    ["train-dcgan --data practice", "train-srgan --data practice", "evaluate --data practice"],
)
def test_what_needs_keras_says_so(call, workplace):
    done = slim(*call.split(), cwd=workplace)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "slim installation" in done.stderr and "pip install ." in done.stderr


def test_doctor_calls_it_slim_and_not_broken(workplace):
    done = slim("doctor", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "cannot train" in done.stdout and "fail" not in done.stdout


def test_the_list_for_a_slim_installation_is_the_full_one_less_the_frameworks():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    full = set(config["options"]["install_requires"].split())
    lines = (ROOT / "requirements-slim.txt").read_text().splitlines()
    slim_list = {line for line in lines if line and not line.startswith("#")}
    assert {re.split(r"[~>=]", name)[0] for name in full - slim_list} == {"tensorflow", "keras"}
    assert slim_list < full
