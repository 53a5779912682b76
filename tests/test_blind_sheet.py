"""tools/blind_sheet.py: what the sheet shows the key says, and answers go to the right side."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from anime_pipeline.images.codec import write_png
from anime_pipeline.images.decoding.decoder import read_rgb

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import blind_sheet  # noqa: E402

COUNT, SIDE = 9, 16
DARK, BRIGHT = 40, 200


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["blind_sheet.py", *map(str, arguments)])
    blind_sheet.main()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A sheet of dark pictures against bright ones; where it is and what its key says."""
    for name, level in {"before": DARK, "after": BRIGHT}.items():
        (tmp_path / name).mkdir()
        for row in range(COUNT):
            picture = np.full((SIDE, SIDE, 3), level, np.uint8)
            write_png(tmp_path / name / f"{row}.png", picture)
    sides = tmp_path / "before", tmp_path / "after"
    to = "--out", tmp_path / "sheet.png", "--key", tmp_path / "key.json"
    run(monkeypatch, "sheet", *sides, "--seed", 3, *to)
    return tmp_path, json.loads((tmp_path / "key.json").read_text())


def test_the_key_says_what_stands_where(made):
    folder, key = made
    sheet = read_rgb(folder / "sheet.png")
    high, wide = 2 * SIDE + 4 + 10, 4 * SIDE + 6 + 10
    lefts = [
        sheet[10 + high * (row // 3) + 2 * SIDE, 10 + wide * (row % 3) + 2 * SIDE, 0]
        for row in range(COUNT)
    ]
    assert lefts == [BRIGHT if flag else DARK for flag in key["swapped"]]
    assert len(set(lefts)) == 2, "both orders occur, or nothing is blind"


def test_answers_are_counted_for_what_stood_there(made, monkeypatch, capsys):
    folder, key = made
    bright = ["left" if flag else "right" for flag in key["swapped"]]
    (folder / "answers.txt").write_text("\n".join([*bright[:-1], "none"]))
    run(monkeypatch, "count", folder / "key.json", folder / "answers.txt")
    counted = json.loads(capsys.readouterr().out)
    assert counted == {"before": 0, "after": 8, "none": 1, "chance": 0.0078}  # 2 / 2**8


def test_a_tie_is_chance_and_wrong_answers_are_refused():
    assert blind_sheet.count_answers([True, False], ["left", "left"])["chance"] == 1.0
    for answers in (["left"], ["left", "middle"]):
        with pytest.raises(SystemExit, match="left, right or none"):
            blind_sheet.count_answers([True, False], answers)
