"""Stage one on two processes of one thread each against one, and on paper on many hosts.

    KERAS_BACKEND=jax python benchmarks/parallel_training.py            # measures, some minutes
    KERAS_BACKEND=jax python benchmarks/parallel_training.py --plan     # calculates

The first wants two cores that nobody else uses. It compares with twice one process's pictures a
second, the batch of each kept, with what two processes reach that know nothing of each other, and
with what `step_model` predicts; where less than 85% is reached
it prints what the processes tell each other. The second takes the speed of a core from the first's
result or from --gflops; all it prints is calculated, not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from common import machine_facts, machine_line
from step_model import Network, Step, bottleneck, efficiency, sent_bytes, step_s

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.presets import DCGAN_PRESETS
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.training.parallel.hosts import joined
from anime_pipeline.training.parallel.peers import free_port
from anime_pipeline.training.request import Request

WORTHWHILE = 0.85
FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
COLLECTIVE = re.compile(
    r"= (.*?) (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\("
)
SHAPE = re.compile(r"(?:f|s|u|bf|pred)(\d*)\[([\d,]*)\]")


def main() -> None:
    """Measure, or calculate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", action="store_true", help="calculate instead of measuring")
    parser.add_argument("--preset", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--no-feature-critic", action="store_true")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--gflops", type=float, help="of a core, for --plan")
    parser.add_argument("--passes", type=int, default=30, help="over the set, for --plan")
    parser.add_argument("--core-hour", type=float, default=0.04, help="its price, for --plan")
    parser.add_argument("--cores", type=int, default=8, help="of a host, for --plan")
    parser.add_argument("--gbit", type=float, default=1.0, help="of the network, for --plan")
    parser.add_argument("--out", type=Path, default=Path("outputs/parallel_training.json"))
    parser.add_argument("--child", nargs=4, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments, *arguments.child)))
    elif arguments.plan:
        plan(arguments)
    else:
        measure(arguments)


def config_of(arguments: argparse.Namespace, size: int) -> DcganConfig:
    """Return what is trained: a preset at a size, in float32, which all machines have."""
    preset = DCGAN_PRESETS[arguments.preset]
    seen = preset.feature_critic and not arguments.no_feature_critic
    feature_px = max(preset.feature_px, size) if preset.feature_px else 0
    return replace(
        preset, image_size=size, feature_critic=seen, feature_px=feature_px, precision="float32"
    )


def make_task(config: DcganConfig) -> Any:
    """Build the networks on pictures of noise."""
    from anime_pipeline.training.dcgan.task import DcganTask

    side = config.image_size
    pictures = np.random.default_rng(0).integers(0, 256, (512, side, side, 3), dtype=np.uint8)
    return DcganTask(replace(config, condition=""), pictures)


def measure(arguments: argparse.Namespace) -> None:
    """Time one process alone and two together, and compare with the prediction."""
    facts = machine_facts()
    print(machine_line(facts))
    cores = sorted(os.sched_getaffinity(0))[:2]
    (alone,) = run(arguments, 1, cores)
    apart = run(arguments, 2, cores, together=False)
    both = run(arguments, 2, cores)
    batch = config_of(arguments, arguments.size).batch_size
    one, two = batch / alone["step_s"], 2 * batch / max(each["step_s"] for each in both)
    network = Network(both[0]["bytes_per_second"], both[0]["latency_s"])
    step = Step(alone["step_s"], both[0]["summed_bytes"], both[0]["sums"], input_s=alone["input_s"])
    predicted = 2 * batch / step_s(step, 2, network)
    print(f"one process   {one:8.1f} pictures/s, {alone['gflops']:.1f} GFLOP/s")
    beside = sum(batch / each["step_s"] for each in apart)
    print(f"two, apart    {beside:8.1f} pictures/s, {beside / one / 2:.0%} of twice one")
    print(f"two, together {two:8.1f} pictures/s, {two / one / 2:.0%} of twice one")
    print(f"predicted     {predicted:8.1f} pictures/s, {predicted / one / 2:.0%}")
    if two < 2 * WORTHWHILE * one:
        print("What the processes tell each other in a step, by kind: number and bytes")
        print(json.dumps(both[0]["collectives"], indent=2))
    rows = {
        "alone": alone,
        "apart": apart,
        "both": both,
        "predicted_pictures_per_second": predicted,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_json(arguments.out, {"facts": facts, **rows})


def run(
    arguments: argparse.Namespace, count: int, cores: list[int], together: bool = True
) -> list[dict[str, Any]]:
    """Run a number of processes, each on a core of its own, to their ends.

    Without `together` each trains alone, so that they share nothing but the machine's memory.
    """
    port = free_port()
    options = ["--preset", arguments.preset, "--size", arguments.size, "--steps", arguments.steps]
    options += ["--no-feature-critic"] if arguments.no_feature_critic else []
    processes = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, __file__, *map(str, options)]
            + ["--child", *map(str, (host, count if together else 1, port, cores[host]))],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": FLAGS},
        )
        for host in range(count)
    ]
    found = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit("A process has failed, see above.")
    return [json.loads(text.splitlines()[-1]) for text in found]


