from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anime_pipeline.core import randomness
from anime_pipeline.core.randomness import MAX_SEED, batch_indices, latents, stream


@given(st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=8), st.integers(1, 40))
def test_a_seed_is_the_same_latent_in_every_batch(seeds, dim):
    together = latents(seeds, dim)
    alone = np.concatenate([latents([seed], dim) for seed in seeds])
    assert together.dtype == np.float32
    assert np.array_equal(together, alone)


def test_streams_are_independent_of_each_other():
    draws = {
        stream(seed, name, index).integers(0, 2**62)
        for seed in range(5)
        for name in ("a", "b")
        for index in range(5)
    }
    assert len(draws) == 50


def test_latents_are_pinned_forever():
    # A change here changes every face that anyone has noted the seed of.
    expected = [-1.0502640, 0.0886023, -1.0368830]
    assert latents([7], 3)[0] == pytest.approx(expected, abs=1e-6)


def test_distributions_have_their_moments():
    normal = latents(range(500), 64)
    uniform = latents(range(500), 64, "uniform")
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02
    assert uniform.min() >= -1 and uniform.max() < 1 and abs(uniform.std() - 3**-0.5) < 0.02


@given(st.integers(1, 50), st.integers(1, 17), st.integers(0, 1000))
def test_every_picture_is_seen_once_an_epoch(count, batch, seed):
    steps = -(-count * 2 // batch)
    order = np.concatenate([batch_indices(seed, step, batch, count) for step in range(steps)])
    for epoch in range(2):
        assert sorted(order[epoch * count : (epoch + 1) * count]) == list(range(count))


def drawn_anew(seed, step, batch, count):
    """A batch from permutations that nobody keeps."""
    epochs = range(step * batch // count, ((step + 1) * batch - 1) // count + 1)
    orders = [stream(seed, "order", epoch).permutation(count) for epoch in epochs]
    begin = step * batch - epochs[0] * count
    return np.concatenate(orders)[begin : begin + batch]


@given(st.integers(1, 50), st.integers(1, 17), st.integers(0, 3), st.integers(0, 40))
def test_batches_are_those_of_permutations_drawn_anew(count, batch, seed, step):
    found = batch_indices(seed, step, batch, count)
    assert found.dtype == np.int64
    assert np.array_equal(found, drawn_anew(seed, step, batch, count))


def test_batches_are_pinned_forever():
    # A change here makes a resumed run another one.
    assert batch_indices(7, 3, 6, 10).tolist() == [6, 7, 2, 1, 4, 8]


def test_an_epoch_is_drawn_once_and_few_are_kept(monkeypatch):
    drawn = []

    def counted(seed, name, index=0):
        drawn.append(index)
        return stream(seed, name, index)

    randomness._order.cache_clear()
    monkeypatch.setattr(randomness, "stream", counted)
    for step in range(10):
        for count in (50, 70):  # as a step of the faces phase takes them
            batch_indices(0, step, 13, count)
    assert drawn == [0, 0, 1, 1, 2], "of the first set three epochs, of the second two"
    for step in range(100):
        batch_indices(0, step, 13, 50)
    assert randomness._order.cache_info().currsize <= 4
    with pytest.raises(ValueError, match="read-only"):
        randomness._order(0, 0, 50)[0] = 1


def test_threads_get_the_same_batches():
    asked = [(seed, step, 7, 40) for step in range(40) for seed in range(3)]
    randomness._order.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: batch_indices(*one), asked))
    assert all(
        np.array_equal(rows, drawn_anew(*one)) for rows, one in zip(found, asked, strict=True)
    )


@pytest.mark.parametrize("seed,index", [(-1, 0), (0, -1), (MAX_SEED + 1, 0)])
def test_out_of_range_seeds_are_refused(seed, index):
    with pytest.raises(ValueError, match="Received"):
        stream(seed, "x", index)
