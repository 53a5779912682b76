"""The size at which the critic sees pictures follows from a timing, made once and told."""

from dataclasses import replace

import pytest
from conftest import TINY_CALL, TINY_DCGAN

from anime_pipeline.training.dcgan import start
from anime_pipeline.training.dcgan.start import LARGE_PX, WORTHWHILE_AN_HOUR, choose_feature_px

CONFIG = replace(TINY_DCGAN, feature_critic=True)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_fast_machine_looks_closer_and_is_timed_once(cache, monkeypatch):
    timed = []
    seconds = {"float32": 3600 / WORTHWHILE_AN_HOUR * 1.01, "bfloat16": 0.001}
    monkeypatch.setattr(
        start, "_seconds_per_picture", lambda c: timed.append(c) or seconds[c.precision]
    )
    for _ in range(2):
        side, an_hour = choose_feature_px(CONFIG)
        assert side == 0 and an_hour == pytest.approx(WORTHWHILE_AN_HOUR / 1.01)
        assert choose_feature_px(replace(CONFIG, precision="bfloat16"))[0] == LARGE_PX
    assert [config.feature_px for config in timed] == [LARGE_PX] * 2


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', "EDITED"])
def test_what_was_edited_is_measured_anew(cache, monkeypatch, text):
    monkeypatch.setattr(start, "_seconds_per_picture", lambda _: 0.001)
    choose_feature_px(CONFIG)
    path = cache / "critic.json"
    path.write_text(path.read_text().replace("0.001", "-1") if text == "EDITED" else text)
    assert choose_feature_px(CONFIG) == (LARGE_PX, pytest.approx(3_600_000))


@pytest.mark.usefixtures("assets", "untimed")
def test_training_says_what_it_found_unless_told(cli, drawn, cache, monkeypatch):
    monkeypatch.setenv("ANIME_PIPELINE_TRAIN_DCGAN_FEATURE_CRITIC", "yes")
    call = [*TINY_CALL, "--data", drawn, "--steps", 2, "--dry-run", "--json"]
    found = cli(*call)
    assert found.code == 0 and "The critic sees pictures at" in found.stderr
    side = found.json["config"]["feature_px"]
    assert side in (0, LARGE_PX) and (cache / "critic.json").is_file()
    for told in (["--set", "feature_px=32"], ["--preset", "cpu"], ["--no-feature-critic"]):
        assert "The critic sees" not in cli(*call, *told).stderr
