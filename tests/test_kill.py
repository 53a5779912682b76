"""kill -9 at random moments, full disks, two processes on one run: nothing is ever half a file."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from children import child, wait_for
from corpus import png_claiming
from PIL import Image

from anime_pipeline.core import checkpoint
from anime_pipeline.core.runs import list_runs, locked
from anime_pipeline.core.storage import sweep_temporaries

KILLS = 20

WRITER = """
import sys
from pathlib import Path
import numpy as np
from anime_pipeline.core import checkpoint
from anime_pipeline.core.storage import atomic_write_text
assert not {"tensorflow", "keras", "jax"} & set(sys.modules)
folder = Path(sys.argv[1])
step = int(sys.argv[2])
while True:
    step += 1
    # The last array repeats the first: a torn file could not agree with itself.
    value = np.full((300, 300), step, np.float32)
    checkpoint.save(folder, step, {"a": value, "b": {"c": np.arange(9), "d": value}}, keep=2)
    print(step, flush=True)
    # A large file that is replaced each time, as curves and exported weights are.
    atomic_write_text(folder / "log.txt", f"{step:08d}\\n" * 500_000)
"""


def test_twenty_kills_leave_only_whole_checkpoints(tmp_path):
    """The same folder is killed over again, so that each kill also finds the last one's rubbish."""
    moments = random.Random(0)  # noqa: S311
    committed = 0
    for _ in range(KILLS):
        with child("-c", WRITER, tmp_path, committed, stdout=subprocess.PIPE) as process:
            # The second line is said when the first step's log is written.
            said = [int(process.stdout.readline()) for _ in range(2)]
            time.sleep(moments.uniform(0, 0.08))
            process.send_signal(signal.SIGKILL)
            said += [int(line) for line in process.stdout if line.endswith("\n")]
        warnings = []
        step, arrays = checkpoint.load_latest(tmp_path, warnings.append)
        assert warnings == [], "no checkpoint that counts may be damaged"
        assert step in (said[-1], said[-1] + 1), "more than one save interval was lost"
        assert (arrays["a"] == step).all() and (arrays["b|d"] == step).all()
        committed = step
        log = tmp_path / "log.txt"
        text = log.read_text() if log.exists() else ""
        assert text == text[:9] * 500_000 or not text, "a file was left half written"
    sweep_temporaries(tmp_path)
    kinds = {path.suffix for path in tmp_path.iterdir()}
    # The log, two kept, and one that is being written or deleted.
    assert kinds == {".npz", ".json", ".txt"} and len(list(tmp_path.iterdir())) <= 1 + 2 * 3 + 1


# Any training: without penalties and augmentation there is the least to compile.
TRAIN = [
    "train-dcgan", "--batch-size", 8, "--width", 4, "--set", "image_size=16", "--set",
    "latent_dim=8", "--precision", "float32", "--set", "diff_augment=false", "--set", "width_d=4",
    "--set", "r1_gamma=0", "--set", "r2_gamma=0",
]  # fmt: skip


def test_a_second_training_in_a_run_folder_is_refused(drawn, cli, tmp_path):
    assert cli(*TRAIN, "--data", drawn, "--steps", 4).code == 0
    (run,) = list_runs(tmp_path / "checkpoints" / "dcgan")
    with locked(run):
        result = cli("train-dcgan", "--resume")
        assert result.code == 2 and "already training" in result.stderr
    assert cli("train-dcgan", "--resume").code == 0


@pytest.fixture
def full_disk(monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "-n", 2],
        ["upscale", "in.png"],
        [*TRAIN, "--steps", 4],
        ["inspect"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_space_is_checked_before_long_work(arguments, drawn, cli, tmp_path, monkeypatch, full_disk):
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(drawn, tmp_path / "data")
    shutil.copy(next(drawn.rglob("*.png")), tmp_path / "in.png")
    result = cli(*arguments)
    assert result.code == 1 and "Not enough disk space" in result.stderr
    assert not (tmp_path / "outputs").exists() and not (tmp_path / "checkpoints").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 MB that can really be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    if not mount or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here (not root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def kept_full(path: Path, process) -> None:
    """Fill the disk until a process ends: what it deletes is not its to use again."""
    with path.open("wb") as file:
        while process.poll() is None:
            try:
                os.write(file.fileno(), bytes(100_000))
            except OSError as error:
                assert error.errno == errno.ENOSPC
                time.sleep(0.001)


def test_a_disk_that_fills_up_keeps_the_last_whole_state(drawn, small_disk, cli, monkeypatch):
    arguments = [*TRAIN, "--data", drawn, "--steps", 20_000, "--set", "save_every=10"]
    command = ["-m", "anime_pipeline", *arguments, "--checkpoints", small_disk]
    state = small_disk / "dcgan" / "1-cpu" / "state"
    with child(*command, stderr=subprocess.PIPE) as process:
        assert wait_for(process, lambda: checkpoint.steps_in(state)), process.stderr.read()
        kept_full(small_disk / "filler", process)
        stderr = process.stderr.read()
    assert process.returncode == 1 and "Traceback" not in stderr
    assert "No space left" in stderr and str(small_disk) in stderr
    saved, _ = checkpoint.load_latest(state, pytest.fail)
    (small_disk / "filler").unlink()
    assert cli("train-dcgan", "--resume", state.parent, "--dry-run").code == 2
    save = checkpoint.save

    def save_and_stop(*arguments):
        save(*arguments)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(checkpoint, "save", save_and_stop)
    resumed = cli("train-dcgan", "--resume", state.parent)
    assert resumed.code == 130 and f"Resuming at step {saved} " in resumed.stderr
    assert checkpoint.load_latest(state, pytest.fail)[0] > saved


def test_nothing_is_overwritten_silently(drawn, cli, tmp_path):
    assert cli("generate", "-n", 2, "--grid").code == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "outputs").iterdir()}
    # The same faces again are the same files; more faces leave the others listed.
    assert cli("generate", "-n", 1, "--seed", 5).code == 0
    assert cli("generate", "-n", 2, "--grid").code == 0
    for name, content in first.items():
        if name != "manifest.json":
            assert (tmp_path / "outputs" / name).read_bytes() == content
    names = [face["seed"] for face in read_manifest(tmp_path / "outputs")]
    assert names == [0, 1, 5]
    # Another generator's face of the same seed is another picture.
    trained = cli(*TRAIN, "--data", drawn, "--steps", 4, "--set", "image_size=32", "--json")
    run = trained.json["run"]
    result = cli("generate", "-n", 2, "--checkpoint", run)
    assert result.code == 2 and "--overwrite" in result.stderr
    assert (tmp_path / "outputs/face_000000_32.png").read_bytes() == first["face_000000_32.png"]
    assert cli("generate", "-n", 1, "--checkpoint", run, "--overwrite").code == 0
    assert (tmp_path / "outputs/face_000000_32.png").read_bytes() != first["face_000000_32.png"]


