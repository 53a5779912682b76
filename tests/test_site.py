"""`export --to site`: what the folder holds, what is refused, and what stays."""

import dataclasses
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import onnxruntime
import pytest
from conftest import TINY_SRGAN
from test_export import stored

from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.models import srgan
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, load_weights
from anime_pipeline.site import pages, runtime
from anime_pipeline.site.networks import ARRAYS, Networks

MOST_BYTES = 70_000_000
MOST_FIRST_VISIT = {"wasm": 24_000_000, "webgpu": 28_000_000}


pytest_plugins = ["ort_web"]


class Links(HTMLParser):
    """Collects what a page loads and leads to."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src", "action") and value and not value.startswith("#"):
                self.found.append(value)


def test_without_the_runtime_the_command_says_how_to_get_it(cli, tmp_path):
    done = cli("export", "--to", "site", "--out", "site")
    assert done.code == 2
    said = " ".join(done.stderr.split())
    assert f"npm pack onnxruntime-web@{runtime.VERSION}" in said and "--runtime package" in said
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (None, "no unpacked npm package of onnxruntime-web"),
        ("[]", "no unpacked npm package"),
        ('{"name": "onnxruntime-web", "version": "1.0.0"}', "holds onnxruntime-web 1.0.0"),
        ('{"name": "left-pad", "version": "1.30.0"}', "holds left-pad 1.30.0"),
        (f'{{"name": "onnxruntime-web", "version": "{runtime.VERSION}"}}', "is missing or not"),
    ],
)
def test_another_package_is_refused(cli, tmp_path, document, words):
    (tmp_path / "package").mkdir()
    if document is not None:
        (tmp_path / "package/package.json").write_text(document)
    done = cli("export", "--to", "site", "--out", "site", "--runtime", "package")
    assert done.code == 1 and words in " ".join(done.stderr.split())


@pytest.mark.parametrize("other", [["--to", "onnx"], ["--part", "upscaler"], ["--realism", "0.5"]])
def test_what_belongs_to_other_forms_is_refused(cli, other):
    done = cli("export", "--to", "site", *other)
    assert done.code == 2 and "visitors choose the realism" in " ".join(done.stderr.split())


def test_the_folder_is_small_enough(shipped_site):
    _, said = shipped_site
    assert said["bytes"] == sum(said["files"].values()) <= MOST_BYTES
    print({k: f"{v / 1e6:.1f} MB" for k, v in said["first_visit"].items()})
    for kind, most in MOST_FIRST_VISIT.items():
        assert said["first_visit"][kind] <= most


def test_all_links_lead_to_files_of_the_folder(shipped_site):
    folder, _ = shipped_site
    for page in map(pages.file_name, pages.PAGES):
        links = Links()
        links.feed((folder / page).read_text())
        assert len(links.found) > 10
        for link in links.found:
            assert not re.match(r"[a-z]+:|/", link), f"{page}: {link} leads elsewhere"
            path = link.partition("?")[0]
            assert (folder / (path.removeprefix("./") or "index.html")).is_file(), f"{page}: {link}"
    manifest = json.loads((folder / "manifest.webmanifest").read_text())
    assert (folder / manifest["icons"][0]["src"]).is_file()


def test_every_file_is_the_one_that_the_description_names(shipped_site):
    folder, _ = shipped_site
    document = json.loads((folder / "site.json").read_text())
    generator, upscaler = document["generator"], document["upscaler"]
    named = [generator["graph"], generator["arrays"], generator["table"], upscaler["graph"]]
    named += upscaler["arrays"].values()
    for each in named:
        content = (folder / each["file"]).read_bytes()
        assert len(content) == each["bytes"]
        assert hashlib.sha256(content).hexdigest() == each["sha256"]
    packed = [each for each in named if each["file"].endswith(runtime.PACKED)]
    packed += [kind["program"] for kind in document["runtime"].values()]
    for each in packed:
        content = gzip.decompress((folder / each["file"]).read_bytes())
        assert len(content) == each["unpacked"]
    kept = {each["file"].removesuffix(runtime.PACKED) for each in packed}
    [facts, *_] = (folder / "service_worker.js").read_text().splitlines()
    large = json.loads(facts.removeprefix("const SITE = ").removesuffix(";"))["large"]
    assert kept < set(large), "or they are not kept as they are used"
    assert {path.name for path in (folder / "networks").iterdir()} == {
        each["file"].rpartition("/")[2] for each in named
    }
    assert len(upscaler["arrays"]) == 4 and upscaler["denoise"] in upscaler["arrays"]


def unpacked(path):
    planes = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
    high, low = planes.reshape(2, -1).astype(np.uint16)
    return (high << 8 | low).view(np.float16)


def test_the_graph_and_its_arrays_draw_this_programs_faces(shipped_site, tmp_path):
    folder, _ = shipped_site
    generator = json.loads((folder / "site.json").read_text())["generator"]
    arrays = unpacked(folder / generator["arrays"]["file"])
    assert len(arrays) == generator["count"]
    (tmp_path / ARRAYS).write_bytes(arrays.astype(np.float32).tobytes())
    graph = tmp_path / "graph.onnx"
    graph.write_bytes((folder / generator["graph"]["file"]).read_bytes())
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    from anime_pipeline.models.zoo import find_weights

    ours = FaceGenerator.load(find_weights("dcgan", DCGAN_KIND))
    seeds = range(4)
    latent, condition = ours.latents(seeds), ours.condition(seeds)
    (found,) = session.run(None, {"latent": latent, "condition": condition})
    assert np.abs(found.astype(int) - ours.draw(latent, condition)).max() <= 1
    table = unpacked(folder / generator["table"]["file"]).reshape(generator["rows"], -1)
    np.testing.assert_array_equal(table.astype(np.float32), ours._table)


def test_upscalers_that_cannot_be_mixed_in_a_browser_are_not_offered(asked_weights, tmp_path):
    """A normalisation that is folded into a convolution is no straight line between weights."""
    config = dataclasses.replace(TINY_SRGAN, architecture="reference", channels=64)
    one = stored(srgan, config, SRGAN_KIND, tmp_path / "one.npz")
    moved = {name: array + 0.1 * np.sign(array) for name, array in one.arrays.items()}
    other = dataclasses.replace(one, arrays=moved, sha256="other")
    pair = ("a", "b")
    generator = load_weights(asked_weights, DCGAN_KIND)
    networks = Networks(generator, dict(zip(pair, (one, other), strict=True)), pair, pair, None, "")
    found = networks.that_browsers_mix()
    assert (found.drawn, found.pictures) == (("b", "b"), ("a", "a"))
    whole = dataclasses.replace(networks, upscalers={"a": one, "b": one})
    assert whole.that_browsers_mix().drawn == pair


def test_ones_own_weights_and_title(cli, asked_weights, package, tmp_path):
    call = ["export", "--to", "site", "--out", "site", "--runtime", package]
    done = cli(*call, "--checkpoint", asked_weights, "--upscaler", "perceptual", "--title", "A & B")
    assert done.code == 0 and "python -m http.server --directory site" in done.stderr, done.stderr
    page = (tmp_path / "site/index.html").read_text()
    assert "<span>A &amp; B</span>" in page
    assert 'id="realism"' in (tmp_path / "site/studio.html").read_text()
    document = json.loads((tmp_path / "site/site.json").read_text())
    assert document["generator"]["sha256"] == load_weights(asked_weights, DCGAN_KIND).sha256
    first = set((tmp_path / "site/networks").iterdir())
    refused = cli(*call)  # the shipped weights
    assert refused.code == 2 and "a site of other weights" in refused.stderr
    assert cli(*call, "--upscaler", "perceptual", "--overwrite").code == 0
    later = set((tmp_path / "site/networks").iterdir())
    assert {path.name.partition("-")[0] for path in first - later} == {"generator", "conditions"}
    assert {path.name.partition("-")[0] for path in first & later} >= {"upscaler0"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other/diary.txt").write_text("mine")
    call[4] = "other"
    refused = cli(*call)
    assert refused.code == 2 and "other files" in refused.stderr
