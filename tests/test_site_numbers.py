"""What a site's scripts compute is what this program computes: by Node.js, against NumPy."""

import hashlib

import numpy as np
import pytest
from node import node
from PIL import Image

from anime_pipeline.core.randomness import latents, stream
from anime_pipeline.data import conditions
from anime_pipeline.images.colour_names import named_colours
from anime_pipeline.images.transparency import split_alpha
from anime_pipeline.inference.latents import neighbour, walk
from anime_pipeline.inference.spec import as_hex
from anime_pipeline.site.networks import pack

SEEDS = [*range(5000), *(each * 922_337_203_685_477 % 2**63 for each in range(5000))]
DIM = 128
LATENTS = """
import { Stream, draw } from "site/random.js";
const [seeds, dim, rows] = given;
const found = new Float32Array(seeds.length * dim);
seeds.forEach((seed, i) => found.set(draw(seed, "latent", 0, dim, "normal"), i * dim));
writeFileSync("latents", found);
writeFileSync("rows", Uint32Array.from(seeds, (seed) => new Stream(seed, "condition").below(rows)));
writeFileSync("uniform", draw("7", "variation", 12, dim, "uniform"));
"""


def test_ten_thousand_latents_are_numpys_to_the_last_bit(tmp_path):
    count = 3977  # no power of two: some numbers are drawn again
    node(LATENTS, [list(map(str, SEEDS)), DIM, count], folder=tmp_path)
    found = np.fromfile(tmp_path / "latents", np.uint32)
    expected = latents(SEEDS, DIM)
    assert (np.abs(expected) > 3.66).sum() > 100, "the tail of the ziggurat is among them"
    np.testing.assert_array_equal(found, expected.view(np.uint32).ravel())
    rows = [int(stream(seed, "condition").integers(count)) for seed in SEEDS]
    np.testing.assert_array_equal(np.fromfile(tmp_path / "rows", np.uint32), rows)
    uniform = stream(7, "variation", 12).random(DIM, dtype=np.float32) * 2 - 1
    np.testing.assert_array_equal(np.fromfile(tmp_path / "uniform", np.float32), uniform)


@pytest.mark.parametrize("text", ["", "a", "latent\0" + "9" * 19, "x" * 55, "y" * 56, "ü" * 100])
def test_sha256(text, tmp_path):
    script = (
        'import { sha256 } from "site/sha256.js";'
        "const bytes = new Uint8Array(sha256(given).buffer);"
        "console.log(JSON.stringify([...bytes]));"
    )
    found = node(script, text, folder=tmp_path)
    assert bytes(found) == hashlib.sha256(text.encode()).digest()


FACE = {"seed": "41", "hair": "", "skin": "", "eyes": "", "length": ""}
PLAIN = {"truncation": 1, "realism": 1, "variation": 0, "strength": 0, "model": "", "weights": ""}
ASKED = [
    {},
    {"hair": "pink", "length": "long"},
    {"hair": "#3366cc", "skin": "tan", "eyes": "blue"},
    {"skin": "#000000", "hair": "#ffffff"},
]
CONDITIONS = """
import { askedBy, conditionOf } from "site/condition.js";
const { faces, parts, table, rows, colours } = given;
const known = { parts, table: Float32Array.from(table), rows };
const found = faces.map((face) => conditionOf(face, known, colours));
console.log(JSON.stringify(found.map((one) => [[...one], askedBy(one, parts)])));
"""


def test_conditions_and_what_they_ask_for(tmp_path):
    from anime_pipeline.core.config import DcganConfig
    from anime_pipeline.inference.export_usage import condition_parts

    config = DcganConfig(condition="hair,skin,eyes,length")
    names = conditions.parse_names(config.condition)
    random = np.random.default_rng(3)
    table = random.standard_normal((50, conditions.width(names))).astype(np.float16)
    table[:, 7] = 0  # nothing is known of the skin
    table = table.astype(np.float32)
    colours = {
        part: {name: as_hex(rgb) for name, rgb in named_colours(part).items()}
        for part in ("hair", "skin")
    }
    faces = [FACE | PLAIN | asked for asked in ASKED]
    given = {"faces": faces, "parts": condition_parts(config), "table": table.ravel().tolist()}
    given |= {"rows": len(table), "colours": colours}
    found = node(CONDITIONS, given, folder=tmp_path)
    for asked, (values, _) in zip(ASKED, found, strict=True):
        known = {
            name: tuple(bytes.fromhex(colours[name].get(value, value)[1:]))
            if name in colours
            else value
            for name, value in asked.items()
        }
        drawn = conditions.fulfil(names, conditions.draw([41], table), known)[0]
        np.testing.assert_allclose(np.float32(values), drawn, atol=1e-5)
    assert found[2][1] == {"hair": "#3366cc", "skin": colours["skin"]["tan"], "eyes": "blue"} | {
        name: word for name, word in found[2][1].items() if name == "length"
    }
    assert "skin" not in found[0][1]


JOURNEY = """
import { latentOf, walk } from "site/latent.js";
const face = given;
const near = latentOf(face, 128, "normal");
const plain = { ...face, strength: 0, truncation: 1 };
const ends = ["1", "2"].map((seed) => latentOf({ ...plain, seed }, 128, "normal"));
const legs = [true, false].map((loop) => walk(ends, 5, loop, loop).map((one) => [...one]));
console.log(JSON.stringify([[...near], ...legs]));
"""


