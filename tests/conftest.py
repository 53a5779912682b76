"""Fixtures: a small drawn dataset, tiny configurations, the command line in and out of process."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from children import PATIENCE_S
from foreign import MINE
from hypothesis import HealthCheck, settings

from anime_pipeline.cli.main import run as run_program
from anime_pipeline.core.config import DcganConfig, SrganConfig
from anime_pipeline.sample.dataset import write_sample_dataset

# No test is timed: on a busy machine the same example takes any time, and so does thinking of it.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


# Under `nohup` and in a shell's background some signals are ignored, and children inherit that.
# What has a handler, though an idle one, they get as by default, and tests send them such signals.
for _number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


# Two processes that each compute with all cores get in each other's way: each takes its own, and so
# do its children. Few are enough, and memory, which some tests bound, grows with a machine's cores.
MOST_CORES = 4
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER and hasattr(os, "sched_setaffinity"):
    CORES = sorted(os.sched_getaffinity(0))
    WORKERS = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    if len(CORES) >= WORKERS:  # one that takes a crashed one's place has a higher number
        os.sched_setaffinity(
            0, CORES[int(WORKER.removeprefix("gw")) % WORKERS :: WORKERS][:MOST_CORES]
        )

# Nothing that whoever runs the tests has set for their own terminal, network or commands.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"
for _name in list(os.environ):
    given = ("_FACES", "_ASSETS", "_ORT_WEB")
    ours = _name.startswith("ANIME_PIPELINE_") and not _name.endswith(given)
    if ours or _name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        del os.environ[_name]


# The files that take longest, the longest first: what two processes begin last should be short.
LONG_FILES = [
    f"test_{name}.py"
    for name in (
        "resume", "resume_data", "train_init", "training_steps", "comforts", "web_serving",
        "browser_checks", "browser_studio", "watch", "calls", "kill", "slim", "replicas",
        "web_models", "browser_pages", "browser_blend", "browser_site",
        "browser_faces", "web_schema", "web_settings", "export", "examples", "cli", "web_api",
        "upscale_cli", "browser_upscale", "duplicates", "data", "web_app", "runtime",
    )
]  # fmt: skip


def pytest_collection_modifyitems(items):
    """Begin with the long files; those that are not named keep their order."""
    place = {name: index for index, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(autouse=True, scope="session")
def private_cache(tmp_path_factory):
    """Keep cached arrays out of the user's folder, for subprocesses too."""
    os.environ["ANIME_PIPELINE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    # VGG16 would take most of the time of a tiny network's step, and must be there or be fetched.
    os.environ["ANIME_PIPELINE_TRAIN_DCGAN_FEATURE_CRITIC"] = "no"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """120 drawn faces of 128 px in character folders."""
    folder = tmp_path_factory.mktemp("data") / "drawn"
    write_sample_dataset(folder, 120, seed=0, size_px=128)
    return folder


@pytest.fixture(scope="session")
def faces() -> Path:
    """The folder of real faces named by ANIME_PIPELINE_FACES."""
    folder = os.environ.get("ANIME_PIPELINE_FACES")
    if not folder:
        pytest.skip("ANIME_PIPELINE_FACES is not set: no real faces to test on")
    return Path(folder)


@pytest.fixture
def assets() -> Path:
    """Return the folder of VGG16 weights."""
    from anime_pipeline.models.assets import VGG_FILE, find_asset

    if find_asset(VGG_FILE) is None:
        pytest.skip("ANIME_PIPELINE_ASSETS is not set: no VGG16 weights")
    return Path(os.environ["ANIME_PIPELINE_ASSETS"])


@pytest.fixture(scope="session")
def pipeline():
    """The shipped weights of both stages."""
    from anime_pipeline import Pipeline

    return Pipeline.load()


@pytest.fixture(scope="session")
def upscaler():
    """The shipped upscaler that is true to its input."""
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.models.zoo import find_weights

    return Upscaler.load(find_weights("fidelity", "srgan-generator"))


# A busy machine may take any time, and limits have tests of their own.
PATIENT = {"face_timeout_s": PATIENCE_S, "upscale_timeout_s": PATIENCE_S}


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The web app with the shipped models and no runs."""
    from anime_pipeline.web.app import create_app
    from anime_pipeline.web.services import EXTENSION
    from anime_pipeline.web.serving.settings import Settings

    folder = tmp_path_factory.mktemp("web") / "checkpoints"
    made = create_app(Settings(checkpoints=folder, **PATIENT))
    yield made
    assert made.extensions[EXTENSION].worker.stop(PATIENCE_S)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def made(tmp_path):
    """Make web apps with other settings, and stop them in the end."""
    from anime_pipeline.web.app import create_app
    from anime_pipeline.web.services import EXTENSION
    from anime_pipeline.web.serving.settings import Settings

    apps = []

    def make(**settings):
        apps.append(
            create_app(Settings(checkpoints=tmp_path / "checkpoints", **PATIENT | settings))
        )
        return apps[-1]

    yield make
    for one in apps:
        assert one.extensions[EXTENSION].worker.stop(PATIENCE_S)


@pytest.fixture(scope="session")
def tiny_images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)


TINY_DCGAN = DcganConfig(
    image_size=16,
    latent_dim=8,
    width=4,
    width_d=4,
    batch_size=8,
    steps=12,
    save_every=3,
    r1_interval=4,
)
TINY_SRGAN = SrganConfig(
    hr_size=32,
    crop_size=16,
    blocks=2,
    channels=8,
    width_d=4,
    batch_size=4,
    fidelity_steps=6,
    adversarial_steps=6,
    perceptual_weight=0.0,
    save_every=3,
)


@dataclass
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def json(self):
        return json.loads(self.stdout)


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    """Call the command line in this process, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    # An interrupted command ends its process, where a thread would keep it; here that is pytest's.
    monkeypatch.setattr("anime_pipeline.cli.main._leave_threads", lambda _: None)

    def call(*arguments) -> Result:
        monkeypatch.setattr(sys, "argv", ["anime-pipeline", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run_program()
        captured = capsys.readouterr()
        return Result(stop.value.code or 0, captured.out, captured.err)

    return call


def run_here(*arguments) -> None:
    """Run a command in this process, for fixtures that many tests share; it must succeed."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(sys, "argv", ["anime-pipeline", *map(str, arguments)])
        run_program()
    assert not stop.value.code


def spawn(*arguments, cwd=None, **environment) -> subprocess.CompletedProcess:
    """Run `python ARGUMENTS` in a process of its own."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=PATIENCE_S,
        env={**os.environ, **environment},
    )


# A process with the other backend. What its compiler gains by optimising it loses on tiny networks.
JAX = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"}

# Penalties would be a second form of the step, and compiling is what takes longest here.
TINY_CALL = [
    "train-dcgan", "--batch-size", 8, "--width", 4, "--set", "image_size=16", "--set",
    "latent_dim=8", "--set", "width_d=4", "--precision", "float32", "--set", "r1_gamma=0", "--set",
    "r2_gamma=0",
]  # fmt: skip


@pytest.fixture
def mine(tmp_path) -> Path:
    """A file of the user's own, which must stay what it is."""
    path = tmp_path / "mine.txt"
    path.write_text(MINE)
    return path


@pytest.fixture
def run(tmp_path) -> Path:
    """The folder of a run, as training leaves it."""
    from test_web_runs import make_run

    rows = [{"step": 10, "epoch": 1, "loss_g": 0.5}]
    return make_run(tmp_path / "checkpoints/dcgan/1-cpu", rows=rows, epochs=(1,))


@pytest.fixture
def untimed(monkeypatch):
    """Let no dry run take steps for its plan: how long they take is another test's."""
    monkeypatch.setattr("anime_pipeline.training.plan.seconds_per_step", lambda *_: 0.1)


@pytest.fixture(scope="session")
def two_runs(drawn, tmp_path_factory) -> Path:
    """A folder with two short runs of stage one that differ in their loss."""
    folder = tmp_path_factory.mktemp("runs")
    for loss in ("bce", "hinge"):
        call = [
            "anime-pipeline", *TINY_CALL, "--data", drawn, "--steps", 120, "--loss", loss,
            "--tensorboard", "--checkpoints", folder,
        ]  # fmt: skip
        # In this process, where TensorFlow is imported already.
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
            patch.setattr(sys, "argv", [*map(str, call)])
            run_program()
        assert not stop.value.code
    return folder


@pytest.fixture(scope="session")
def asked_weights(tmp_path_factory) -> Path:
    """Weights of an untrained generator that takes attributes for hair, skin and the tag Hat."""
    from anime_pipeline.core.config import to_dict
    from anime_pipeline.data.conditions import table_of
    from anime_pipeline.models.dcgan import build_generator
    from anime_pipeline.models.weights import CONDITION_TABLE, DCGAN_KIND, save_weights

    config = DcganConfig(width=4, latent_dim=8, condition="hair,skin,Hat")
    arrays = {v.path: np.asarray(v) for v in build_generator(config).variables}
    shown = np.random.default_rng(0).standard_normal((50, 9)).astype(np.float32)
    arrays[CONDITION_TABLE] = table_of(shown, seed=0)
    path = tmp_path_factory.mktemp("weights") / "asked.npz"
    save_weights(path, arrays, DCGAN_KIND, to_dict(config), {"step": 0})
    return path
