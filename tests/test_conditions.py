from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.presets import AUTO
from anime_pipeline.data import conditions
from anime_pipeline.data.characters import Colors, read_tag_csv
from anime_pipeline.data.dataset import Record, open_dataset
from anime_pipeline.data.words import WORDS

NAMES = ("hair", "Hat", "skin")
PINK = Colors((229, 139, 177), (250, 240, 230))


def record(colors=None, tags=None):
    return Record(Path("a.png"), colors, None if tags is None else frozenset(tags))


@given(arrays(np.uint8, (5, 3)))
@pytest.mark.parametrize("part", ["hair", "skin"])
def test_colours_survive_encoding(part, rgb):
    encoded = conditions.encode_colour(part, rgb)
    assert encoded.shape == (5, 4) and (encoded[:, 3] == 1).all()
    np.testing.assert_allclose(conditions.decode_colour(part, encoded), rgb, atol=1)


def test_a_usual_colour_is_near_zero():
    assert np.abs(conditions.encode_colour("hair", np.array(PINK.hair))[:3]).max() < 2
    assert np.abs(conditions.encode_colour("skin", np.array(PINK.skin))[:3]).max() < 2


def test_unknown_is_zero_and_tags_are_signs():
    rows = conditions.of_records(
        NAMES, [record(PINK, {"Hat"}), record(None, ()), record(PINK, None)]
    )
    assert rows.shape == (3, 9) == (3, conditions.width(NAMES))
    assert rows[:, 4].tolist() == [1, -1, 0]
    assert (rows[1, :4] == 0).all() and (rows[1, 5:] == 0).all()
    np.testing.assert_array_equal(rows[0, :4], rows[2, :4])
    hair = conditions.decode_colour("hair", rows[0, conditions.columns(NAMES, "hair")])
    np.testing.assert_allclose(hair, PINK.hair, atol=1)


def test_only_known_values_are_to_be_shown():
    rows = conditions.of_records(NAMES, [record(PINK, {"Hat"}), record(None, None)])
    known = conditions.known_values(NAMES, rows)
    assert known[0].tolist() == [1, 1, 1, 0, 1, 1, 1, 1, 0] and not known[1].any()


@given(st.integers(0, 2**40), st.integers(0, 10**6))
def test_perturbing_keeps_the_unknown_and_depends_on_seed_and_step(seed, step):
    rows = conditions.of_records(NAMES, [record(PINK, {"Hat"}), record(None, None)] * 20)
    before = rows.copy()
    result = conditions.perturb(NAMES, rows, seed, step)
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(result, conditions.perturb(NAMES, rows, seed, step))
    assert not result[1::2].any()
    flags = result[0::2, 3]
    assert set(np.unique(flags)) <= {0.0, 1.0}
    assert (result[0::2, :3][flags == 0] == 0).all()
    assert np.abs(result[0::2, :3][flags == 1] - before[0, :3]).max(initial=0) < 6 * 0.1


def test_some_names_are_dropped_and_most_are_not():
    rows = conditions.of_records(NAMES, [record(PINK, {"Hat"})] * 2000)
    dropped = (conditions.perturb(NAMES, rows, 0, 0)[:, 3] == 0).mean()
    assert dropped == pytest.approx(conditions.DROPPED, abs=0.03)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=8))
def test_a_seed_draws_the_same_row_in_any_company(seeds):
    table = np.random.default_rng(0).standard_normal((50, 9)).astype(np.float32)
    together = conditions.draw(seeds, table)
    for seed, row in zip(seeds, together, strict=True):
        np.testing.assert_array_equal(conditions.draw([seed], table)[0], row)
        assert (table == row).all(axis=1).any()


def test_the_table_holds_known_rows_as_they_will_be_shipped():
    rows = conditions.of_records(NAMES, [record(PINK, {"Hat"}), record(None, None)] * 4000)
    table = conditions.table_of(rows, seed=0)
    assert table.shape == (4000, 9) and len(conditions.table_of(np.ones((9000, 9)), 0)) == 4096
    np.testing.assert_array_equal(table, table.astype(np.float16).astype(np.float32))


