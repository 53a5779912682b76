"""The arithmetic of a step on several hosts: limits that need no machine to be checked."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from step_model import Network, Step, bottleneck, efficiency, sent_bytes, step_s  # noqa: E402

positive = st.floats(1e-6, 1e3)
steps = st.builds(
    Step, positive, st.floats(0, 1e12, allow_subnormal=False), st.integers(1, 50), st.floats(0, 1e3)
)
networks = st.builds(Network, st.floats(1e3, 1e12), st.floats(0, 0.1))


@given(steps, networks, st.integers(2, 500))
def test_more_hosts_never_make_a_step_faster_nor_send_twice_the_gradients(step, network, hosts):
    assert 0 < efficiency(step, hosts, network) <= 1
    assert step_s(step, hosts, network) <= step_s(step, hosts + 1, network)
    assert sent_bytes(step, hosts) < 2 * step.summed_bytes or not step.summed_bytes


def test_two_hosts_send_the_gradients_once():
    network = Network(bytes_per_second=1e8, latency_s=0.001)
    step = Step(compute_s=1.0, summed_bytes=2e7, sums=5)
    assert sent_bytes(step, 2) == 2e7
    assert step_s(step, 2, network) == pytest.approx(1.0 + 0.2 + 0.005)
    assert step_s(step, 1, network) == 1.0


def test_what_takes_longest_is_named():
    network = Network(1e8, 0.0)
    assert bottleneck(Step(1.0, 1e7), 4, network) == "compute"
    assert bottleneck(Step(0.1, 1e8), 4, network) == "network"
    assert bottleneck(Step(0.1, 1e7, input_s=2.0), 4, network) == "input"