def test_neighbours_truncation_and_the_way_between_faces(tmp_path):
    face = FACE | PLAIN | {"variation": 3, "strength": 0.35, "truncation": 0.7}
    near, sphere, straight = node(JOURNEY, face, folder=tmp_path)
    expected = neighbour(latents([41], DIM)[0], 41, 3, 0.35, "normal") * np.float32(0.7)
    np.testing.assert_array_equal(np.float32(near), expected)
    ends = list(latents([1, 2], DIM))
    np.testing.assert_allclose(sphere, walk(ends, 5, True, True), atol=2e-6)
    np.testing.assert_allclose(straight, walk(ends, 5, False, False), atol=2e-6)


HALVES = """
import { gunzipSync } from "node:zlib";
import { join, mix, widen } from "site/halves.js";
const unpack = (name, base) => join(new Uint8Array(gunzipSync(read(name))), base);
const first = unpack("first");
const [second, third] = ["second", "third"].map((name) => unpack(name, first));
writeFileSync("wide", widen(unpack("all")));
writeFileSync("mixed", mix(first, [[second, 0.35], [third, 0.8]]));
writeFileSync("whole", mix(first, [[second, 1], [first, 0.5]]));
"""


def test_arrays_in_half_precision_and_their_mixtures(tmp_path):
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)]
    random = np.random.default_rng(4)
    first = random.standard_normal(1000).astype(np.float16)
    first[:2] = 0.0, -0.0
    second = (first + 0.01 * random.standard_normal(1000)).astype(np.float16)
    third = np.where(np.arange(1000) % 2, -first, first)
    (tmp_path / "all").write_bytes(pack(every))
    (tmp_path / "first").write_bytes(pack(first))
    (tmp_path / "second").write_bytes(pack(second, first))
    (tmp_path / "third").write_bytes(pack(third, first))
    node(HALVES, None, folder=tmp_path)
    wide = np.fromfile(tmp_path / "wide", np.uint32)
    np.testing.assert_array_equal(wide, every.astype(np.float32).view(np.uint32))
    one, two, three = (array.astype(np.float32) for array in (first, second, third))
    mixed = one + 0.35 * (two - one)
    mixed = mixed + 0.8 * (three - one)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "mixed", np.float32), mixed)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "whole", np.float32), two)


PICTURES = """
import { resize } from "site/resize.js";
import { splitAlpha } from "site/transparency.js";
import { writePng } from "site/png.js";
const rgb = { width: 37, height: 23, channels: 3, data: read("rgb") };
[[19, 12], [111, 69], [74, 46]].forEach(([width, height], i) =>
  writeFileSync(`resized${i}`, resize(rgb, width, height).data));
const rgba = { width: 31, height: 23, channels: 4, data: read("rgba") };
const { rgb: colours, alpha } = splitAlpha(rgba);
writeFileSync("colours", colours.data);
writeFileSync("alpha", alpha.data);
writeFileSync("rgba.png", Buffer.from(await (await writePng(rgba, { seed: "7" })).arrayBuffer()));
"""


def test_pictures_are_resized_divided_and_written(tmp_path):
    random = np.random.default_rng(5)
    rgb = random.integers(0, 256, (23, 37, 3), np.uint8)
    rgba = random.integers(0, 256, (23, 31, 4), np.uint8)
    rgba[..., 3] = np.where(random.random((23, 31)) < 0.5, 0, rgba[..., 3])
    rgba[:6, :9, 3] = 0
    (tmp_path / "rgb").write_bytes(rgb.tobytes())
    (tmp_path / "rgba").write_bytes(rgba.tobytes())
    node(PICTURES, None, folder=tmp_path)
    for index, size in enumerate([(19, 12), (111, 69), (74, 46)]):
        across = Image.fromarray(rgb).resize((size[0], 23), Image.Resampling.BICUBIC)
        expected = np.asarray(across.resize(size, Image.Resampling.BICUBIC))
        found = np.fromfile(tmp_path / f"resized{index}", np.uint8)
        np.testing.assert_array_equal(found, expected.ravel())
    colours, alpha = split_alpha(rgba)
    found = np.fromfile(tmp_path / "colours", np.uint8).astype(int)
    assert np.abs(found - colours.ravel()).max() <= 1
    np.testing.assert_array_equal(np.fromfile(tmp_path / "alpha", np.uint8), alpha.ravel())
    with Image.open(tmp_path / "rgba.png") as written:
        np.testing.assert_array_equal(np.asarray(written), rgba)
        assert written.text == {"seed": "7"}


FILM = """
import { writeGif } from "site/gif.js";
const all = read("frames");
const [width, height, channels] = [48, 40, 3];
const size = width * height * channels;
const frames = [0, 1, 2].map((i) =>
  ({ width, height, channels, data: all.slice(i * size, (i + 1) * size) }));
writeFileSync("film.gif", Buffer.from(await writeGif(frames, 12).arrayBuffer()));
"""


def test_a_film_is_a_gif_of_nearly_the_same_colours(tmp_path):
    y, x = np.mgrid[0:40, 0:48]
    frames = np.stack(
        [np.dstack([x * 5, y * 6, (x + y + 20 * i) * 2]).astype(np.uint8) for i in range(3)]
    )
    (tmp_path / "frames").write_bytes(frames.tobytes())
    node(FILM, None, folder=tmp_path)
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (3, (48, 40), 0)
        assert film.info["duration"] == 80
        for index, frame in enumerate(frames):
            film.seek(index)
            apart = np.abs(np.asarray(film.convert("RGB")).astype(int) - frame)
            assert apart.mean() < 8 and apart.max() < 64
