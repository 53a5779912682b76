"""What works where a system has nothing of POSIX, as Windows: in a process that has lost it."""

import ast
import re
from pathlib import Path

import pytest
from conftest import spawn

import anime_pipeline

PACKAGE = Path(anime_pipeline.__file__).parent
# The one file that may name them.
PLATFORM = PACKAGE / "core/platform.py"

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog")
OS_NAMES = (
    "O_NOFOLLOW O_NONBLOCK O_CLOEXEC O_DIRECTORY O_ASYNC O_SYNC mkfifo getuid geteuid getgid "
    "fchmod chown fork forkpty killpg getpgid setsid setpgid readv writev pread pwrite sysconf "
    "sched_getaffinity getloadavg wait3 wait4 nice uname set_blocking"
).split()
SIGNAL_NAMES = (
    "SIGHUP SIGQUIT SIGKILL SIGPROF SIGIO SIGALRM SIGPIPE SIGUSR1 SIGUSR2 SIGCHLD SIGSTOP SIGCONT "
    "setitimer getitimer ITIMER_PROF ITIMER_REAL pthread_sigmask SIG_UNBLOCK SIG_BLOCK alarm "
    "pthread_kill sigwait pause siginterrupt"
).split()
SELECT_NAMES = "poll epoll kqueue".split()
ARGUMENTS = ("pass_fds", "process_group", "preexec_fn", "start_new_session")

# Other people's modules keep what they found: they have their own ways on Windows.
LOADED = "click cv2 numpy onnxruntime pandas PIL.Image skimage.color subprocess tempfile".split()
LOSING = f"""
import importlib, os, select, signal, sys
for name in {LOADED}:
    importlib.import_module(name)
for name in {MODULES}:
    if name != "posix":
        sys.modules[name] = None
for module, names in ((os, {OS_NAMES}), (signal, {SIGNAL_NAMES}), (select, {SELECT_NAMES})):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
os.supports_dir_fd = set()
from anime_pipeline.core import platform
assert not platform.POSIX and not platform.ISOLATES and not platform.OPENS_WITHIN_FOLDERS
from pathlib import Path
import numpy as np
"""

PARTS = {
    "latents and conditions": """
from anime_pipeline.core.randomness import latents
from anime_pipeline.data import conditions
assert np.array_equal(latents([7, 8], 16)[:1], latents([7], 16))
red = np.array([200, 30, 40], np.uint8)
back = conditions.decode_colour("hair", conditions.encode_colour("hair", red))
assert np.abs(back.astype(int) - red).max() <= 1
""",
    "storage": """
from anime_pipeline.core import storage
from anime_pipeline.core.files import append_line, open_inside, read_regular
here = Path("deep/folder")
storage.atomic_write_text(here / "a.txt", "line\\r\\nline\\x1a")
storage.atomic_write_text(here / "a.txt", "line\\r\\n\\x1a end")
assert read_regular(here / "a.txt", 100) == b"line\\r\\n\\x1a end"
try:
    storage.atomic_write(here / "a.txt", lambda file: file.write(b"x"), replace=False)
except FileExistsError:
    pass
else:
    raise SystemExit("it was replaced")
append_line(here / "log", "one")
append_line(here / "log", "two")
with open_inside(Path("deep"), "folder", "log") as file:
    assert file.read() == b"one\\ntwo\\n"
with storage.folder_locked(here):
    storage.atomic_write_json(here / "b.json", {"a": 1})
(here / ".anime-pipeline-1-0123456789ab.partial").write_bytes(b"")
storage.sweep_temporaries(Path("."))
assert sorted(p.name for p in here.iterdir() if p.suffix == ".partial") == []
storage.cache_folder()
""",
    "runs": """
from anime_pipeline.core.runs import locked, new_run_folder
folder = new_run_folder(Path("checkpoints/dcgan"), "cpu")
with locked(folder):
    assert folder.name == "1-cpu"
""",
    "pictures": """
from anime_pipeline.images.codec import decode, write_png
from anime_pipeline.images.decoding.decoder import Decoder, read_rgb
from anime_pipeline.core.errors import DataError
picture = np.arange(48 * 40 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 40, 3)
write_png(Path("a.png"), picture, {"seed": "1"})
assert np.array_equal(decode(Path("a.png").read_bytes()), picture)
assert np.array_equal(read_rgb(Path("a.png")), picture)
with Decoder() as decoder:
    decoder.start()
    decoder.begin(Path("a.png").read_bytes(), "a.png")
    assert decoder.header().size == (40, 48) and decoder.still().mode == "RGB"
    decoder.begin(b"nothing", "b.png")
    try:
        decoder.header()
    except DataError as error:
        assert "b.png" in str(error)
    else:
        raise SystemExit("nothing was a picture")
""",
    "readers": """
from anime_pipeline.sample.dataset import write_sample_dataset
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.store import load_store, split_store
write_sample_dataset(Path("drawn"), 12, 0, 32)
for _ in range(2):
    store = load_store(open_dataset(Path("drawn")), 16)
    assert store.images.shape == (12, 16, 16, 3) and all(r.colors for r in store.records)
    split_store(store)
""",
    "faces by ONNX": """
from anime_pipeline.inference.selftest import run_self_test
difference, gain_db, _ = run_self_test()
assert difference <= 1 and gain_db > 0
""",
    "the command line": """
from anime_pipeline.core.machine import resident_bytes
from anime_pipeline.cli.main import run
assert resident_bytes() == 0
sys.argv = ["anime-pipeline", "generate", "-n", "2", "--upscale", "--out", "faces"]
run()
""",
}


@pytest.mark.parametrize("part", PARTS)
def test_it_runs_without_posix(part, tmp_path):
    done = spawn("-W", "error", "-c", LOSING + PARTS[part], cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_nothing_but_one_file_names_what_windows_lacks():
    """Names that the child above loses, so what is not run there is not forgotten either."""
    forbidden = {f"os.{n}" for n in OS_NAMES} | {f"signal.{n}" for n in SIGNAL_NAMES}
    forbidden |= {f"select.{n}" for n in SELECT_NAMES}
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path == PLATFORM:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                named = f"{node.value.id}.{node.attr}"
                guarded = re.search(rf'hasattr\({node.value.id}, "{node.attr}"\)', path.read_text())
                found += [(path.name, named)] * (named in forbidden and not guarded)
            elif isinstance(node, ast.Import):
                found += [(path.name, n.name) for n in node.names if n.name in MODULES]
            elif isinstance(node, ast.ImportFrom):
                found += [(path.name, node.module)] * (node.module in MODULES)
            elif isinstance(node, ast.keyword):
                found += [(path.name, node.arg)] * (node.arg in ARGUMENTS)
    assert not found
