"""Several steps in one call to the device: how they are divided, and that nothing else changes."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import JAX, spawn
from hypothesis import given
from hypothesis import strategies as st

from anime_pipeline.training.loop import dispatches, ends_epoch


@dataclass
class Plan:
    total_steps: int
    steps_per_epoch: int
    steps_per_dispatch: int
    interval: int = 4
    evaluate_every: int = 100

    def form(self, step):
        return step % self.interval == 0


plans = st.builds(
    Plan,
    st.integers(1, 400),
    st.integers(1, 150),
    st.integers(1, 20),
    st.integers(1, 24),
    st.integers(1, 200),
)


@given(plans)
def test_every_step_is_done_once_and_in_order(plan):
    done = [step for steps in dispatches(plan, 0, plan.total_steps) for step in steps]
    assert done == list(range(plan.total_steps))


@given(plans)
def test_steps_in_one_call_are_of_one_form_and_no_look_falls_between(plan):
    for steps in dispatches(plan, 0, plan.total_steps):
        assert len({plan.form(step) for step in steps}) == 1
        assert len(steps) <= plan.steps_per_dispatch
        for step in steps[:-1]:
            assert not ends_epoch(
                step + 1, plan.steps_per_epoch, plan.total_steps, plan.evaluate_every
            )


@given(plans, st.data())
def test_a_resumed_run_makes_the_same_calls(plan, data):
    whole = list(dispatches(plan, 0, plan.total_steps))
    begun = data.draw(st.sampled_from(whole)).start
    assert list(dispatches(plan, begun, plan.total_steps)) == [s for s in whole if s.start >= begun]


def test_a_lazy_penalty_leaves_two_compiled_forms():
    lengths = {len(steps) for steps in dispatches(Plan(1600, 100_000, 16, interval=16), 0, 1584)}
    assert lengths == {1, 15}


# In a process of its own: the backend is chosen when Keras is first imported.
SCANNED = """
import json, sys
from dataclasses import replace
import numpy as np
sys.path.insert(0, sys.argv[1])
from conftest import TINY_DCGAN, TINY_SRGAN
from pathlib import Path
from anime_pipeline.core.checkpoint import flatten
from anime_pipeline.models import backend
from anime_pipeline.training import loop
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.srgan.task import SrganTask

class Record(loop.Callback):
    def __init__(self):
        self.states, self.losses = {}, []
    def after_step(self, progress):
        self.losses.append(progress.metrics)
        if progress.is_current:
            self.states[progress.step] = backend.to_numpy(progress.state)

def train(task, start=0, state=None):
    record = Record()
    state = task.initial_state() if state is None else backend.to_device(state)
    loop.run(task, state, start, Path("."), [record])
    return record

images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
large = np.repeat(np.repeat(images, 2, 1), 2, 2)
result = {}
for name, make in (
    ("dcgan", lambda k: DcganTask(replace(TINY_DCGAN, steps_per_dispatch=k), images)),
    ("srgan", lambda k: SrganTask(replace(TINY_SRGAN, steps_per_dispatch=k), large)),
):
    task = make(4)  # one for both: it is compiled once
    plain, scanned = train(make(1)), train(task)
    middle = sorted(scanned.states)[1]
    again = train(task, middle, scanned.states[middle])
    last, resumed = (flatten(r.states[12]) for r in (scanned, again))
    plainly = flatten(plain.states[12])
    result[name] = {
        "whole_states": sorted(scanned.states),
        "losses": [plain.losses, scanned.losses],
        "farthest": max(float(np.abs(plainly[key] - last[key]).max()) for key in last),
        "resumed_equal": all(np.array_equal(value, resumed[key]) for key, value in last.items()),
    }
print(json.dumps(result))
"""


@pytest.mark.slow  # compiling on JAX takes half a minute; the default is one step a call
def test_steps_in_one_scan_train_as_single_steps_do():
    pytest.importorskip("jax")
    process = spawn("-c", SCANNED, Path(__file__).parent, **JAX)
    assert process.returncode == 0, process.stderr[-2000:]
    result = json.loads(process.stdout)
    # Every fourth step of stage one has the penalty; stage two changes phase after six.
    assert result["dcgan"]["whole_states"] == [1, 4, 5, 8, 9, 12]
    assert result["srgan"]["whole_states"] == [4, 6, 8, 12]
    for found in result.values():
        assert found["farthest"] < 1e-3
        assert found["resumed_equal"]
        for one, other in zip(*found["losses"], strict=True):
            # Two players double small differences of rounding, step by step.
            assert one == pytest.approx(other, rel=1e-2, abs=1e-3)
