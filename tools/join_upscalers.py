"""Teach one upscaler the faces of a second and the lines of a third, on what stage one draws.

    python tools/join_upscalers.py --faces faces.npz --lines perceptual.npz --pack PACK --out OUT

The second corrects faces where its critic looked, at twice their drawn size; beyond that size it
draws what nobody checked. The third draws clean lines. What the first learns is a picture whose
coarse half is the second's and whose fine half the third's; of real pictures, the third's alone.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops
from packing import read_large, read_manifest, read_whole

from anime_pipeline.core.config import SrganConfig
from anime_pipeline.core.randomness import batch_indices, stream
from anime_pipeline.data.degrade import degrade, parse_mixture
from anime_pipeline.models import backend
from anime_pipeline.models.adam import adam, adam_slots
from anime_pipeline.models.network import Network
from anime_pipeline.models.precision import best_precision
from anime_pipeline.models.ranges import lr_to_model
from anime_pipeline.models.resizing import resized, resizing
from anime_pipeline.models.srgan import build_generator
from anime_pipeline.models.weights import (
    DCGAN_KIND,
    SRGAN_KIND,
    Weights,
    assign,
    load_weights,
    save_weights,
)
from anime_pipeline.models.zoo import find_weights
from anime_pipeline.training.gan.state import average
from anime_pipeline.training.srgan.pool import draw_pool

MIXTURE = parse_mixture("bicubic:6,area:2,drawn:2")
EMA = 0.99


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--lines", type=Path, required=True)
    parser.add_argument("--pack", type=Path, required=True, help="see train_shipped.py")
    parser.add_argument("--out", type=Path, required=True, help="the weights file to write")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--drawn", type=int, default=12, help="drawn faces of a step")
    parser.add_argument("--real", type=int, default=4, help="real pictures of a step")
    parser.add_argument("--rate", type=float, default=2e-4)
    given = parser.parse_args()

    lines = load_weights(given.lines, SRGAN_KIND)
    network, learner = _network(lines)
    _, parts = _network(load_weights(given.faces, SRGAN_KIND))
    fixed = {"lines": learner, "parts": parts}
    side = SrganConfig().faces_px
    coarse = resizing(side, 128) @ resizing(128, side)

    def upscaled(params, images):
        return network(params, {}, images, False)[0]

    def step(state, inputs):
        drawn, real = lr_to_model(inputs["drawn"]), lr_to_model(inputs["real"])
        images = ops.concatenate([drawn, real])
        fine = upscaled(state["fixed"]["lines"], images)
        other = upscaled(state["fixed"]["parts"], drawn)
        joined = fine[: given.drawn] + resized(other - fine[: given.drawn], coarse)
        target = ops.stop_gradient(ops.concatenate([joined, fine[given.drawn :]]))

        def loss(params):
            return ops.mean(ops.abs(upscaled(params, images) - target)), None

        (value, _), gradients = backend.value_and_grad(loss)(state["params"])
        params, slots = adam(
            state["params"], gradients, state["slots"], inputs["count"], inputs["rate"], 0.9, 0.99
        )
        ema = average(state["ema"], params, inputs["ema"])
        return {**state, "params": params, "slots": slots, "ema": ema}, value

    step = backend.jit(step)
    state = {"params": learner, "slots": adam_slots(learner), "ema": learner, "fixed": fixed}
    whole, images = read_whole(given.pack), read_large(given.pack)["train"]
    names = read_manifest(given.pack)["whole"]["condition"]
    generator = load_weights(find_weights("dcgan", DCGAN_KIND), DCGAN_KIND)
    drawn = draw_pool(whole.images, whole.condition, names, generator, rounds=1).drawn[0]
    begin, seconds, count = time.monotonic(), 60 * given.minutes, 0
    while (share := (time.monotonic() - begin) / seconds) < 1:
        inputs = {
            "drawn": drawn[batch_indices(0, count, given.drawn, len(drawn))],
            "real": _reduced(images, count, given.real),
            "count": np.float32(count + 1),
            "rate": np.float32(given.rate * (0.5 + 0.5 * math.cos(math.pi * share))),
            "ema": np.float32(min(EMA, count / (count + 10))),
        }
        state, value = step(state, inputs)
        count += 1
        if count % 20 == 0:
            print(f"{share:.0%} step {count}: {float(value):.5f}", flush=True)
    facts = {"phase": "faces", "step": count, "init_sha256": lines.sha256}
    save_weights(given.out, backend.to_numpy(state["ema"]), SRGAN_KIND, lines.config, facts)


def _network(weights: Weights) -> tuple[Network, dict[str, object]]:
    config = weights.read_config(SrganConfig)
    config = SrganConfig(**{**vars(config), "precision": best_precision()})
    model: keras.Model = build_generator(config)
    assign(model, weights)
    network = Network(model)
    return network, network.initial_state()["params"]


def _reduced(images: np.ndarray, step: int, count: int) -> np.ndarray:
    generator = stream(0, "joined", step)
    rows = generator.integers(len(images), size=count)
    names, shares = zip(*MIXTURE, strict=True)
    chosen = generator.choice(len(names), size=count, p=shares)
    return np.stack(
        [
            degrade(images[row], 4, names[kind], generator)
            for row, kind in zip(rows, chosen, strict=True)
        ]
    )


if __name__ == "__main__":
    main()
