"""A training step on several hosts as arithmetic: compute, sum of gradients, input; what waits?

Hosts compute their shares of a batch, then sum gradients around a ring (Patarasuk and Yuan,
"Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009): each sends
2 (n - 1) / n of them. Input arrays are prepared by a thread meanwhile. What overlaps of computing
and summing is left out, so a prediction is on the slow side.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """What lies between hosts.

    Attributes:
        bytes_per_second: What a host can send while it receives as much.
        latency_s: Of one sum, however small.
    """

    bytes_per_second: float
    latency_s: float


@dataclass(frozen=True)
class Step:
    """One step of a host's share.

    Attributes:
        compute_s: Seconds that the share takes to compute.
        summed_bytes: Gradients and whatever else hosts sum.
        sums: In how many sums.
        input_s: Seconds that a thread takes to prepare the share's arrays.
    """

    compute_s: float
    summed_bytes: float
    sums: int = 1
    input_s: float = 0.0


def sent_bytes(step: Step, hosts: int) -> float:
    """Return what each host sends in a step."""
    return step.summed_bytes * 2 * (hosts - 1) / hosts


def network_s(step: Step, hosts: int, network: Network) -> float:
    """Return the seconds that a step's sums take."""
    if hosts == 1:
        return 0.0
    waiting = step.sums * network.latency_s * (hosts - 1)
    return waiting + sent_bytes(step, hosts) / network.bytes_per_second


def step_s(step: Step, hosts: int, network: Network) -> float:
    """Return the seconds of a step: what is prepared meanwhile counts where it takes longer."""
    return max(step.compute_s + network_s(step, hosts, network), step.input_s)


def efficiency(step: Step, hosts: int, network: Network) -> float:
    """Return the share of `hosts` times one host's pictures a second that is reached."""
    return step_s(step, 1, network) / step_s(step, hosts, network)


def bottleneck(step: Step, hosts: int, network: Network) -> str:
    """Return what takes most of a step: compute, network or input."""
    if step.input_s > step.compute_s + network_s(step, hosts, network):
        return "input"
    return "network" if network_s(step, hosts, network) > step.compute_s else "compute"
