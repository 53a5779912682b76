"""SIGTERM, SIGHUP and SIGQUIT end a command as Ctrl-C does; what a killed one left is swept."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest
from children import PATIENCE_S, child, wait_for
from conftest import spawn
from PIL import Image
from web import served

from anime_pipeline.core import checkpoint, signals
from anime_pipeline.core.signals import STOP_SIGNALS, stopping_as_ctrl_c
from anime_pipeline.core.storage import atomic_write, atomic_write_text, sweep_temporaries

# It waits in the middle of a file, however long that takes. Whoever runs the tests in the
# background has Ctrl-C ignored, and children inherit that.
WAITS = """
import os, signal, sys, threading
from pathlib import Path
from anime_pipeline.cli import upscale_batch
from anime_pipeline.cli.main import run
signal.signal(signal.SIGINT, signal.default_int_handler)
def writer(*arguments, **options):
    def write(file):
        file.write(b"half")
        os.write(1, b"writing\\n")  # a terminal's display takes what is printed
        threading.Event().wait()
    return write
upscale_batch.writer = writer
run()
"""


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")


@pytest.mark.parametrize("number", STOP_SIGNALS)
# The second one may come when the process has all but ended, and then it ends by that one.
@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_command_ends_as_by_ctrl_c(number, times, picture, tmp_path):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with child("-c", WAITS, "upscale", "a.png", cwd=tmp_path, **pipes) as process:
        assert process.stdout.readline() == "writing\n", process.stderr.read()
        assert list((tmp_path / "outputs").glob(".*.partial"))
        for _ in range(times):  # `timeout` signals a process and its group
            process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and stderr.strip().endswith("Interrupted.")
    assert "Traceback" not in stderr and os.listdir(tmp_path / "outputs") == []


def test_what_is_ignored_stays_ignored(picture, tmp_path):
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{WAITS}"
    with child("-c", ignoring, "upscale", "a.png", cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)


def test_a_closed_terminal_is_no_failure(picture, tmp_path):
    here, there = os.openpty()
    pipes = {"stdout": subprocess.PIPE, "stderr": there, "stdin": there}
    with child("-c", WAITS, "upscale", "a.png", cwd=tmp_path, **pipes) as process:
        assert process.stdout.readline() == "writing\n"
        os.close(there)
        os.close(here)
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_S) == 130
    assert os.listdir(tmp_path / "outputs") == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_a_server_stops_in_order(number, tmp_path):
    with served(tmp_path) as (process, _):
        for _ in range(2):
            process.send_signal(number)
        stderr = process.stderr.read()
        assert process.wait(PATIENCE_S) == 0 and "has been answered" in stderr


STUCK = """
import threading, time
from anime_pipeline.cli import main
def stuck(**_):
    threading.Thread(target=time.sleep, args=(10_000,)).start()
    print("kept", end="")
    raise KeyboardInterrupt
