"""What surrounds a call: another project's keras.json, no home, odd terminals, absurd sizes."""

import json
import os
import subprocess
import sys

import pytest
from conftest import spawn
from PIL import Image

from anime_pipeline.core import storage
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.text import visible

PROBE = """
import anime_pipeline.models
import keras
from anime_pipeline.models.dcgan import build_generator
from anime_pipeline.core.config import DcganConfig
model = build_generator(DcganConfig(width=2, latent_dim=4, image_size=8))
print(keras.config.image_data_format(), keras.config.floatx(), keras.config.epsilon())
print(model.output_shape, model.layers[-1].compute_dtype)
"""
USUAL = "channels_last float32 1e-07\n(None, 8, 8, 3) float32\n"


def probe(home, **environment):
    kept = {"HOME": str(home), "ANIME_PIPELINE_CACHE": str(home / "cache")}
    return spawn("-c", PROBE, **kept | environment)


@pytest.mark.parametrize(
    "text",
    [
        '{"image_data_format": "channels_first"}',
        '{"floatx": "float16", "epsilon": 0.1}',
        '{"floatx": "nonsense"}',
        "[]",
        "PIPE",
    ],
)
def test_another_projects_keras_json_does_not_reach_us(text, tmp_path):
    path = tmp_path / ".keras/keras.json"
    (path.parent / "models").mkdir(parents=True)
    if text == "PIPE":
        os.mkfifo(path)
    else:
        path.write_text(text)
    done = probe(tmp_path)
    assert done.stdout == USUAL, done.stderr
    assert text == "PIPE" or path.read_text() == text, "it is the user's"
    # What Keras has downloaded for the user is still found.
    assert (tmp_path / "cache/keras/models").resolve() == path.parent / "models"


def test_a_keras_home_of_the_users_own_is_no_way_in(tmp_path):
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras/keras.json").write_text('{"image_data_format": "channels_first"}')
    assert probe(tmp_path, KERAS_HOME=str(tmp_path / "keras")).stdout == USUAL


def test_a_usual_keras_json_leaves_keras_at_home(tmp_path, monkeypatch):
    from anime_pipeline.core import machine

    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    machine.select_backend()
    assert "KERAS_HOME" not in os.environ
    (tmp_path / ".keras").mkdir()
    settings = {**machine.KERAS_DEFAULTS, "backend": "jax"}
    (tmp_path / ".keras/keras.json").write_text(json.dumps(settings))
    machine.select_backend()
    assert "KERAS_HOME" not in os.environ


# --- a home that cannot be written to


