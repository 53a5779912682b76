"""The site of the shipped weights, and onnxruntime-web, which is no package of Python.

A pytest plugin: a module of such tests says `pytest_plugins = ["ort_web"]`.
"""

import json
import os
from pathlib import Path

import pytest
from conftest import spawn

from anime_pipeline.site.runtime import GET_ADVICE


@pytest.fixture(scope="session")
def package() -> Path:
    """The folder of the npm package; skips the test where it was not named."""
    named = os.environ.get("ANIME_PIPELINE_ORT_WEB")
    if not named:
        pytest.skip(f"ANIME_PIPELINE_ORT_WEB names no onnxruntime-web. {GET_ADVICE}")
    return Path(named)


@pytest.fixture(scope="session")
def shipped_site(tmp_path_factory, package) -> tuple[Path, dict]:
    """The folder of the site, and what the command said of it."""
    folder = tmp_path_factory.mktemp("host") / "faces"
    call = ["-m", "anime_pipeline", "export", "--to", "site", "--out", folder, "--json"]
    done = spawn(*call, "--runtime", package, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)
