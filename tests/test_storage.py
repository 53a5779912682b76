import errno
import functools
import json
import os
import stat
import time

import pytest
from children import child, wait_for
from conftest import spawn

from anime_pipeline.core import storage
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.runs import list_runs, locked, new_run_folder
from anime_pipeline.core.storage import (
    atomic_write,
    atomic_write_json,
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


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_next_step(
    tmp_path, monkeypatch
):
    done = []

    def noting(name):
        real = getattr(os, name)

        def call(first, *rest):
            kind = "folder" if name == "fsync" and stat.S_ISDIR(os.fstat(first).st_mode) else ""
            done.append(kind or name)
            return real(first, *rest)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noting(name))
    atomic_write_text(tmp_path / "a", "a")
    assert done == ["fsync", "replace", "folder"]


def test_results_may_be_read_by_whom_the_umask_allows(tmp_path):
    umask = os.umask(0o022)
    os.umask(umask)
    atomic_write_text(tmp_path / "a", "a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask


def test_a_temporary_is_made_anew_and_nobody_elses(tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    monkeypatch.setattr(storage.secrets, "token_hex", lambda _: "x" * 12)
    (tmp_path / f".anime-pipeline-{os.getpid()}-{'x' * 12}.partial").symlink_to(mine)
    with pytest.raises(FileExistsError):
        atomic_write_text(tmp_path / "a", "a")
    assert mine.read_text() == "mine" and not (tmp_path / "a").exists()


def test_without_hard_links_nothing_is_replaced_either(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refused)
    for content in (b"first", b"second"):
        write = functools.partial(lambda content, file: file.write(content), content)
        if content == b"second":
            with pytest.raises(FileExistsError):
                atomic_write(tmp_path / "a", write, replace=False)
        else:
            atomic_write(tmp_path / "a", write, replace=False)
    assert (tmp_path / "a").read_bytes() == b"first" and os.listdir(tmp_path) == ["a"]


def test_names_that_are_no_text_are_written_escaped(tmp_path):
    atomic_write_text(tmp_path / "a", "a\udcff")
    assert (tmp_path / "a").read_bytes() == b"a\\udcff"
    atomic_write_json(tmp_path / "b", {"a\udcff": "花"})
    assert json.loads((tmp_path / "b").read_text()) == {"a\udcff": "花"}


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
