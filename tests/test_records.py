"""Pictures as columns say what objects said, and take a small part of the room."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anime_pipeline.data.characters import Colors
from anime_pipeline.data.records import Builder, Record, Records, as_records

RGB = st.tuples(*[st.integers(0, 255)] * 3)
NAMES = st.text("ab ä.\udcff", min_size=1, max_size=5).map(lambda name: f"x{name}.png")
RECORDS = st.lists(
    st.builds(
        Record,
        st.builds(Path, st.sampled_from(["", "a", "/b/c", "d\udce4"]), NAMES),
        st.none() | st.builds(Colors, RGB, RGB),
        st.none() | st.frozensets(st.sampled_from(["Hat", "Male", "blue_eyes"])),
    ),
    max_size=12,
)


@given(RECORDS)
def test_columns_give_back_the_objects(objects):
    records = as_records(objects)
    assert list(records) == objects == records and len(records) == len(objects)
    assert [records[row] for row in range(-len(objects), 0)] == objects
    assert list(records.paths) == [each.path for each in objects]
    assert list(records.places()) == [str(each.path) for each in objects]
    assert records.has_colours.tolist() == [each.colors is not None for each in objects]
    assert records.has_tags.tolist() == [each.tags is not None for each in objects]
    for tag in ("Hat", "Male", "never seen"):
        assert records.has(tag).tolist() == [tag in (each.tags or ()) for each in objects]
    assert records.all_tags() == frozenset().union(*(each.tags or () for each in objects))
    assert as_records(records) is records


@given(RECORDS, RECORDS, st.data())
def test_choices_and_joined_sets_are_those_of_lists(first, second, data):
    records = Records.joined([as_records(first), as_records(second)])
    objects = [*first, *second]
    assert records == objects
    rows = data.draw(st.lists(st.sampled_from(range(len(objects))))) if objects else []
    chosen = records.take(rows)
    assert chosen == [objects[row] for row in rows]
    assert chosen.has("Hat").tolist() == [records.has("Hat")[row] for row in rows]
    assert records[1::2] == objects[1::2]
    assert records.take(records.has_tags) == [each for each in objects if each.tags is not None]
    assert Records.joined([chosen, records]) == [*chosen, *objects]


def test_colours_are_given_to_some_rows_of_a_copy():
    before = as_records([Record(Path(f"{n}.png")) for n in range(3)])
    pink = Colors((229, 139, 177), (250, 240, 230))
    after = before.with_colours([2, 0], [pink, Colors((1, 2, 3), (4, 5, 6))])
    assert [each.colors for each in after] == [Colors((1, 2, 3), (4, 5, 6)), None, pink]
    assert not before.has_colours.any() and before.with_colours([], []) == before
    assert before != after and before != list(after) and before != "abc"


def test_a_picture_takes_few_bytes():
    count, pink = 20_000, Colors((229, 139, 177), (250, 240, 230))
    tracemalloc.start()
    builder = Builder()
    for number in range(count):
        tags = ("Hat", "Male")[: number % 3]
        builder.add(f"/faces/{number // 100:04d}", f"face_{number:08d}.png", pink, tags)
    records = builder.build()
    held = tracemalloc.get_traced_memory()[0]
    del builder
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / count < 80
    assert os.fspath(records.paths[12_345]) == "/faces/0123/face_00012345.png"
    assert np.flatnonzero(records.has("Male"))[:2].tolist() == [2, 5]
