"""Where arrays lie on several devices: the rows of a batch divided among them, all else on each.

A jitted function means the same whatever its arguments' placement is (Xu et al., "GSPMD", 2021):
means, statistics and groups are those of the whole batch, and the compiler adds what the devices
must tell each other. So nothing but placement is written here. JAX only.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from anime_pipeline.core.config import GROUP_SIZE
from anime_pipeline.core.errors import UsageError

ROWS = "rows"


class Mesh:
    """The devices of a run in a row, those of a host side by side.

    Attributes:
        size: Devices in all.
        hosts: Processes that these belong to.
        everywhere: The placement of what each device holds whole.
    """

    def __init__(self, devices: int | None = None) -> None:
        """Take devices.

        Args:
            devices: How many of each host's; None takes all.

        Raises:
            UsageError: If a host has fewer, or hosts have different numbers of them.
        """
        self.hosts = jax.process_count()
        taken: list[Any] = []
        for host in range(self.hosts):
            own = [device for device in jax.devices() if device.process_index == host]
            count = len(own) if devices is None else devices
            if count > len(own):
                raise UsageError(
                    f"Expected at most {len(own)} devices on host {host}. Received: --devices "
                    f"{count}. JAX sees {', '.join(map(str, own))}."
                )
            taken += own[:count]
        if len(taken) % self.hosts or (devices is None and len(taken) != len(own) * self.hosts):
            raise UsageError(
                f"Expected hosts with equally many devices. Received: {len(taken)} on "
                f"{self.hosts} hosts. Give --devices, the number that each of them has."
            )
        self.size = len(taken)
        self._mesh = jax.sharding.Mesh(np.array(taken), (ROWS,))
        self.everywhere = NamedSharding(self._mesh, PartitionSpec())

    def own_rows(self, count: int) -> slice:
        """Return which of a batch's rows this host prepares.

        Raises:
            UsageError: If they cannot be divided evenly.
        """
        if count % self.size:
            fits = math.lcm(self.size, GROUP_SIZE)
            raise UsageError(
                f"Expected a batch that {self.size} devices can share evenly. Received: {count}. "
                f"Give --batch-size {-(-count // fits) * fits}, or fewer --devices."
            )
        share, host = count // self.hosts, jax.process_index()
        return slice(host * share, (host + 1) * share)

    def divided(self, array: np.ndarray, axis: int) -> Any:
        """Place this host's rows of an array whose `axis` counts the batch."""
        spec = PartitionSpec(*[None] * axis, ROWS)
        return jax.make_array_from_process_local_data(NamedSharding(self._mesh, spec), array)

    def whole(self, tree: Any) -> Any:
        """Place arrays, equal on all hosts, on each device."""
        return jax.tree.map(
            lambda leaf: jax.make_array_from_process_local_data(
                self.everywhere, np.asarray(leaf), np.shape(leaf)
            ),
            tree,
        )


def local(tree: Any) -> Any:
    """Return arrays that every device holds as this host's own, for what other hosts don't do."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
