import numpy as np
import pytest

from anime_pipeline.models import vgg
from anime_pipeline.models.assets import VGG_FILE


def test_features_equal_keras_with_its_own_preprocessing(assets):
    import keras

    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    ours = vgg.load_vgg(["block1_conv2", "block3_conv3"])
    assert ours.source == "torch"
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    with np.load(assets / VGG_FILE, allow_pickle=False) as arrays:
        for layer in base.layers:
            if f"{layer.name}/kernel" in arrays:
                layer.set_weights([arrays[f"{layer.name}/kernel"], arrays[f"{layer.name}/bias"]])
    output = keras.Model(base.input, base.get_layer("block3_conv3").output)
    prepared = keras.applications.imagenet_utils.preprocess_input(
        (images + 1) * 127.5, mode="torch"
    )
    expected = np.asarray(output(prepared))
    np.testing.assert_allclose(np.asarray(ours.model(images)[1]), expected, rtol=1e-3, atol=1e-3)


def test_caffe_preprocessing_equals_keras():
    import keras

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, vgg._preprocess(image, "caffe"))
    pictures = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)
    expected = keras.applications.vgg16.preprocess_input((pictures + 1) * 127.5)
    np.testing.assert_allclose(np.asarray(model(pictures)), expected, atol=1e-3)


def test_a_failed_download_says_what_to_do(monkeypatch):
    def fail(**_):
        raise Exception("URL fetch failure")  # what Keras raises

    monkeypatch.delenv("ANIME_PIPELINE_ASSETS", raising=False)
    monkeypatch.setattr("keras.applications.VGG16", fail)
    with pytest.raises(vgg.CheckpointError, match="anime-pipeline models fetch FOLDER"):
        vgg.load_vgg(["block1_conv2"])


def test_no_run_begins_without_what_a_damaged_file_should_give(cli, drawn, tmp_path, monkeypatch):
    (tmp_path / vgg.VGG_FILE).write_bytes(b"PK")
    monkeypatch.setenv("ANIME_PIPELINE_ASSETS", str(tmp_path))
    monkeypatch.delenv("ANIME_PIPELINE_TRAIN_DCGAN_FEATURE_CRITIC")
    result = cli("train-dcgan", "--data", drawn, "--preset", "cpu", "--dry-run")
    assert result.code == 5 and "damaged or no VGG16 weights" in result.stderr
    assert "Restore the file" in result.stderr
