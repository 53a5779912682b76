"""One of several hosts that train a single number, for tests of how they stop and are lost.

    python small_hosts.py FOLDER ADDRESS HOSTS HOST STEPS LOST_AFTER_S

Everything but the networks is a run's own: meeting, placement, the loop, checkpoints, signals.
"""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from anime_pipeline.core import checkpoint
from anime_pipeline.core.errors import PipelineError
from anime_pipeline.training.parallel import peers
from anime_pipeline.training.parallel.hosts import joined
from anime_pipeline.training.request import Request

BATCH = 4


def make_task(steps, mesh):
    from anime_pipeline.training.gan.task import Task

    class Small(Task):
        """Its state is a number, and what a step adds depends on the whole batch."""

        stage = "dcgan"
        networks = ()

        def __init__(self):
            self.config = SimpleNamespace(
                batch_size=BATCH, steps=steps, steps_per_dispatch=1, evaluate_every=steps
            )
            self.images = range(BATCH)
            self.use(mesh)

        def make_step(self, form):
            def step(state, inputs):
                grown = state["sum"] * 0.999 + inputs["rows"].mean() ** 2
                return {"sum": grown}, {"loss": grown}

            return step

        def form(self, step):
            return False

        def inputs(self, step):
            time.sleep(0.02)
            rows = np.random.default_rng(step).normal(size=BATCH).astype(np.float32)
            return {"rows": rows[self.own_rows(BATCH)]}

        def schedules(self, config):
            return frozenset()

        def seen(self, step):
            return {}

    return Small()


def main():
    folder, address = Path(sys.argv[1]), sys.argv[2]
    count, own, steps, lost_s = map(int, sys.argv[3:])
    peers.LOST_AFTER_S = lost_s
    alone = {} if count == 1 else {"num_hosts": count, "host_id": own}
    coordinator = address if alone else None
    with joined(Request(["none"], coordinator=coordinator, **alone)) as hosts:
        from anime_pipeline.training import loop
        from anime_pipeline.training.callbacks.common import Checkpoints

        task = make_task(steps, hosts.mesh())
        start, state = 0, {"sum": np.float32(0)}
        if hosts.is_first and checkpoint.steps_in(folder / "state"):
            start, arrays = checkpoint.load_latest(folder / "state", print)
            state = checkpoint.rebuild(arrays, state)
        start = hosts.decided(lambda: start)
        state = task.placed(hosts.shared(state))
        callback = Checkpoints(5, 3) if hosts.is_first else loop.Callback()
        loop.run(task, state, start, folder, [callback])


try:
    main()
except PipelineError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