@pytest.fixture
def no_home(tmp_path, monkeypatch):
    """HOME is a file: not even root can make a folder in it."""
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(storage.tempfile, "tempdir", str(tmp_path))
    for name in ("ANIME_PIPELINE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_without_a_home_the_cache_is_a_private_temporary_folder(no_home):
    folder = storage.cache_folder()
    assert folder.parent == no_home and folder.stat().st_mode & 0o777 == 0o700
    assert storage.cache_folder() == folder


@pytest.mark.parametrize("kind", ["link", "open to others", "file"])
def test_a_temporary_folder_of_somebody_else_is_refused(kind, no_home):
    folder = no_home / f"anime-pipeline-{os.getuid()}"
    if kind == "link":
        (no_home / "theirs").mkdir(mode=0o700)
        folder.symlink_to(no_home / "theirs")
    elif kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(UsageError, match="ANIME_PIPELINE_CACHE"):
        storage.cache_folder()


def test_a_temporary_folder_of_another_user_is_refused(no_home, monkeypatch):
    monkeypatch.setattr(storage.os, "getuid", lambda: 123456)  # whose it is not
    with pytest.raises(UsageError, match="ANIME_PIPELINE_CACHE"):
        storage.cache_folder()


def test_training_does_without_a_home(no_home, drawn, cli, monkeypatch):
    call = [
        "train-dcgan", "--batch-size", 8, "--width", 4, "--set", "image_size=16", "--set",
        "width_d=4", "--set", "latent_dim=8", "--no-feature-critic", "--steps", 2, "--data", drawn,
    ]  # fmt: skip
    result = cli(*call)
    assert result.code == 0, result.stderr


# --- terminals


def terminal(*arguments, cwd, **environment) -> str:
    """Return what a command writes to a terminal."""
    here, there = os.openpty()
    call = [sys.executable, "-m", "anime_pipeline", *arguments]
    variables = {**os.environ, "TERM": "xterm", **environment}
    process = subprocess.Popen(
        call, cwd=cwd, stdout=there, stderr=there, stdin=there, env=variables
    )
    os.close(there)
    said = b""
    try:
        while piece := os.read(here, 65_536):
            said += piece
    except OSError:  # the other side has gone
        pass
    os.close(here)
    process.wait()
    return said.decode("utf-8", "replace")


@pytest.mark.parametrize("columns", ["0", "1", "-5", "²", "99999999", "x"])
def test_columns_that_nothing_fits_in(columns, cli, tmp_path, monkeypatch):
    from anime_pipeline.cli.common import stderr

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    for call in (["upscale", "a.png"], ["inspect", "."], ["--help"], ["runs", "list"]):
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setenv("LINES", columns)
        stderr.cache_clear()
        result = cli(*call)
        assert result.code == 0 and "Traceback" not in result.stderr, result.stderr
        assert max(map(len, result.stdout.splitlines()), default=0) < 1000


def test_a_terminal_without_columns_shows_all(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    said = terminal("upscale", "a.png", cwd=tmp_path, COLUMNS="0", LINES="0")
    assert "1 of 1 pictures upscaled" in said and "Traceback" not in said


ODD = "x\x1b]0;owned\x07\x1b[31m\x9b1m\u202egnp"


@pytest.mark.parametrize(
    "call", ["error", "skip", "usage", "argument", "message", "table", "runs", "emoji"]
)
def test_names_cannot_steer_a_terminal(call, cli, tmp_path):
    (tmp_path / ODD).mkdir()
    (tmp_path / ODD / "a.png").write_text("no picture")
    (tmp_path / ":cat:").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / ":cat:/a.png")
    calls = {
        "error": ["generate", "--checkpoint", ODD],
        "skip": ["upscale", ODD],
        "usage": ["generate", f"--{ODD}"],
        "argument": ["generate", ODD],
        "message": ["upscale", ":cat:", "--out", f"{ODD}2"],
        "table": ["inspect", ODD],
        "runs": ["runs", "list"],
        "emoji": ["upscale", ":cat:", "--out", ":cat:/:dog:"],
    }
    for name in (f"1-{ODD}", "2-:cat:[bold]x"):
        run = tmp_path / "checkpoints/dcgan" / name
        run.mkdir(parents=True)
        (run / "config.json").write_text('{"preset": "cpu", "config": {"steps": 2}}')
    result = cli(*calls[call])
    said = result.stdout + result.stderr
    assert not set(said) & set("\x1b\x07\x9b\u202e"), said
    assert "Traceback" not in said
    assert call != "runs" or "dcgan/2-:cat:[bold]x" in said
    if call == "emoji":
        assert result.code == 0 and ":cat:/:dog:" in said


def test_what_is_visible_stays_as_it_is():
    text = "花子 é [bold]x[/bold] a\tb\nc"
    assert visible(text) == text
    assert visible("a\x1b[0m\x85\u2066") == "a\\x1b[0m\\x85\\u2066"
    assert visible("\udcff").encode() == b"\\udcff"


LOCALES = {
    "C": {"LC_ALL": "C"},
    "bare C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin": {"PYTHONIOENCODING": "latin-1"},
    "strict": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict"},
}


@pytest.mark.parametrize("locale", LOCALES)
def test_any_locale_shows_any_name(locale, tmp_path):
    checkpoints = os.fsencode(tmp_path / "花") + b"\xff"
    for number, name in enumerate((b"\xff", "é花".encode())):
        run = checkpoints + b"/dcgan/%d-" % (number + 1) + name
        os.makedirs(run)
        with open(run + b"/config.json", "w") as file:
            json.dump({"preset": "花", "config": {"steps": 2, "x": "花"}}, file)
    command = [sys.executable, "-m", "anime_pipeline", "runs", "list", "--checkpoints", checkpoints]
    if locale == "strict":
        command.append("--json")
    variables = os.environ | LOCALES[locale]
    done = subprocess.run(command, capture_output=True, env=variables)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    if locale == "strict":
        assert json.loads(done.stdout)["runs"][1]["config"]["x"] == "花"


# --- absurd sizes


@pytest.mark.parametrize(
    "setting",
    [
        "width=100000", "width_d=100000", "batch_size=100000000", "blocks=10000000",
        "d_steps=1000000000", "feature_px=1000000", "width=99999999999999999999999999",
    ],
)  # fmt: skip
def test_absurd_sizes_are_one_line(setting, drawn, cli, tmp_path):
    result = cli("train-dcgan", "--data", drawn, "--set", setting, "--steps", 2)
    assert result.code == 2 and setting.partition("=")[0] in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) <= 3 and not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    "setting", ["channels=100000", "hr_size=400000", "crop_size=400000", "width_d=100000"]
)
def test_absurd_sizes_of_stage_two_are_one_line(setting, drawn, cli):
    result = cli("train-srgan", "--data", drawn, "--set", setting)
    assert result.code == 2 and setting.partition("=")[0] in result.stderr, result.stderr


@pytest.mark.parametrize(
    "call",
    [
        ["train-dcgan", "--set", "steps=1000000000000"], ["train-srgan", "--minutes", "1e300"],
        ["evaluate", "--count", "1000000000000"], ["generate", "-n", "1000000000000"],
        ["generate", "--seed", "9" * 5000], ["upscale", "a.png", "--size", "1e9"],
        ["interpolate", "--seeds", "1,2", "--frames", "1000000000"],
    ],
    ids=lambda call: call[0] + call[-2],
)  # fmt: skip
def test_absurd_counts_are_one_line(call, drawn, cli, tmp_path):
    data = ["--data", drawn] if call[0].startswith("train") else []
    result = cli(*call, *data)
    assert result.code == 2, result.stderr
    assert len(result.stderr.strip().splitlines()) <= 4 and "Error: Invalid" in result.stderr
    assert os.listdir(tmp_path) == []


def test_every_preset_is_possible():
    from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS

    assert len([*DCGAN_PRESETS.values(), *SRGAN_PRESETS.values()]) >= 6
