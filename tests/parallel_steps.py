"""Trains small networks for a few steps on 1, 2 or 4 devices, or as one of several hosts.

    python parallel_steps.py OUT JOBS [PORT HOSTS HOST | auto]

JOBS is JSON: a list of {"name", "stage", "devices", "permuted", "parts", "fields", "preset",
"steps"}. Host 0 saves every array of the last states and losses in one file, each under its job's
name. With JAX_ENABLE_X64=1 everything is computed in double precision.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from conftest import TINY_DCGAN, TINY_SRGAN  # noqa: E402

from anime_pipeline.core.checkpoint import flatten  # noqa: E402
from anime_pipeline.core.config import GROUP_SIZE  # noqa: E402
from anime_pipeline.training.parallel.hosts import joined  # noqa: E402
from anime_pipeline.training.request import Request  # noqa: E402

STEPS = 6
DOUBLE = os.environ.get("JAX_ENABLE_X64") == "1"


def in_double_precision():
    """Let everything that asks Keras for float32 get float64: only tests want that."""
    import keras
    from keras.src import backend  # there is no other way to its means and norms
    from keras.src.backend.common import dtypes

    class Wider(dict):
        def __missing__(self, dtype):
            return dtype

    wider = Wider(float32="float64")
    plain_init, plain_cast = keras.layers.Layer.__init__, keras.ops.cast

    def init(self, *positional, dtype=None, **named):
        wide = wider[dtype] if isinstance(dtype, str) else dtype
        plain_init(self, *positional, dtype=wide, **named)

    keras.layers.Layer.__init__ = init
    keras.ops.cast = lambda x, dtype: plain_cast(x, wider[dtype])
    plain_type = dtypes.result_type
    dtypes.result_type = backend.result_type = lambda *given: wider[plain_type(*given)]
    keras.config.set_floatx("float64")


def widened(tree):
    import keras

    def widen(leaf):
        return leaf.astype("float64") if leaf.dtype == "float32" else leaf

    return keras.tree.map_structure(widen, tree)


def make_task(stage, fields, preset=None):
    from anime_pipeline.data.conditions import parse_names, width
    from anime_pipeline.training.dcgan.task import DcganTask
    from anime_pipeline.training.srgan.task import SrganTask

    side = fields.get("image_size", 8)
    pictures = np.random.default_rng(0).integers(0, 256, (24, side, side, 3), dtype=np.uint8)
    if stage == "srgan":
        small = {"blocks": 1, "channels": 4, "batch_size": 8, "crop_size": 32}
        phases = {"fidelity_steps": STEPS // 2, "adversarial_steps": STEPS - STEPS // 2}
        larger = np.repeat(np.repeat(pictures, 32 // side, 1), 32 // side, 2)
        return SrganTask(replace(TINY_SRGAN, **small | phases | fields), larger)
    if preset:
        from anime_pipeline.core.presets import DCGAN_PRESETS

        config = replace(DCGAN_PRESETS[preset], precision="float32", **fields)
    else:
        small = {"image_size": side, "steps": STEPS, "r1_interval": 3}
        config = replace(TINY_DCGAN, **small | fields)
    columns = width(parse_names(config.condition))
    # Small, so that its guess does not drown all else.
    known = np.random.default_rng(1).normal(0, 0.3, (24, columns)).astype(np.float32)
    return DcganTask(config, pictures, known)


def permuted(inputs, axis):
    """Return a step's arrays with the batch in another order, its groups kept together."""
    import keras  # only once the hosts have joined

    def reorder(leaf):
        if np.ndim(leaf) <= axis:
            return leaf
        order = np.arange(leaf.shape[axis]).reshape(-1, GROUP_SIZE)[::-1, ::-1].reshape(-1)
        return np.take(leaf, order, axis)

    whole = ("shift",)
    return {k: v if k in whole else keras.tree.map_structure(reorder, v) for k, v in inputs.items()}


def train(job, hosts):
    task = make_task(job["stage"], job.get("fields", {}), job.get("preset"))
    steps = job.get("steps", STEPS)
    task.use(replace(hosts, devices=job.get("devices", 1)).mesh(), job.get("parts", 0))
    state, step, metrics = task.initial_state(), 0, []
    if DOUBLE:
        state = widened(state)
    size = task.steps_per_dispatch
    while step < steps:
        # One step alone, then rows of them: both ways to the device.
        count = size if step and step + size <= steps else 1
        inputs = [task.inputs(number) for number in range(step, step + count)]
        if job.get("permuted"):
            inputs = [permuted(each, task.batch_axis) for each in inputs]
        if DOUBLE:
            inputs = [widened(each) for each in inputs]
        state, metrics = task.advance(state, step, *inputs)
        task.agreed_to_stop(metrics)
        step += count
    losses = {f"losses|{name}": np.asarray(value) for name, value in metrics[-1].items()}
    arrays = flatten(state) | losses
    if DOUBLE:
        assert {str(array.dtype) for array in arrays.values()} == {"float64"}
    return arrays


def main():
    out, jobs, *place = sys.argv[1:]
    coordinator, count, own = (None, None, None)
    if place == ["auto"]:
        coordinator = "auto"
    elif place:
        coordinator, count, own = f"127.0.0.1:{place[0]}", int(place[1]), int(place[2])
    request = Request(["x"], coordinator=coordinator, num_hosts=count, host_id=own)
    with joined(request) as hosts:
        if DOUBLE:
            in_double_precision()
        found = {}
        for job in json.loads(jobs):
            arrays = train(job, hosts)
            found |= {f"{job['name']}:{key}": value for key, value in arrays.items()}
        if hosts.is_first:
            np.savez(out, **found)


if __name__ == "__main__":
    main()
