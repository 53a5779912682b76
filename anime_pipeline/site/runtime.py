"""The files of onnxruntime-web that a site needs, taken from its npm package and checked."""

from __future__ import annotations

import gzip
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, read_regular
from anime_pipeline.core.storage import atomic_write_bytes, sha256_of

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
# By where a browser computes: what is imported, what that starts as threads, and the program.
FILES = {
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": (
        "ort.webgpu.min.mjs",
        "ort-wasm-simd-threaded.asyncify.mjs",
        "ort-wasm-simd-threaded.asyncify.wasm",
    ),
}
PACKED = ".bin"  # of files that browsers keep unpacked, by the name without it
SHA256 = "onnxruntime-web.sha256"  # beside this, as sha256sum writes it
GET_ADVICE = (
    f"Get it with: npm pack {PACKAGE}@{VERSION} && tar xzf {PACKAGE}-{VERSION}.tgz, and pass "
    "--runtime package"
)


def find(folder: Path | None) -> Path:
    """Return the folder of the files, checked.

    Args:
        folder: The unpacked npm package, with its ``package.json``.

    Raises:
        UsageError: If none is given.
        PipelineError: If it is no such package, of another version, or changed.
    """
    if folder is None:
        raise UsageError(f"--to site needs {PACKAGE}, which browsers compute with. {GET_ADVICE}.")
    try:
        document = json.loads(read_regular(folder / "package.json", MAX_DOCUMENT_BYTES))
        name, version = document["name"], document["version"]
    except (OSError, ValueError, KeyError, TypeError):
        raise PipelineError(
            f"{folder} is no unpacked npm package of {PACKAGE}. {GET_ADVICE}."
        ) from None
    if (name, version) != (PACKAGE, VERSION):
        raise PipelineError(
            f"{folder} holds {name} {version}. Expected {PACKAGE} {VERSION}. {GET_ADVICE}."
        )
    for line in (resources.files("anime_pipeline.site") / SHA256).read_text("ascii").splitlines():
        sha256, file = line.split()
        path = folder / "dist" / file
        if not path.is_file() or sha256_of(path) != sha256:
            raise PipelineError(
                f"{path} is missing or not the one of {PACKAGE} {VERSION} (sha256). {GET_ADVICE}."
            )
    return folder / "dist"


def copy(dist: Path, folder: Path) -> dict[str, Any]:
    """Copy what browsers load; programs compressed, as not every host does it.

    Args:
        dist: What `find` returned.
        folder: Where to; exists. Its name should tell the version.

    Returns:
        Addresses by kind of runtime, relative to the site, ready for JSON.
    """
    found: dict[str, Any] = {}
    at = f"{folder.parent.name}/{folder.name}"
    for kind, (module, threads, program) in FILES.items():
        scripts = {}
        for role, script in (("module", module), ("threads", threads)):
            # Not every host knows .mjs as JavaScript, and maps for debuggers are not here.
            name = f"{script.removesuffix('.mjs')}.js"
            text = (dist / script).read_text(encoding="utf-8")
            text = re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", text)
            atomic_write_bytes(folder / name, text.encode())
            scripts[role] = f"{at}/{name}"
        content = (dist / program).read_bytes()
        packed = gzip.compress(content, 9, mtime=0)
        # By another name than .gz, which some hosts unpack on the way.
        atomic_write_bytes(folder / f"{program}{PACKED}", packed)
        sizes = {"bytes": len(packed), "unpacked": len(content)}
        found[kind] = scripts | {"program": {"file": f"{at}/{program}{PACKED}"} | sizes}
    return found
