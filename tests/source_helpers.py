"""What tests of stores and tars share: making a tar, comparing sets."""

import io
import tarfile

import numpy as np

from anime_pipeline.data.entry import Wanted
from anime_pipeline.data.store import split_store

SIZE = 16
WANTED = Wanted(SIZE, "crop", 1)


def colours_of(record):
    names = ("hair_r", "hair_g", "hair_b", "skin_r", "skin_g", "skin_b")
    return dict(zip(names, (*record.colors.hair, *record.colors.skin), strict=True))


def add(tar, name, content, **values):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in values.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


def assert_same(store, other):
    for name in ("images", "thumbnails", "hashes", "sizes"):
        assert np.array_equal(getattr(store, name), getattr(other, name)), name
    assert [r.colors for r in store.records] == [r.colors for r in other.records]
    assert [r.tags for r in store.records] == [r.tags for r in other.records]
    ours, theirs = split_store(store), split_store(other)
    assert all(np.array_equal(getattr(ours, s), getattr(theirs, s)) for s in vars(theirs))