def test_wishes_replace_their_part_alone():
    rows = np.random.default_rng(0).standard_normal((3, 9)).astype(np.float32)
    made = conditions.fulfil(NAMES, rows, {"hair": (10, 200, 30), "Hat": False})
    np.testing.assert_array_equal(made[:, 5:], rows[:, 5:])
    assert (made[:, 4] == -1).all()
    np.testing.assert_allclose(conditions.decode_colour("hair", made[1, :4]), (10, 200, 30), atol=1)
    with pytest.raises(UsageError, match="eyes.*hair, Hat, skin"):
        conditions.fulfil(NAMES, rows, {"eyes": (0, 0, 255)})


def test_the_condition_is_what_the_pictures_know():
    known = [record(PINK, {"Hat"}), record(PINK, ())]
    assert conditions.resolve(AUTO, known) == "hair,skin"
    assert conditions.resolve(AUTO, [*known, record(), record(), record()]) == ""
    assert conditions.resolve("Hat, hair", known) == "Hat,hair"
    assert conditions.resolve("", known) == ""
    with pytest.raises(UsageError, match="anything about Glasses.*Hat, hair, skin"):
        conditions.resolve("Glasses", known)
    with pytest.raises(UsageError, match="annotate"):
        conditions.resolve("hair", [record()])
    for text in ("hair,hair", "a b", "h;"):
        with pytest.raises(UsageError, match="--condition"):
            conditions.parse_names(text)


