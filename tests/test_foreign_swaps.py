"""Files that are swapped for something else between the look at them and their opening."""

import os
import signal
from pathlib import Path

import pytest
from foreign import put

from anime_pipeline.core import files
from anime_pipeline.core.errors import NotAFileError
from anime_pipeline.core.files import (
    append_line,
    open_inside,
    open_lock,
    open_regular,
    read_at_most,
    read_regular,
)

PATIENCE_S = 30


@pytest.fixture
def blind(monkeypatch):
    """The looks see what was there before: only the opening itself meets what is there now."""

    def see_nothing(status: os.stat_result, path: Path) -> None:
        seen.append(path)

    seen: list[Path] = []
    monkeypatch.setattr(files, "_require_no_link", see_nothing)
    real = files._require_regular

    def first_look_only(status: os.stat_result, path: Path) -> None:
        if path in seen:
            real(status, path)
        else:
            see_nothing(status, path)

    monkeypatch.setattr(files, "_require_regular", first_look_only)


@pytest.fixture(autouse=True)
def at_once():
    """Whatever waits for a pipe's other end fails."""

    def late(*_):
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
def test_what_was_opened_is_looked_at_again(kind, blind, tmp_path):
    put(kind, tmp_path / "x")
    for read in (open_regular, lambda path: open_inside(path.parent, path.name)):
        with pytest.raises(NotAFileError):
            read(tmp_path / "x")


def test_no_link_is_opened_that_was_none_before(blind, tmp_path, mine):
    (tmp_path / "run/samples").mkdir(parents=True)
    for name in ("a", "c"):  # each is looked at once
        (tmp_path / "run/samples" / name).symlink_to(mine)
    (tmp_path / "run/b").symlink_to(tmp_path)
    with pytest.raises(NotAFileError, match="symbolic link"):
        open_regular(tmp_path / "run/samples/a", follow=False)
    with pytest.raises(NotAFileError, match="symbolic link"):
        open_inside(tmp_path / "run", "samples", "c")
    with pytest.raises(OSError, match="Not a directory|symbolic"):
        open_inside(tmp_path / "run", "b", "mine.txt")


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_devices_are_not_even_opened(kind, tmp_path, monkeypatch):
    put(kind, tmp_path / "x")
    monkeypatch.setattr(files.os, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(NotAFileError):
        open_regular(tmp_path / "x")


def test_looks_do_not_follow(tmp_path, mine, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/a").symlink_to(mine)
    real = os.open

    def only_folders(path, flags, *arguments, **options):
        assert flags & os.O_DIRECTORY, "opened before it was looked at"
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(files.os, "open", only_folders)
    with pytest.raises(NotAFileError, match="symbolic link"):
        open_inside(tmp_path / "run", "a")
    with pytest.raises(NotAFileError, match="symbolic link"):
        open_regular(tmp_path / "run/a", follow=False)


@pytest.mark.parametrize("write", [open_lock, lambda path: append_line(path, "x")])
def test_what_is_written_to_is_never_waited_for(write, tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(NotAFileError):
        write(tmp_path / "x")


def test_a_file_that_grows_while_it_is_read_is_cut_off(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"a" * 10)

    class Growing:
        """Says that it is small, and goes on for ever."""

        asked = 0

        def __init__(self, file):
            self.file = file

        def fileno(self):
            return self.file.fileno()

        def read(self, count=-1):
            assert count >= 0, "all of it was asked for"
            Growing.asked += count
            return b"a" * count

    with path.open("rb") as file, pytest.raises(NotAFileError, match="where 100 bytes are read"):
        read_at_most(Growing(file), 100)
    assert Growing.asked <= 102
    # What tells no size at all, as the system's own files, is read.
    assert read_regular(Path("/proc/self/stat"), 10_000)
