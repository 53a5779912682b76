"""The fuzz targets for a while each, from the corpus of odd files."""

import subprocess
import sys
from pathlib import Path

import pytest
from corpus import FILES

TARGETS = Path(__file__).with_name("fuzz_readers.py")
SECONDS = 60

TABLES = [
    b"file,hair_r,hair_g,hair_b,skin_r,skin_g,skin_b\na.png,1,2,3,4,5,6\n",
    b'\xef\xbb\xbffile,hair_r,hair_g,hair_b,skin_r,skin_g,skin_b\r\n"a,b",1,2,3,4,5,256\r\n"',
    b"file,hair_r\n\n,\n",
]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["picture", "table"])
def test_fuzzing_finds_nothing(target, tmp_path):
    pytest.importorskip("atheris")
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    contents = [odd.content for odd in FILES] if target == "picture" else TABLES
    for index, content in enumerate(contents):
        if len(content) < 20_000:
            (seeds / f"{index}").write_bytes(content)
    process = subprocess.run(
        [
            sys.executable, str(TARGETS), target, f"-max_total_time={SECONDS}", "-max_len=20000",
            "-rss_limit_mb=4096", "-timeout=20", f"-artifact_prefix={tmp_path}/", str(seeds),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS * 5,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-3000:]
    assert "Done" in process.stderr and not list(tmp_path.glob("crash-*"))
