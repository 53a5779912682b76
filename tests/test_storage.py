import json
import time

import pytest
from children import child, wait_for
from conftest import spawn

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.runs import list_runs, locked, new_run_folder
from anime_pipeline.core.storage import (
    atomic_write,
    atomic_write_text,
    sweep_temporaries,
)


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "a.txt"
    atomic_write_text(path, "old")

    def fail(file):
        file.write(b"half")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError):
        atomic_write(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


WRITER = """
import sys
from pathlib import Path
from anime_pipeline.core.storage import atomic_write_json
path = Path(sys.argv[1])
number = 0
while True:
    number += 1
    atomic_write_json(path, {"number": number, "filler": ["x" * 50] * 5000, "again": number})
"""


@pytest.mark.parametrize("delay_s", [0.03, 0.11, 0.17])
def test_kill_at_any_moment_leaves_a_whole_file(tmp_path, delay_s):
    path = tmp_path / "state.json"
    with child("-c", WRITER, path) as process:
        assert wait_for(process, path.exists)
        time.sleep(delay_s)
    document = json.loads(path.read_text())
    assert document["number"] == document["again"]
    sweep_temporaries(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_run_folders_count_up_and_are_never_reused(tmp_path):
    names = [new_run_folder(tmp_path / "dcgan", preset).name for preset in ("cpu", "gpu", "cpu")]
    assert names == ["1-cpu", "2-gpu", "3-cpu"]
    for number in range(4, 12):
        assert new_run_folder(tmp_path / "dcgan", "cpu").name == f"{number}-cpu"
    assert list_runs(tmp_path / "dcgan") == [], "a folder without its configuration is no run"
    for number in (9, 10):
        (tmp_path / "dcgan" / f"{number}-cpu" / "config.json").touch()
    assert [run.name for run in list_runs(tmp_path / "dcgan")] == ["9-cpu", "10-cpu"]


def test_two_trainings_in_one_folder_refuse_each_other(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from anime_pipeline.core.runs import locked\n"
        "with locked(Path(sys.argv[1])): pass"
    )
    with locked(tmp_path):
        assert "already training" in spawn("-c", code, tmp_path).stderr
        with pytest.raises(UsageError), locked(tmp_path):
            pass
    assert spawn("-c", code, tmp_path).returncode == 0
