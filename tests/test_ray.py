"""Ray's actors share pictures; under SIGKILL nothing is lost and nothing written twice."""

import importlib.util
import os
import signal
import subprocess
from pathlib import Path

import pytest
from children import PATIENCE_S, child, wait_for
from PIL import Image


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
@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="ray is not installed")
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