def test_tags_are_words_with_their_kind(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("file,hair,eyes\n a.png ,pink, blue \nb.png,,red\n", encoding="utf-8-sig")
    tags, problems = read_tag_csv(path)
    assert not problems
    assert tags == {"a.png": {"pink_hair", "blue_eyes"}, "b.png": {"red_eyes"}}
    path.write_text("name,hair\na.png,pink\n")
    assert "column file missing" in read_tag_csv(path)[1][0]
    path.write_bytes(b"file,hair\n\xff\xfe\n")
    assert "not a table of tags" in read_tag_csv(path)[1][0]


def test_tags_of_both_layouts_reach_the_records(drawn, tmp_path):
    source = sorted(next(p for p in drawn.iterdir() if p.is_dir()).glob("*.png"))[:2]
    folder = tmp_path / "000_group"
    folder.mkdir()
    for index, path in enumerate(source):
        (folder / f"{index}.png").write_bytes(path.read_bytes())
    (folder / "tags.csv").write_text("file,hair\n0.png,pink\n")
    records = open_dataset(tmp_path).records
    assert [record.tags for record in records] == [{"pink_hair"}, None]
    celeba = tmp_path / "celeba"
    (celeba / "img_align_celeba").mkdir(parents=True)
    (celeba / "img_align_celeba" / "000001.jpg").write_bytes(source[0].read_bytes())
    frame = pd.DataFrame({"Blond_Hair": [1], "Hat": [-1]}, index=["000001.jpg"])
    frame.to_csv(celeba / "list_attr_celeba.csv")
    assert [record.tags for record in open_dataset(celeba).records] == [{"Blond_Hair"}]


WORDED = ("eyes", "hair", "length")
TAGGED = [
    record(PINK, {"blue_eyes", "long_hair", "long_length"}),
    record(None, {"red_eyes", "blue_eyes"}),  # two words are none
    record(None, {"short_length"}),
    record(),
]


@pytest.mark.parametrize(
    ("name", "tags", "word"),
    [
        ("eyes", {"blue_eyes", "pink_hair"}, "blue"),
        ("eyes", {"blue_eyes", "red_eyes"}, None),
        ("eyes", {"plaid_eyes"}, None),
        ("length", {"short_length"}, "short"),
        ("length", set(), None),
        ("length", None, None),
    ],
)
def test_a_word_is_known_where_tags_give_just_one(name, tags, word):
    found = conditions.word_of(name, None if tags is None else frozenset(tags))
    assert (None if found is None else WORDS[name][found]) == word


def test_words_are_columns_of_their_own():
    rows = conditions.of_records(WORDED, TAGGED)
    assert rows.shape == (4, conditions.width(WORDED)) == (4, 11 + 4 + 2)
    eyes, length = (rows[:, conditions.columns(WORDED, name)] for name in ("eyes", "length"))
    assert eyes.sum(axis=1).tolist() == [conditions.WORD, 0, 0, 0]
    assert eyes[0, WORDS["eyes"].index("blue")] == conditions.WORD
    assert length.tolist() == [[conditions.WORD, 0], [0, 0], [0, conditions.WORD], [0, 0]]
    assert [conditions.words_asked(WORDED, row) for row in rows] == [
        {"eyes": "blue", "length": "long"}, {}, {"length": "short"}, {},
    ]  # fmt: skip
    assert conditions.without_tags(("Hat", *WORDED)) == ("hair", "eyes", "length")


def test_all_of_a_known_word_is_to_be_shown():
    names = ("hair", "skin", "eyes")  # as shipped: what stands before a word is left as it is
    both = conditions.known_values(names, conditions.of_records(names, TAGGED[:1]))
    assert both[0].tolist() == [1, 1, 1, 0] * 2 + [1] * 11
    known = conditions.known_values(WORDED, conditions.of_records(WORDED, TAGGED))
    assert known[0].tolist() == [1] * 11 + [1, 1, 1, 0] + [1] * 2
    assert known[2].tolist() == [0] * 15 + [1, 1] and not known[1].any()


@given(st.integers(0, 2**40), st.integers(0, 10**6))
def test_perturbing_drops_a_word_whole_and_leaves_it_be_otherwise(seed, step):
    rows = conditions.of_records(WORDED, TAGGED * 10)
    result = conditions.perturb(WORDED, rows, seed, step)
    for name in ("eyes", "length"):
        before, after = (each[:, conditions.columns(WORDED, name)] for each in (rows, result))
        same, none = (after == before).all(axis=1), (after == 0).all(axis=1)
        assert (same | none).all()


@given(st.sampled_from(WORDS["eyes"]), st.sampled_from(WORDS["length"]))
def test_words_are_wished_for_by_name(eyes, length):
    rows = conditions.of_records(WORDED, TAGGED)
    made = conditions.fulfil(WORDED, rows, {"eyes": eyes, "length": length})
    asked = [conditions.words_asked(WORDED, row) for row in made]
    assert asked == [{"eyes": eyes, "length": length}] * 4
    place = conditions.columns(WORDED, "hair")
    np.testing.assert_array_equal(made[:, place], rows[:, place])


def test_a_wish_for_another_word_lists_those_there_are():
    rows = conditions.of_records(WORDED, TAGGED)
    with pytest.raises(UsageError, match="plaid.*aqua, black.*yellow"):
        conditions.fulfil(WORDED, rows, {"eyes": "plaid"})
    with pytest.raises(UsageError, match="length.*these weights know only eyes, hair"):
        conditions.fulfil(("eyes", "hair"), rows[:, :15], {"length": "long"})


def test_words_that_few_pictures_have_are_no_condition_by_themselves():
    many = [record(PINK, {"blue_eyes"})] * 2 + [record(PINK, {"long_length"})] + [record(PINK)] * 9
    assert conditions.resolve(AUTO, many) == "hair,skin,eyes"
    assert conditions.resolve("eyes,length", many) == "eyes,length"
    assert conditions.resolve(AUTO, many[:2]) == "hair,skin,eyes"
    with pytest.raises(UsageError, match="anything about length.*eyes, hair, skin"):
        conditions.resolve("length", many[:2])
