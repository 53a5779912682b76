import json

import pytest

from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.core.storage import sha256_of
from anime_pipeline.models import zoo
from anime_pipeline.models.weights import load_weights, save_weights


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A pretrained folder with one weights file."""
    path = tmp_path / "pretrained" / "tiny.npz"
    save_weights(path, {}, "dcgan-generator", {}, {})
    entry = {"file": "tiny.npz", "kind": "dcgan-generator", "sha256": sha256_of(path)}
    (path.parent / zoo.MANIFEST).write_text(json.dumps({"weights": {"tiny": entry}}))
    monkeypatch.setattr(zoo, "pretrained_folder", lambda: path.parent)
    return path


def test_shipped_weights_are_found_by_name_and_kind(package):
    assert zoo.find_weights("tiny", "dcgan-generator") == package
    with pytest.raises(CheckpointError, match="shipped name \\(none\\)"):
        zoo.find_weights("tiny", "srgan-generator")


def test_damaged_or_missing_shipped_weights_are_refused(package):
    content = package.read_bytes()
    package.write_bytes(content + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        zoo.find_weights("tiny", "dcgan-generator")
    package.unlink()
    with pytest.raises(CheckpointError, match="Install the package again"):
        zoo.find_weights("tiny", "dcgan-generator")


def test_run_folders_give_the_preferred_file(tmp_path):
    with pytest.raises(CheckpointError, match="finished epoch"):
        zoo.find_weights(str(tmp_path), "srgan-generator")
    for name in ("fidelity", "perceptual"):
        (tmp_path / f"{name}.npz").touch()
    assert zoo.find_weights(str(tmp_path), "srgan-generator").stem == "fidelity"
    found = zoo.find_weights(str(tmp_path), "srgan-generator", prefer="perceptual")
    assert found.stem == "perceptual"


def test_the_package_ships_its_weights_and_their_card():
    assert set(zoo.shipped()) == {"dcgan", "fidelity", "perceptual", "faces", "denoise"}
    card = (zoo.pretrained_folder() / "MODEL_CARD.md").read_text()
    for entry in zoo.shipped().values():
        assert entry["sha256"][:16] in card, "the card must name the weights that it describes"


@pytest.mark.parametrize("name", sorted(zoo.shipped()))
def test_every_shipped_file_is_whole_small_and_finite(name):
    import numpy as np

    entry = zoo.shipped()[name]
    path = zoo.find_weights(name, entry["kind"])
    weights = load_weights(path, entry["kind"])
    assert path.stat().st_size < 20e6
    assert all(np.isfinite(array).all() for array in weights.arrays.values())
