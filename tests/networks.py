"""Hosts with networks of their own on one machine: Linux network namespaces on a bridge.

A process in one reaches the others' only by their addresses, and may lose its network while it goes
on; nothing else is apart. For root, where namespaces and iproute2 are allowed and there.
"""

import itertools
import os
import signal
import subprocess
from contextlib import ExitStack, contextmanager, suppress

import pytest

MADE = itertools.count()  # what is deleted is gone some time later


def ip(*arguments, check=True):
    command = ["ip", *map(str, arguments)]
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


class Network:
    """One host.

    Attributes:
        address: Of it, for the others.
        within: What comes before a command that is to run there.
    """

    def __init__(self, number):
        unique = f"{os.getpid()}v{next(MADE)}"
        self._cable = f"ap{unique}"
        name = f"anime-pipeline-{unique}"
        self.address = f"10.213.{os.getpid() % 250}.{number + 1}"
        self.within = ("ip", "netns", "exec", name)
        self._name = name

    @contextmanager
    def joined(self, bridge):
        """Be there, at a bridge."""
        ip("netns", "add", self._name)
        try:
            ip(
                "link",
                "add",
                self._cable,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                self._name,
            )
            ip("link", "set", self._cable, "master", bridge, "up")
            ip("-n", self._name, "address", "add", f"{self.address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                ip("-n", self._name, "link", "set", device, "up")
            ip("netns", "exec", self._name, "true")  # it mounts, which may not be allowed either
            yield self
        finally:
            ip("netns", "delete", self._name, check=False)
            ip("link", "delete", self._cable, check=False)  # unsent words keep it for minutes

    def kill(self):
        """End all that runs there at once, as a power cut does."""
        for pid in ip("netns", "pids", self._name).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def cut(self):
        """Take its network away."""
        ip("link", "set", self._cable, "down")


@contextmanager
def networks(count):
    """Yield so many hosts that reach each other; skips where they cannot be made."""
    bridge = f"ap{os.getpid()}b{next(MADE)}"
    with ExitStack() as stack:
        try:
            ip("link", "add", bridge, "type", "bridge")
            stack.callback(ip, "link", "delete", bridge, check=False)
            ip("link", "set", bridge, "up")
            made = [stack.enter_context(Network(number).joined(bridge)) for number in range(count)]
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield made
