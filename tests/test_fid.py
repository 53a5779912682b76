"""FID, on a small made graph of the real one's shape: the real file is nobody's to hand out."""

from functools import partial

import numpy as np
import pytest
from scipy import linalg

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.metrics.frechet import fid, frechet
from anime_pipeline.models import inception
from anime_pipeline.models.inception import Inception

tf = pytest.importorskip("tensorflow")

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(0, 0.3, (1, 1, 3, inception.WIDTH)).astype(np.float32)
MEAN, SHIFT = RANDOM.normal(0, 0.1, (2, inception.WIDTH)).astype(np.float32)
VARIANCE = RANDOM.uniform(0.5, 2, inception.WIDTH).astype(np.float32)
EPSILON, SIDE = 1e-3, 8


def add(graph, name, op, *sources, **attributes):
    node = graph.node.add(name=name, op=op, input=sources)
    for key, value in attributes.items():
        node.attr[key].CopyFrom(tf.compat.v1.AttrValue(**value))
    return node


def constant(graph, name, value):
    array = tf.make_tensor_proto(value)
    kind = {"type": array.dtype}
    add(graph, name, "Const", dtype=kind, value={"tensor": array})


def made_graph(last="AvgPool"):
    """Return what the graph of 2015 is built like: its names, old operations and version."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = 8  # before batch normalisation of that form was withdrawn
    kind = {"type": tf.float32.as_datatype_enum}
    ones = {"list": {"i": [1, 1, 1, 1]}}
    place = {"list": {"i": [1, SIDE, SIDE, 1]}}
    add(graph, "DecodeJpeg/contents", "Const", dtype={"type": tf.string.as_datatype_enum},
        value={"tensor": tf.make_tensor_proto(b"")})  # fmt: skip
    add(graph, "DecodeJpeg", "DecodeJpeg", "DecodeJpeg/contents")
    add(graph, "Cast", "Cast", "DecodeJpeg", SrcT={"type": tf.uint8.as_datatype_enum}, DstT=kind)
    constant(graph, "ExpandDims/dim", np.int32(0))
    add(graph, "ExpandDims", "ExpandDims", "Cast", "ExpandDims/dim", T=kind)
    constant(graph, "size", np.int32([SIDE, SIDE]))
    add(graph, "ResizeBilinear", "ResizeBilinear", "ExpandDims", "size", T=kind)
    for name, value in (("centre", 128), ("unit", 1 / 128)):
        constant(graph, name, np.float32(value))
    add(graph, "Sub", "Sub", "ResizeBilinear", "centre", T=kind)
    add(graph, "Mul", "Mul", "Sub", "unit", T=kind)
    for name, value in (("w", KERNEL), ("m", MEAN), ("v", VARIANCE), ("b", SHIFT), ("g", SHIFT)):
        constant(graph, name, value)
    add(graph, "conv", "Conv2D", "Mul", "w", T=kind, strides=ones, padding={"s": b"SAME"})
    add(graph, "batchnorm", "BatchNormWithGlobalNormalization", "conv", "m", "v", "b", "g", T=kind,
        variance_epsilon={"f": EPSILON}, scale_after_normalization={"b": False})  # fmt: skip
    add(graph, "CheckNumerics", "CheckNumerics", "batchnorm", T=kind, message={"s": b""})
    add(graph, "same", "Identity", "batchnorm", "^CheckNumerics", T=kind)
    add(graph, "relu", "Relu", "same", T=kind)
    if last == "AvgPool":
        add(graph, "pool_3", last, "relu", T=kind, ksize=place, strides=ones,
            padding={"s": b"VALID"})  # fmt: skip
    else:
        add(graph, "pool_3", last, "relu")
    add(graph, "softmax", "Softmax", "pool_3", T=kind)
    return graph


def write(folder, graph):
    path = folder / inception.ASSET_FILE
    path.write_bytes(graph.SerializeToString())
    return path


def load(folder, graph):
    path = write(folder, graph)
    return Inception(path, expected_bytes=path.stat().st_size)


def pictures(seed, count, low=0):
    return np.random.default_rng(seed).integers(low, 256, (count, 4, 4, 3), np.uint8)


def expected(images):
    """Compute what the made graph computes, in NumPy."""
    # TensorFlow's resize of 2015: the source of target i is i * 4 / 8, not centred.
    place = np.arange(SIDE) * 4 / SIDE
    low = place.astype(int)
    high, part = np.minimum(low + 1, 3), place - low
    weights = np.zeros((SIDE, 4))
    np.add.at(weights, (np.arange(SIDE), low), 1 - part)
    np.add.at(weights, (np.arange(SIDE), high), part)
    large = np.einsum("ai,bj,nijc->nabc", weights, weights, images.astype(np.float64))
    maps = (large - 128) / 128 @ KERNEL[0, 0].astype(np.float64)
    maps = (maps - MEAN) / np.sqrt(VARIANCE + EPSILON) + SHIFT
    return np.maximum(maps, 0).mean(axis=(1, 2))


def test_features_are_those_at_pool_3_for_any_number_of_pictures(tmp_path):
    images, calls = pictures(0, 19), []
    network = load(tmp_path, made_graph())
    found = network(images, lambda *call: calls.append(call))
    assert found.shape == (19, 2048) and found.dtype == np.float64 and calls[-1] == (19, 19)
    np.testing.assert_allclose(found, expected(images), atol=2e-5)
    assert len(network.sha256) == 64
    with pytest.raises(ValueError, match="Expected uint8"):
        network(images.astype(np.float32))


def test_fid_is_the_published_formula(tmp_path):
    real, fake, calls = pictures(0, 40), pictures(1, 40, low=60), []
    network = load(tmp_path, made_graph())
    value, floor = fid(real, fake, network, lambda *call: calls.append(call))
    assert calls[-1] == (80, 80) and sorted(calls) == calls
    a, b = expected(real), expected(fake)
    # Heusel et al.: |m1 - m2|^2 + tr(C1 + C2 - 2 sqrt(C1 C2)); the root in the span of the samples.
    basis = np.linalg.qr(np.concatenate([a, b]).T)[0]
    first, second = np.cov(a @ basis, rowvar=False), np.cov(b @ basis, rowvar=False)
    first_root = linalg.sqrtm(first + 1e-12 * np.eye(len(first)))
    root = np.trace(linalg.sqrtm((first_root @ second @ first_root).real).real)
    distance = np.square(a.mean(0) - b.mean(0)).sum()
    distance += np.trace(first) + np.trace(second) - 2 * root
    assert value == pytest.approx(distance, rel=1e-3)
    assert 0 < floor < value and floor == pytest.approx(frechet(a[::2], a[1::2]), rel=1e-3)


@pytest.mark.parametrize("op", ["ReadFile", "PyFunc", "PartitionedCall", "Made"])
def test_a_graph_that_does_more_than_arithmetic_is_refused(tmp_path, op):
    with pytest.raises(PipelineError, match=f"Received: {op} at pool_3"):
        load(tmp_path, made_graph(last=op))


def test_other_files_are_refused(tmp_path):
    graph = made_graph()
    with pytest.raises(PipelineError, match=r"\(95,673,916 bytes\)"):
        Inception(write(tmp_path, graph))
    graph.node[-2].name = "elsewhere"
    with pytest.raises(PipelineError, match="no pool_3"):
        load(tmp_path, graph)
    narrow = made_graph()
    next(node for node in narrow.node if node.name == "pool_3").attr["ksize"].list.i[1] = 2
    with pytest.raises(PipelineError, match="Received: .2, 7, 1, 2048"):
        load(tmp_path, narrow)(pictures(0, 2))
    broken = made_graph()
    next(node for node in broken.node if node.name == "relu").input.append("same")
    with pytest.raises(PipelineError, match="TensorFlow refuses"):
        load(tmp_path, broken)
    path = tmp_path / inception.ASSET_FILE
    path.write_bytes(b"\xff" * 50)
    with pytest.raises(PipelineError, match="damaged or no TensorFlow graph"):
        Inception(path, expected_bytes=50)


def test_the_graph_is_looked_for_among_the_assets(tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_PIPELINE_ASSETS", str(tmp_path))
    assert inception.asset_path() is None
    path = write(tmp_path, made_graph())
    assert inception.asset_path() == path


def test_evaluate_measures_fid_where_the_graph_is(
    cli, drawn, asked_weights, assets, tmp_path, monkeypatch
):
    call = ["evaluate", "--checkpoint", asked_weights, "--data", drawn, "-n", 8]
    path = write(tmp_path, made_graph())
    refused = cli(*call, "--inception", path)
    assert refused.code == 1 and "95,673,916 bytes" in refused.stderr
    missing = cli(*call, "--inception", tmp_path / "nowhere.pb")
    assert missing.code == 1 and "nowhere.pb" in missing.stderr

    made = partial(Inception, expected_bytes=path.stat().st_size)
    monkeypatch.setattr(inception, "Inception", made)
    document = cli(*call, "--inception", path, "--json").json
    found = next(figure for figure in document["figures"] if figure["name"] == "FID")
    assert found["value"] > 0 < found["best"] and found["n"] == 8
    assert "sha256" in document["facts"]["FID"]
    page = (tmp_path / "outputs" / "evaluation" / "evaluation.html").read_text()
    assert "<td>FID</td>" in page
    other = cli(*call)
    assert other.code == 2 and "(FID differ)" in other.stderr
