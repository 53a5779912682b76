"""A site on WebGPU, which the processor plays here: the same faces, slowly."""

import base64

import numpy as np
import pytest
from browser import chromium
from static_host import hosted
from test_browser_site import FETCH, apart
from web import decoded

from anime_pipeline import FaceSpec, Pipeline
from anime_pipeline.inference.export import WITHIN_ONE

pytest_plugins = ["ort_web"]

ADAPTER = "return Boolean(await navigator.gpu?.requestAdapter());"

SEEDS = (0, 11)


@pytest.mark.slow
def test_faces_on_a_gpu_are_those_of_the_command_line(shipped_site, tmp_path):
    folder, _ = shipped_site
    with hosted(folder.parent) as host, chromium(tmp_path / "profile", gpu=True) as driver:
        driver.get(f"{host.url}/{folder.name}/upscale.html")  # draws nothing by itself
        if not driver.execute_script(ADAPTER):
            pytest.skip("this Chromium has no SwiftShader for WebGPU")
        icon = driver.find_element("css selector", "link[rel=icon]").get_property("href")
        local = icon.replace("favicon.svg", "local.js")
        asked = [[FaceSpec(seed).query, size] for size in (32, 128) for seed in SEEDS]
        found = [
            decoded(base64.b64decode(each)) for each in driver.execute_script(FETCH, local, asked)
        ]
        said = [line["message"] for line in driver.get_log("browser")]
    shipped = Pipeline.load()
    specs = [FaceSpec(seed) for seed in SEEDS]
    small, large = found[: len(SEEDS)], found[len(SEEDS) :]
    assert any(path.startswith(f"/{folder.name}/") and "webgpu" in path for path in host.sent)
    assert apart(small, shipped(specs, 32))[0] <= 1
    assert apart(large, shipped.upscaler.upscale_batch(np.stack(small)))[0] <= 1
    assert apart(large, shipped(specs, 128))[1] <= 1 - WITHIN_ONE
    assert not said
