"""Ray's actors share pictures; under SIGKILL nothing is lost and nothing written twice."""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from children import PATIENCE_S, child, wait_for
from networks import networks
from PIL import Image

from anime_pipeline.core.cluster import reason_of
from anime_pipeline.core.crew import environment

needs_ray = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="ray is not installed")


def test_what_cannot_be_is_said_first(cli, monkeypatch, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    for call in (["upscale", "a.png"], ["generate", "-n", 2]):
        alone = cli(*call, "--ray-address", "head:6379")
        assert alone.code == 2 and "without --engine ray" in alone.stderr
        monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
        absent = cli(*call, "--engine", "ray")
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        assert absent.code == 2 and "pip install 'anime-pipeline[ray]'" in absent.stderr
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    "said,reason",
    [
        ("The actor died.\n\tpid: 7\nIts worker ended.", "The actor died."),
        (
            "\x1b[36mray::Actor.__init__()\x1b[39m (pid=7, ip=10.0.0.2, repr=<x>)\n    ^^^\n"
            "ModuleNotFoundError: No module named 'anime_pipeline'\n",
            "ModuleNotFoundError: No module named 'anime_pipeline', on node 10.0.0.2",
        ),
        ("", ""),
    ],
)
def test_why_an_actor_was_lost_is_one_line(said, reason):
    assert reason_of(said) == reason


def actors():
    """Return this machine's actors of ours."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes().startswith(b"ray::Actor"):
                found.append(int(path.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@needs_ray
def test_under_kills_nothing_is_lost_or_written_twice(cli, tmp_path):
    folder, out = tmp_path / "pictures", tmp_path / "shared"
    folder.mkdir()
    for number in range(40):
        Image.new("RGB", (8, 10), (number, 90, 9)).save(folder / f"{number:02d}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG")
    assert cli("upscale", folder, "--out", tmp_path / "alone").code == 3
    call = ["-m", "anime_pipeline", "upscale", folder, "--out", out, "--engine", "ray"]
    call += ["--workers", 2]
    with child(*call, stderr=subprocess.DEVNULL, cwd=tmp_path) as driver:
        assert wait_for(driver, lambda: len(list(out.glob("*.png"))) >= 3)
        os.kill(actors()[0], signal.SIGKILL)
        count = len(list(out.glob("*.png")))
        assert wait_for(driver, lambda: len(list(out.glob("*.png"))) > count)
        driver.send_signal(signal.SIGKILL)
        driver.wait(PATIENCE_S)
    with child("-c", "import time; time.sleep(1000)") as clock:
        assert wait_for(clock, lambda: not actors())
    before = {path: path.stat() for path in out.glob("*.png")}
    with child(*call, stderr=subprocess.PIPE, cwd=tmp_path) as again:
        _, stderr = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 3 and "40 of 41" in stderr and "broken.png" in stderr
    for path, status in before.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    names = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert sorted(path.name for path in out.iterdir()) == names
    assert all((out / n).read_bytes() == (tmp_path / "alone" / n).read_bytes() for n in names)


@contextmanager
def cluster(places, env):
    """Start a node of Ray in each network; yields where the first is to be found."""
    head = f"{places[0].address}:6379"
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus", "1"]
    start += ["--object-store-memory", "80000000", "--disable-usage-stats"]
    try:
        for place in places:
            role = ["--address", head]
            if place is places[0]:
                role = ["--head", "--port", "6379", "--include-dashboard", "false"]
            # Names of its sockets must be short.
            role += ["--temp-dir", tempfile.mkdtemp(prefix="r", dir="/tmp")]  # noqa: S108
            command = [*place.within, *start, *role, "--node-ip-address", place.address]
            subprocess.run(command, check=True, env=env, capture_output=True)
        yield head
    finally:
        for place in places:
            place.kill()


@pytest.mark.slow
@needs_ray
def test_on_several_machines_of_which_two_are_lost(cli, tmp_path):
    folder, out = tmp_path / "pictures", tmp_path / "shared"
    folder.mkdir()
    for number in range(60):
        Image.new("RGB", (8, 10), (number, 90, 9)).save(folder / f"{number:02d}.png")
    assert cli("upscale", folder, "--out", tmp_path / "alone").code == 0
    faces = ["generate", "-n", 8, "--upscale", "--batch-size", 2, "--out"]
    assert cli(*faces, tmp_path / "faces alone").code == 0
    shared = ["--engine", "ray", "--workers", 3, "--ray-address"]
    # A Ray of its own, as the test above starts one, leaves a token, which a head then wants.
    env = environment() | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 64}
    options = {"cwd": tmp_path, "stderr": subprocess.PIPE, "env": env}
    with networks(3) as places, cluster(places, env) as head:
        options["within"] = places[0].within
        made = ["-m", "anime_pipeline", *faces, tmp_path / "faces", *shared, head]
        with child(*made, **options) as driver:
            _, stderr = driver.communicate(timeout=PATIENCE_S)
        assert driver.returncode == 0 and "3 nodes" in stderr, stderr
        call = ["-m", "anime_pipeline", "upscale", folder, "--out", out, *shared, head]
        with child(*call, **options) as driver:
            for lose in (places[1].kill, places[2].cut):
                there = len(list(out.glob("*.png")))
                assert wait_for(
                    driver, lambda there=there: len(list(out.glob("*.png"))) > there + 5
                )
                lose()
            _, stderr = driver.communicate(timeout=PATIENCE_S)
        assert driver.returncode == 0 and "60 of 60" in stderr, stderr
    for alone, together in (("alone", "shared"), ("faces alone", "faces")):
        names = sorted(path.name for path in (tmp_path / alone).iterdir())
        assert sorted(path.name for path in (tmp_path / together).iterdir()) == names
        for name in names:
            assert (tmp_path / alone / name).read_bytes() == (
                tmp_path / together / name
            ).read_bytes()
