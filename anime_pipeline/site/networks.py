"""Both networks as a site carries them: graphs without their large arrays, and these apart.

Arrays are stored in half precision, as shipped weights are, and computed with in single precision.
Upscalers share one graph, so that a browser can mix them. Trained numbers are close to noise; their
upper and lower bytes apart, and what was trained on from another as its difference, they become 15
to 24 % smaller.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.storage import atomic_write_bytes
from anime_pipeline.inference.export_usage import condition_parts
from anime_pipeline.inference.generator import condition_table
from anime_pipeline.inference.graph_layers import pictures_graph
from anime_pipeline.models.blend import mix
from anime_pipeline.models.weights import Weights, misfit
from anime_pipeline.site.runtime import PACKED
from anime_pipeline.web.models.catalogue import STEPS, Catalogue

LARGE = 1024  # numbers from which on an array is stored apart
ARRAYS = "arrays.f32"  # what graphs call the arrays that a browser hands them
# Where a mixture's graph holds other numbers than the mixture of graphs: a folded normalisation.
MIXABLE = 1e-5


@dataclass(frozen=True)
class Networks:
    """What a site draws with.

    Attributes:
        generator: Stage one.
        upscalers: Stage two by name; each may be stored as its difference from one before.
        drawn: Names of the two that realism goes between, for drawn faces; one alone stands twice.
        pictures: Likewise, for pictures that somebody has.
        denoise: Name of the one that cleans up, or None.
        weights_hash: As links have it.
    """

    generator: Weights
    upscalers: dict[str, Weights]
    drawn: tuple[str, str]
    pictures: tuple[str, str]
    denoise: str | None
    weights_hash: str

    @classmethod
    def of(cls, catalogue: Catalogue) -> Networks:
        """Take those that a server would draw with."""
        names: dict[str, str] = {}
        upscalers: dict[str, Weights] = {}

        def name(realism: float, drawn: bool, denoise: float = 0.0) -> str:
            weights = catalogue.upscaler(realism, drawn, denoise).weights
            found = names.setdefault(weights.sha256, f"upscaler{len(names)}")
            upscalers[found] = weights
            return found

        # The one that draws faces comes first: a visitor waits for it alone.
        crisp = name(1, True)
        drawn = (name(0, True), crisp)
        pictures = (name(0, False), name(1, False))
        denoise = name(0, False, 1) if catalogue.has_denoise else None
        generator = catalogue.generator().weights
        served = catalogue.weights_hash(generator)
        return cls(generator, upscalers, drawn, pictures, denoise, served).that_browsers_mix()

    def that_browsers_mix(self) -> Networks:
        """Return these, or only the ends that suit where graphs cannot be mixed as weights are."""
        if self._mixable():
            return self
        drawn, pictures = self.drawn[1], self.pictures[0]
        kept = {name: self.upscalers[name] for name in (drawn, pictures)}
        return replace(
            self, upscalers=kept, drawn=(drawn,) * 2, pictures=(pictures,) * 2, denoise=None
        )

    def _mixable(self) -> bool:
        """Tell whether mixing the numbers of graphs is mixing the weights."""
        base, *others = self.upscalers.values()
        first = _constants(pictures_graph(None, base))
        for other in others:
            last = _constants(pictures_graph(None, other))
            half = _constants(pictures_graph(None, mix(base, [(other, 0.5)])))
            if any(np.abs((first[n] + last[n]) / 2 - half[n]).max() > MIXABLE for n in first):
                return False
        return True


def write(networks: Networks, folder: Path) -> dict[str, Any]:
    """Write graphs and arrays, each file named after its content.

    Args:
        networks: What the site draws with.
        folder: Where to; exists.

    Returns:
        What the browser needs to know of them, ready for JSON.

    Raises:
        CheckpointError: If a network computes numbers that half precision cannot hold.
    """
    return {
        "weights": networks.weights_hash,
        "external": ARRAYS,
        "smallest": base64.b64encode(smallest_graph()).decode(),
        "generator": _write_generator(networks.generator, folder),
        "upscaler": _write_upscalers(networks, folder),
    }


def _write_generator(weights: Weights, folder: Path) -> dict[str, Any]:
    config = weights.read_config(DcganConfig)
    graph = pictures_graph(weights, None)
    names = {name for name, array in _constants(graph).items() if array.size >= LARGE}
    parts = condition_parts(config)
    table = condition_table(weights) if parts else np.zeros((1, 0), np.float32)
    arrays = _halves(weights, graph, names)
    return {
        "graph": _put(folder, "generator", ".onnx", _hollow(graph, names)),
        "arrays": _put(folder, "generator", ".f16.bin", pack(arrays)),
        "count": len(arrays),
        "sha256": weights.sha256,
        "image_size": config.image_size,
        "latent_dim": config.latent_dim,
        "distribution": config.latent_distribution,
        "parts": parts,
        "table": _put(folder, "conditions", ".f16.bin", pack(table.ravel().astype(np.float16))),
        "rows": len(table),
    }


def _write_upscalers(networks: Networks, folder: Path) -> dict[str, Any]:
    graphs = {n: pictures_graph(None, weights) for n, weights in networks.upscalers.items()}
    constants = {name: _constants(graph) for name, graph in graphs.items()}
    [base, *_] = constants
    first = constants[base]
    apart = {
        name
        for name, array in first.items()
        if array.size >= LARGE
        or any(not np.array_equal(array, other[name]) for other in constants.values())
    }
    values = {n: _halves(networks.upscalers[n], graph, apart) for n, graph in graphs.items()}
    files: dict[str, Any] = {}
    for name in graphs:
        packed: dict[str | None, bytes] = {None: pack(values[name])}
        packed |= {start: pack(values[name], values[start]) for start in files}
        start = min(packed, key=lambda each: len(packed[each]))
        origin = {"from": start, "sha256_weights": networks.upscalers[name].sha256}
        files[name] = _put(folder, name, ".f16.bin", packed[start]) | origin
    return {
        "graph": _put(folder, "upscaler", ".onnx", _hollow(graphs[base], apart)),
        "arrays": files,
        "count": len(values[base]),
        "drawn": networks.drawn,
        "pictures": networks.pictures,
        "denoise": networks.denoise,
        "steps": STEPS,
    }


def pack(values: np.ndarray, base: np.ndarray | None = None) -> bytes:
    """Compress float16 [N]: all upper bytes, then all lower ones, of the numbers or differences."""
    bits = values.view(np.uint16)
    if base is not None:
        apart = (_ordered(bits) - _ordered(base.view(np.uint16))).view(np.int16)
        bits = ((apart << 1) ^ (apart >> 15)).view(np.uint16)
    planes = np.concatenate([bits >> 8, bits & 255]).astype(np.uint8)
    return gzip.compress(planes.tobytes(), 9, mtime=0)


def _ordered(bits: np.ndarray) -> np.ndarray:
    """Return the bits of float16 as uint16 in the order of the numbers."""
    return np.where(bits & 0x8000, ~bits, bits | 0x8000).astype(np.uint16)


def _constants(graph: ModelProto) -> dict[str, np.ndarray]:
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    }


def _halves(weights: Weights, graph: ModelProto, names: set[str]) -> np.ndarray:
    """Return arrays of a graph one after the other, as float16 [N]."""
    arrays = [array.ravel() for name, array in _constants(graph).items() if name in names]
    with np.errstate(over="ignore"):  # found on the next line
        result = np.concatenate(arrays).astype(np.float16)
    if not np.isfinite(result).all():
        raise misfit(weights, sorted(names))
    return result


def _hollow(graph: ModelProto, names: set[str]) -> bytes:
    """Return a graph whose named arrays are expected one after the other in `ARRAYS`, float32."""
    hollow = ModelProto()
    hollow.CopyFrom(graph)
    offset = 0
    for tensor in hollow.graph.initializer:
        if tensor.name in names:
            length = len(tensor.raw_data)
            set_external_data(tensor, ARRAYS, offset, length)
            tensor.ClearField("raw_data")
            offset += length
    return hollow.SerializeToString()


def smallest_graph() -> bytes:
    """Return a graph that does nothing: the runtime begins with a session, whatever it is of."""
    one = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "nothing", one[:1], one[1:])
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def _put(folder: Path, stem: str, suffix: str, content: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{stem}-{sha256[:12]}{suffix}"
    atomic_write_bytes(folder / name, content)
    found = {"file": f"{folder.name}/{name}", "bytes": len(content), "sha256": sha256}
    if suffix.endswith(PACKED):
        found["unpacked"] = len(gzip.decompress(content))
    return found


def as_json(document: Mapping[str, Any]) -> str:
    """Return a description as compact JSON."""
    return json.dumps(document, separators=(",", ":"))