def child(
    arguments: argparse.Namespace, host: int, count: int, port: int, core: int
) -> dict[str, Any]:
    """Time steps as one of `count` hosts; with two, the network between them too."""
    os.sched_setaffinity(0, {core})
    place = {"coordinator": f"127.0.0.1:{port}", "num_hosts": count, "host_id": host}
    with joined(Request(["none"], **place if count > 1 else {})) as hosts:
        config = config_of(arguments, arguments.size)
        task = make_task(replace(config, batch_size=count * config.batch_size))
        task.use(hosts.mesh())
        begin = time.perf_counter()
        inputs = [task.inputs(step) for step in range(1, arguments.steps + 2)]
        input_s = (time.perf_counter() - begin) / len(inputs)
        state, seconds = task.initial_state(), []
        # Step 1 has no penalty, and none of those here: lazy ones are a sixteenth of all.
        for each in inputs:
            begin = time.perf_counter()
            state, metrics = task.advance(state, 1, each)
            [float(value) for value in metrics[0].values()]
            seconds.append(time.perf_counter() - begin)
        step = median(seconds[1:])  # the first compiles
        flops = step_flops(make_task(config))
        result = {"step_s": step, "input_s": input_s, "gflops": flops / step / 1e9}
        return result | (between(task, state, inputs[0]) if count > 1 else {})


def step_flops(task: Any) -> float:
    """Return the operations of a step without penalties, as the compiler counts them."""
    import jax

    step = jax.jit(task.make_step(False))
    return float(step.lower(task.initial_state(), task.inputs(1)).cost_analysis()["flops"])


def between(task: Any, state: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what two processes exchange in a step, and how fast sums between them are."""
    import keras

    gradients = [state[player]["params"] for player in ("generator", "discriminator")]
    summed = sum(leaf.nbytes for leaf in keras.tree.flatten(gradients))
    stop = {"stop": np.zeros((1, 1), np.float32)}
    placed = task._divided({**inputs, **stop}, task.batch_axis)
    text = task._steps[False]._one.lower(state, placed).compile().as_text()
    kinds: dict[str, Counter[str]] = {}
    for shapes, kind in COLLECTIVE.findall(text):
        kinds.setdefault(kind, Counter()).update(number=1, bytes=int(bytes_of(shapes)))
    small, large = (sum_s(task.mesh, count) for count in (1, summed // 4))
    return {
        "summed_bytes": summed,
        "sums": sum(kind["number"] for kind in kinds.values()),
        "latency_s": small,
        "bytes_per_second": summed / max(large - small, 1e-9),
        "collectives": kinds,
    }


def bytes_of(shapes: str) -> float:
    """Return the size of an operation's results, such as ``(f32[4,3], s32[])``."""
    return sum(
        np.prod([int(side) for side in sides.split(",") if side]) * int(bits or 8) / 8
        for bits, sides in SHAPE.findall(shapes)
    )


def sum_s(mesh: Any, count: int, rounds: int = 9) -> float:
    """Return the median seconds that hosts take to sum `count` numbers each."""
    import jax

    def timed(call: Callable[[], Any]) -> float:
        begin = time.perf_counter()
        call().block_until_ready()
        return time.perf_counter() - begin

    add = jax.jit(lambda x: x.sum(axis=0), out_shardings=mesh.everywhere)
    rows = mesh.divided(np.ones((mesh.size // mesh.hosts, count), np.float32), 0)
    timed(lambda: add(rows))
    return median(timed(lambda: add(rows)) for _ in range(rounds))


def plan(arguments: argparse.Namespace) -> None:
    """Calculate what large sets would take; nothing here is measured but a core's speed."""
    gflops = arguments.gflops
    if gflops is None:
        if not arguments.out.is_file():
            sys.exit(f"Give --gflops of a core, or measure first: there is no {arguments.out}.")
        gflops = json.loads(arguments.out.read_text())["alone"]["gflops"]
    network = Network(arguments.gbit * 1e9 / 8, 0.0002)
    print(f"Calculated for {gflops:.1f} GFLOP/s a core, {arguments.cores} cores a host, ", end="")
    print(f"{arguments.gbit:g} Gbit/s, {arguments.passes} passes, {arguments.core_hour:g} an hour")
    print("px  MFLOP/picture  pictures/s/core  MB sent/step  faces      core-days   price  hosts:")
    for size in (32, 64, 128):
        config = config_of(arguments, size)
        task = make_task(config)
        state = task.initial_state()
        weights = sum(
            leaf.nbytes
            for player in ("generator", "discriminator")
            for leaf in state[player]["params"].values()
        )
        flops = step_flops(task) / config.batch_size
        rate = gflops * 1e9 / flops
        step = Step(config.batch_size / (rate * arguments.cores), weights, sums=20)
        for faces in (300_000, 3_000_000):
            days = faces * arguments.passes / rate / 86_400
            reached = {
                hosts: f"{days / arguments.cores / hosts / efficiency(step, hosts, network):.2g} d "
                f"({efficiency(step, hosts, network):.0%}, {bottleneck(step, hosts, network)})"
                for hosts in (1, 4, 16)
            }
            print(
                f"{size:<4}{flops / 1e6:11.0f}{rate:17.1f}{sent_bytes(step, 16) / 1e6:14.1f}  "
                f"{faces:<10,}{days:10.1f}{days * 24 * arguments.core_hour:8.0f}  {reached}"
            )


if __name__ == "__main__":
    main()
