"""JavaScript of the site, run by Node.js and compared with Python."""

import json
import shutil
import subprocess
from importlib import resources

import pytest

STATIC = resources.files("anime_pipeline.site") / "static"


BEGIN = """
import { readFileSync, writeFileSync } from "node:fs";
const given = JSON.parse(readFileSync(0, "utf8"));
const read = (name) => new Uint8Array(readFileSync(name));
"""


def node(script, given, folder):
    """Run a module in a folder; gives what it printed, as JSON.

    Args:
        script: It may say `from "site/x.js"`, and has `given`, `read(name)` and `writeFileSync`.
        given: Any value that JSON knows.
        folder: Where it may read and write files.
    """
    program = shutil.which("node")
    if program is None:
        pytest.skip("no Node.js on this machine")
    path = folder / "script.mjs"
    path.write_text(BEGIN + script.replace('"site/', f'"{STATIC.as_posix()}/'))
    ran = subprocess.run(
        [program, path], cwd=folder, input=json.dumps(given), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout) if ran.stdout else None