main.main = stuck
main.run()
"""


def test_a_thread_that_does_not_end_keeps_no_interrupted_command():
    done = spawn("-c", STUCK)
    assert (done.returncode, done.stdout) == (130, "kept") and "Interrupted." in done.stderr


def test_handlers_are_put_back():
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    with pytest.raises(KeyboardInterrupt), stopping_as_ctrl_c():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert {number: signal.getsignal(number) for number in STOP_SIGNALS} == before


def test_an_echo_of_a_signal_is_no_second_wish(monkeypatch):
    spared = False
    with pytest.raises(KeyboardInterrupt), stopping_as_ctrl_c():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGHUP)  # while it cleans up
            spared = True
            monkeypatch.setattr(signals, "ECHO_S", 0)
            signal.raise_signal(signal.SIGTERM)
    assert spared


def test_an_echo_does_not_keep_training_from_saving(monkeypatch, capfd):
    with signals.stop_requests() as requested:
        assert not requested()
        signal.raise_signal(signal.SIGTERM)
        try:
            signal.raise_signal(signal.SIGHUP)
        except KeyboardInterrupt:
            pytest.fail("it was taken for a second wish")
        assert requested() and capfd.readouterr().err.count("Stopping after this step") == 1
        monkeypatch.setattr(signals, "ECHO_S", 0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


TRAIN = [
    "train-dcgan", "--batch-size", 8, "--width", 4, "--set", "image_size=16", "--set",
    "latent_dim=8", "--set", "width_d=4", "--precision", "float32", "--no-feature-critic",
]  # fmt: skip


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGHUP, marks=pytest.mark.slow), signal.SIGQUIT]
)
def test_a_training_saves_before_it_ends(number, drawn, tmp_path):
    command = ["-m", "anime_pipeline", *TRAIN, "--data", drawn, "--steps", 200_000]
    state = tmp_path / "checkpoints/dcgan/1-cpu/state"
    log = tmp_path / "checkpoints/dcgan/1-cpu/metrics.jsonl"
    with child(*command, "--set", "save_every=100000", cwd=tmp_path, stderr=subprocess.PIPE) as run:
        assert wait_for(run, lambda: log.exists() and log.stat().st_size), run.stderr.read()
        for _ in range(2):
            run.send_signal(number)
        _, stderr = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130 and "the state is saved" in stderr
    step, _ = checkpoint.load_latest(state, pytest.fail)
    assert f"Stopped at step {step} " in stderr
    assert not list(tmp_path.rglob("*.partial"))


# --- leftovers of what was killed outright


def test_the_next_run_of_the_same_request_sweeps(picture, tmp_path):
    with child("-c", WAITS, "upscale", "a.png", cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    (left,) = (tmp_path / "outputs").iterdir()
    assert f"-{process.pid}-" in left.name, "it says whose it is"
    call = [sys.executable, "-m", "anime_pipeline", "upscale", "a.png"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    assert os.listdir(tmp_path / "outputs") == ["a.png"]
    # Nothing is to be written, and yet.
    left.write_bytes(b"half")
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    assert os.listdir(tmp_path / "outputs") == ["a.png"]


def test_only_our_own_and_dead_writers_files_go(tmp_path):
    ours = tmp_path / ".anime-pipeline-1-0123456789ab.partial"
    theirs = [
        "movie.partial", ".anime-pipeline-notes.partial", "tmpabcd1234.partial",
        ".anime-pipeline-1-0123456789ab.partial.bak", ".anime-pipeline-x-0123456789ab.partial",
    ]  # fmt: skip
    for name in theirs:
        (tmp_path / name).write_text("mine")
    link = tmp_path / ".anime-pipeline-2-0123456789ab.partial"
    link.symlink_to(tmp_path / "movie.partial")
    ours.write_text("half")
    with ours.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        sweep_temporaries(tmp_path)
        assert ours.exists(), "its writer lives"
    sweep_temporaries(tmp_path)
    assert not ours.exists() and link.is_symlink()
    assert all((tmp_path / name).read_text() == "mine" for name in theirs)


def test_the_first_write_to_a_folder_sweeps_it(tmp_path):
    (tmp_path / ".anime-pipeline-1-0123456789ab.partial").write_text("half")
    atomic_write_text(tmp_path / "a", "a")
    assert os.listdir(tmp_path) == ["a"]


def test_a_living_writer_is_left_alone_by_others_writes(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from anime_pipeline.core.storage import atomic_write_text, sweep_temporaries\n"
        "atomic_write_text(Path(sys.argv[1]) / 'b', 'b'); sweep_temporaries(Path(sys.argv[1]))\n"
    )

    def write(file):
        file.write(b"a")
        subprocess.run([sys.executable, "-c", code, tmp_path], check=True)

    atomic_write(tmp_path / "a", write)
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_file_swept_at_its_birth_is_made_again(tmp_path, monkeypatch):
    lock, swept = fcntl.flock, []

    def late(file, how):
        if not swept:
            (path,) = tmp_path.glob(".*.partial")
            path.unlink()
            swept.append(path)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    atomic_write_text(tmp_path / "a", "whole")
    assert swept and (tmp_path / "a").read_text() == "whole"
