"""What people read when something fails: every message in the code, and what libraries raise."""

import ast
import errno
import re
from pathlib import Path

import pytest

import anime_pipeline
from anime_pipeline.core import errors
from anime_pipeline.core.errors import DataError, PipelineError, in_words

ROOT = Path(anime_pipeline.__file__).parent
KINDS = {
    name for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, PipelineError)
}  # fmt: skip

# An order to the reader, or what would have been right.
ADVICE = re.compile(
    r"\b(Expected|Needed|Add|Check|Choose|Close|Continue|Fetch|Give|Install|Leave|Make|Measure|Mend|Name|"
    r"Rename|Restore|Resume|Save|Send|Set|Start|Stop|Upscale|Use|Wait|rename|their lines say|"
    r"try again)\b"
)

# These are half-sentences for the list of skipped files; what to do stands below that list.
REASONS = {
    "cli/upscale_work.py",
    "images/codec.py",
    "images/decoding/decoder.py",
    "images/frames.py",
    "images/formats/grey.py",
    "images/headers.py",
    "images/loading.py",
    "images/writing/save.py",
    "inference/memory.py",
    "inference/target.py",
}
# These are built by a function that the other tests of this file look at.
BUILT = {"{text}"}


def literal(node):
    """Return a message as it stands in the code, placeholders in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return literal(node.left) + literal(node.right)
    value = node.value if isinstance(node, ast.FormattedValue) else node
    return "{" + ast.unparse(value) + "}"


def messages():
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KINDS and node.args:
                yield name, node.lineno, literal(node.args[0])


def test_the_collection_sees_the_code():
    found = list(messages())
    assert len(found) > 80 and len({name for name, _, _ in found}) > 25


def test_every_error_names_what_was_received_and_what_to_do():
    for name, line, text in messages():
        if name in REASONS or text in BUILT:
            continue
        assert "{" in text, f"{name}:{line} names nothing that was received: {text}"
        advised = ADVICE.search(text) or "_ADVICE" in text
        assert advised, f"{name}:{line} does not say what to do: {text}"
        assert re.search(
            r"[.}']$|anime-pipeline sample-data FOLDER$|--perceptual-weight 0$", text
        ), text


def test_nothing_usable_says_what_to_do(tmp_path):
    from anime_pipeline.data.dataset import open_dataset
    from anime_pipeline.data.store import load_store, require_pictures

    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.png: the file is empty.*Give other pictures"):
        require_pictures(load_store(open_dataset(tmp_path), 8), [tmp_path])


class ResourceExhaustedError(Exception):
    """Looks like TensorFlow's."""


class XlaRuntimeError(Exception):
    """Looks like JAX's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3.00 TiB for an array"),
        MemoryError(),
        ResourceExhaustedError("OOM when allocating tensor with shape[9]\nstack"),
        XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"),
    ],
)
def test_out_of_memory_is_said_in_words(error):
    text = str(in_words(error))
    assert text.startswith("Out of memory") and "--batch-size" in text and "\n" not in text


def test_missing_and_broken_libraries_are_said_in_words():
    missing = str(in_words(ModuleNotFoundError("No module named 'cv2'", name="cv2")))
    assert "'cv2' is not installed" in missing and "pip install" in missing
    broken = str(in_words(ImportError("libGL.so.1: cannot open shared object file")))
    assert "libGL.so.1" in broken and "doctor" in broken


def test_the_systems_errors_get_advice():
    full = str(in_words(OSError(errno.ENOSPC, "No space left on device", "out/a.png")))
    assert full.startswith("out/a.png: No space left on device. Make room on the disk")
    assert "Check the path" in str(in_words(OSError("odd")))


def test_a_defect_keeps_its_traceback(monkeypatch, cli):
    assert in_words(ZeroDivisionError()) is None
    assert isinstance(in_words(DataError("x")), DataError)
    monkeypatch.setattr("anime_pipeline.cli.generate.parse_seeds", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli("generate")


@pytest.mark.parametrize(
    "error,code",
    [(MemoryError("too much"), 1), (ModuleNotFoundError("x", name="jax"), 1), (DataError("d"), 4)],
)
def test_the_program_says_it_in_one_line(monkeypatch, cli, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr("anime_pipeline.cli.generate.parse_seeds", fail)
    result = cli("generate")
    assert result.code == code and len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: ")


def test_memory_that_really_runs_out_is_said_in_words(tmp_path):
    """A process that may have little memory, asked for too much at once."""
    from conftest import spawn

    code = (
        "import resource, sys\n"
        "from anime_pipeline.cli.main import run\n"
        "from anime_pipeline.inference import upscaler, generator\n"
        "taken = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (taken + 2**30,) * 2)\n"
        "sys.argv = ['anime-pipeline', 'generate', '-n', '50000', '--batch-size', '50000']\n"
        "run()"
    )
    process = spawn("-c", code, cwd=tmp_path)
    assert process.returncode == 1, process.stderr[-500:]
    assert "Out of memory" in process.stderr and "Traceback" not in process.stderr
