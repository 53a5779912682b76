"""A self-test of a few seconds: do the shipped weights make here what they made elsewhere?"""

import time

import cv2
import numpy as np

from anime_pipeline import FaceSpec, Pipeline
from anime_pipeline.core.config import SCALE
from anime_pipeline.data.degrade import degrade
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.metrics.psnr import psnr_rgb
from anime_pipeline.sample.drawing import draw_face

COUNT = 8
HR_PX = 128


def run_self_test() -> tuple[int, float, float]:
    """Draw, upscale and measure with the shipped weights.

    Returns:
        Grey levels by which a face differs alone and in a batch, at most 1; PSNR of `fidelity` over
        bicubic on drawn faces in dB, more than 0; faces a second of both stages together.
    """
    pipeline = Pipeline.load(upscaler="fidelity")
    specs = [FaceSpec(seed) for seed in range(COUNT)]
    pipeline(specs)
    begin = time.perf_counter()
    pipeline(specs)
    seconds = time.perf_counter() - begin
    size = pipeline.sizes[0]
    together = pipeline(specs, size).astype(int)
    difference = int(np.abs(together - pipeline(specs, size, batch_size=1)).max())
    return difference, _gain_over_bicubic(pipeline.upscaler), COUNT / seconds


def _gain_over_bicubic(upscaler: Upscaler) -> float:
    faces = [draw_face(seed, HR_PX).image for seed in range(COUNT)]
    lr_images = [degrade(face, SCALE, "area", np.random.default_rng(0)) for face in faces]
    ours = upscaler.upscale_batch(np.stack(lr_images))
    size = (HR_PX, HR_PX)
    bicubic = [cv2.resize(lr, size, interpolation=cv2.INTER_CUBIC) for lr in lr_images]
    gains = [
        psnr_rgb(hr, sr) - psnr_rgb(hr, other)
        for hr, sr, other in zip(faces, ours, bicubic, strict=True)
    ]
    return float(np.mean(gains))
