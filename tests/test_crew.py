"""Several processes share tasks: each is done, none twice, and all end with their driver."""

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from children import PATIENCE_S, child, wait_for
from PIL import Image

from anime_pipeline.core.crew import Crew, LostTaskError
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.machine import usable_cores

HERE = f"{__name__}:factory"


def factory(setup):
    """Return what does a task such as ``"kill once 3"``, and notes in a file that it began."""
    log = Path(setup)

    def do(task, repeated):
        with log.open("a") as file:
            file.write(f"{task} {repeated} {os.getpid()}\n")
        if task.startswith("kill always") or (task.startswith("kill once") and not repeated):
            os.kill(os.getpid(), signal.SIGKILL)
        if task.startswith("refuse"):
            raise DataError("Nothing in it. Give another.")
        if task.startswith("fail"):
            raise ZeroDivisionError("a defect")
        if task.startswith("wait"):
            signal.pause()
        return task.upper(), usable_cores()

    return do


def test_every_task_is_done_once_by_processes_with_a_thread_each(tmp_path):
    tasks = [f"task {number}" for number in range(9)]
    with Crew(HERE, tmp_path / "log", 2) as crew:
        found = dict(crew.run(tasks))
        again = dict(crew.run(["more"]))
    assert found == {number: (task.upper(), 1) for number, task in enumerate(tasks)}
    assert again == {0: ("MORE", 1)}
    lines = (tmp_path / "log").read_text().splitlines()
    assert Counter(line.rsplit(" ", 2)[0] for line in lines) == Counter([*tasks, "more"])
    assert len({line.rsplit(" ", 1)[1] for line in lines}) <= 2
    assert all(is_gone(int(line.rsplit(" ", 1)[1])) for line in lines)


def test_the_task_of_a_killed_process_is_done_by_another(tmp_path):
    tasks = ["a", "kill once", "b", "kill always", "c"]
    with Crew(HERE, tmp_path / "log", 2) as crew:
        found = dict(crew.run(tasks))
    lost = found.pop(3)
    assert isinstance(lost, LostTaskError) and "ended 3 processes" in str(lost)
    assert found == {n: (tasks[n].upper(), 1) for n in (0, 1, 2, 4)}
    lines = (tmp_path / "log").read_text().splitlines()
    begun = Counter(line.rsplit(" ", 1)[0] for line in lines)
    assert begun == {
        "a False": 1, "b False": 1, "c False": 1, "kill once False": 1, "kill once True": 1,
        "kill always False": 1, "kill always True": 2,
    }  # fmt: skip


def test_what_a_task_raises_is_raised_here(tmp_path):
    with pytest.raises(DataError, match="Nothing in it"), Crew(HERE, tmp_path / "log", 1) as crew:
        list(crew.run(["refuse"]))
    with pytest.raises(RuntimeError, match="(?s)test_crew.*a defect"):
        with Crew(HERE, tmp_path / "log", 1) as crew:
            list(crew.run(["fail"]))
    with pytest.raises(IsADirectoryError), Crew(HERE, tmp_path, 1) as crew:
        list(crew.run(["x"]))


def is_gone(pid):
    """Tell whether a process has ended; who is to collect it is another matter."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


DRIVE = """
import sys
from anime_pipeline.core.crew import Crew
if __name__ == "__main__":
    with Crew("test_crew:factory", sys.argv[1], 2) as crew:
        list(crew.run(["wait 1", "wait 2"]))
"""


def test_no_process_outlives_a_killed_driver(tmp_path):
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), "."])}
    environment["PYTHONPATH"] += os.pathsep + os.environ.get("PYTHONPATH", "")
    with child("-c", DRIVE, log, env=environment) as driver:
        assert wait_for(driver, lambda: log.exists() and log.read_text().count("\n") == 2)
        pids = [int(line.rsplit(" ", 1)[1]) for line in log.read_text().splitlines()]
        assert not any(map(is_gone, pids))
        driver.send_signal(signal.SIGKILL)
        driver.wait(PATIENCE_S)
        with child("-c", "import time; time.sleep(1000)") as clock:
            assert wait_for(clock, lambda: all(map(is_gone, pids)))


# --- the commands


@pytest.fixture
def pictures(tmp_path):
    """Twelve small pictures, and a file that is none."""
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(12):
        place = folder / ("inner" if number % 3 else "") / f"{number:02d}.png"
        Image.fromarray(rng.integers(0, 256, (10, 8, 3), np.uint8)).save(place)
    (folder / "broken.png").write_bytes(b"\x89PNG")
    return folder


def results(folder):
    return {path.relative_to(folder): path for path in folder.rglob("*.png")}


def contents(folder):
    return {name: path.read_bytes() for name, path in results(folder).items()}


def workers_of(pid):
    """Return the processes that a driver has started to share its tasks."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            shares = b"anime_pipeline.core.crew" in (path / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == pid and shares:
            found.append(int(path.name))
    return found


def test_upscale_under_kills_loses_nothing_and_writes_nothing_twice(cli, pictures, tmp_path):
    alone = cli("upscale", pictures, "--out", tmp_path / "alone")
    assert alone.code == 3 and len(results(tmp_path / "alone")) == 12
    out = tmp_path / "shared"
    call = ["-m", "anime_pipeline", "upscale", pictures, "--out", out, "--workers", 2]
    with child(*call, stderr=subprocess.DEVNULL, cwd=tmp_path) as driver:
        assert wait_for(driver, lambda: len(results(out)) >= 3)
        first = workers_of(driver.pid)
        os.kill(first[0], signal.SIGKILL)
        assert wait_for(driver, lambda: set(workers_of(driver.pid)) - set(first))
        seen = {*first, *workers_of(driver.pid)}
        driver.send_signal(signal.SIGKILL)
        driver.wait(PATIENCE_S)
    with child("-c", "import time; time.sleep(1000)") as clock:
        assert wait_for(clock, lambda: all(map(is_gone, seen)))
    before = {name: path.stat() for name, path in results(out).items()}
    again = cli("upscale", pictures, "--out", out, "--workers", 2)
    assert again.code == 3 and "12 of 13 pictures upscaled" in again.stderr
    assert f"({len(before)} were there already)" in again.stderr and "broken.png" in again.stderr
    assert contents(out) == contents(tmp_path / "alone")
    for name, status in before.items():
        now = results(out)[name].stat()
        assert (now.st_ino, now.st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    assert not list(out.rglob("*.partial"))


def test_generate_in_processes_makes_the_same_files(cli, tmp_path):
    call = ["generate", "--seed", "3-9", "--grid", "--batch-size", 2]
    assert cli(*call, "--out", tmp_path / "alone").code == 0
    out = tmp_path / "shared"
    assert cli(*call, "--out", out, "--workers", 2).code == 0
    assert contents(out) == contents(tmp_path / "alone") and len(contents(out)) == 8
    assert (out / "manifest.json").read_bytes() == (tmp_path / "alone/manifest.json").read_bytes()
    gone = sorted(out.glob("face_*"))[2]
    kept = {path: path.stat().st_mtime_ns for path in out.glob("face_*") if path != gone}
    gone.unlink()
    assert cli(*call, "--out", out, "--workers", 2).code == 0
    assert contents(out) == contents(tmp_path / "alone")
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