def test_sheets_plots_and_reports_of_something_else_are_kept(drawn, cli, tmp_path):
    for parent in ("one", "two"):
        shutil.copytree(drawn, tmp_path / parent / "faces")
    assert cli("inspect", "one/faces").code == 0 == cli("inspect", "one/faces").code
    result = cli("inspect", "two/faces")
    assert result.code == 2 and "contact_sheet_faces.png" in result.stderr
    call = ["benchmark", "--data", "one/faces", "--weights", "fidelity", "--limit", 2]
    assert cli(*call).code == 0 == cli(*call).code
    result = cli(*call, "--degradation", "area")
    assert result.code == 2 and "degradations differ" in result.stderr
    assert cli(*call, "--degradation", "area", "--overwrite").code == 0
    for path in (tmp_path / "two").rglob("*.png"):
        Image.open(path).rotate(180).save(path)
    result = cli(*call[:2], "two/faces", *call[3:], "--degradation", "area")
    assert result.code == 2 and "content differ" in result.stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other/benchmark.csv").write_text("mine")
    assert cli(*call, "--out", "other").code == 2


def read_manifest(folder):
    return json.loads((folder / "manifest.json").read_text())["faces"]


@pytest.mark.parametrize(
    "text", ["{", '{"faces": [], "mine": 1}', '{"version": "1", "faces": [{"file": 5}]}', "[]"]
)
def test_a_manifest_of_somebody_else_is_kept(cli, tmp_path, text):
    path = tmp_path / "outputs/manifest.json"
    path.parent.mkdir()
    path.write_text(text)
    result = cli("generate", "-n", 1)
    assert result.code == 2 and "no list of faces" in result.stderr
    assert path.read_text() == text and len(list(path.parent.iterdir())) == 1
    assert cli("generate", "-n", 1, "--overwrite").code == 0
    assert len(read_manifest(path.parent)) == 1


def in_the_way(kind, path):
    if kind == "link":
        path.symlink_to("nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(png_claiming(60_000, 60_000))


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "bomb"])
def test_odd_things_in_the_way_are_refused(kind, cli, tmp_path):
    (tmp_path / "outputs").mkdir()
    in_the_way(kind, tmp_path / "outputs/face_000000_32.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    in_the_way(kind, tmp_path / "outputs/a.png")
    for call, code in ((["generate", "-n", 1], 2), (["upscale", "a.jpg"], 3)):
        result = cli(*call)
        assert result.code == code and "--overwrite" in result.stderr
    names = {path.name for path in (tmp_path / "outputs").iterdir()}
    assert names == {"face_000000_32.png", "a.png"}


def test_upscale_goes_on_where_it_stopped(drawn, cli, tmp_path):
    folder = next(path for path in drawn.iterdir() if path.is_dir())
    pictures = sorted(folder.glob("*.png"))[:3]
    small = tmp_path / "in"
    small.mkdir()
    for path in pictures:
        Image.open(path).resize((16, 16)).save(small / path.name)
    assert len(cli("upscale", small, "--out", "out", "--json").json["written"]) == 3
    (tmp_path / "out" / pictures[1].name).unlink()
    # Results below the folder given are no input.
    assert len(cli("upscale", ".", "--out", "out", "--json").json["written"]) == 3
    shutil.rmtree(tmp_path / "out" / "in")
    again = cli("upscale", small, "--out", "out", "--json").json
    assert [Path(name).name for name in again["written"]] == [pictures[1].name]
    assert len(again["kept"]) == 2
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(small / pictures[0].name)
    result = cli("upscale", small, "--out", "out")
    assert result.code == 0 and f"changed: {small}/{pictures[0].name}" in result.stderr
