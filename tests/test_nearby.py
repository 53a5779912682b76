"""Near-duplicates of very large sets: an index finds the candidates, the check is the same."""

from types import SimpleNamespace

import numpy as np
import pytest

from anime_pipeline.data import duplicates, nearby
from anime_pipeline.data.duplicates import near_duplicate_groups, repeated
from anime_pipeline.training.pictures import pictures_fingerprint


@pytest.fixture
def thumbnails():
    """Six hundred unlike pictures, then copies of the first ninety: noisier, tinted, mirrored."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 256, (600, 4, 4, 3)).repeat(4, 1).repeat(4, 2)
    copies = cells[:90] + rng.normal(0, 4, (90, 16, 16, 3))
    copies[30:60] += 6
    copies[60:] = copies[60:, :, ::-1]
    return np.clip(np.concatenate([cells, copies]), 0, 255).astype(np.uint8)


def test_the_index_finds_what_comparing_all_finds(thumbnails):
    pytest.importorskip("faiss")
    said = []
    exact = near_duplicate_groups(thumbnails, indexed=False)
    found = near_duplicate_groups(thumbnails, lambda *now: said.append(now), indexed=True)
    assert said[-1] == (690, 690)
    assert [group.tolist() for group in repeated(exact)] == [[n, 600 + n] for n in range(90)]
    assert [group.tolist() for group in repeated(found)] == [[n, 600 + n] for n in range(90)]


def test_only_very_large_sets_are_indexed_and_only_where_it_is_installed(thumbnails, monkeypatch):
    used = []

    class Index(duplicates._Candidates):
        def __init__(self, *arguments):
            used.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(nearby, "Nearby", Index)
    monkeypatch.setattr(nearby, "has_index", lambda: True)
    near_duplicate_groups(thumbnails)
    assert not used
    monkeypatch.setattr(nearby, "BEYOND", 600)
    near_duplicate_groups(thumbnails)
    assert len(used) == 1
    monkeypatch.setattr(nearby, "has_index", lambda: False)
    near_duplicate_groups(thumbnails)
    assert len(used) == 1


def test_a_very_large_set_is_resumed_on_the_same_division_only(thumbnails, monkeypatch, tmp_path):
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path))
    store = SimpleNamespace(hashes=np.arange(len(thumbnails)), thumbnails=thumbnails)
    usual = pictures_fingerprint(store)
    monkeypatch.setattr(nearby, "BEYOND", 600)
    monkeypatch.setattr(nearby, "has_index", lambda: False)
    large = pictures_fingerprint(store)
    assert large != usual and large == pictures_fingerprint(store)
    (path,) = tmp_path.glob("groups-*")
    path.unlink()
    monkeypatch.setattr(
        duplicates, "near_duplicate_groups", lambda *_: np.arange(len(thumbnails), dtype=np.int32)
    )
    assert pictures_fingerprint(store) != large
