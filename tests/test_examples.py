from pathlib import Path

import pytest
from conftest import spawn

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(
    "arguments,result,said",
    [
        (["faces_from_seeds.py", "--count", 2, "--out", "."], "comparison.png", "allowed: 1"),
        (["compare_upscalers.py", "--count", 4, "--out", "."], "benchmark.html", "bicubic  PSNR"),
    ],
)
def test_examples_on_shipped_weights(arguments, result, said, tmp_path):
    process = spawn(EXAMPLES / arguments[0], *arguments[1:], cwd=tmp_path)
    assert process.returncode == 0, process.stderr[-1000:]
    assert said in process.stdout and (tmp_path / result).is_file()


def test_training_example(tmp_path):
    process = spawn(
        EXAMPLES / "train_on_drawn_faces.py", "--steps", 6, "--faces", 64, "--width", 4,
        "--out", tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-1000:]
    assert "after 6 steps" in process.stdout and (tmp_path / "last.png").is_file()
