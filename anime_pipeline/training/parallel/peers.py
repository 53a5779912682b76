"""Connections between host 0 and the others, over which each says every second that it lives.

A host that is killed, frozen or cut off leaves the others waiting for its share of a sum, for ever
or until a library ends them without a word. Here a thread notices, says which host it was, and ends
this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from anime_pipeline.core.errors import EXIT_HOST_LOST, HostLostError, UsageError

BEAT_S = 1.0
# Without a beat; a closed connection is noticed at once. Threads beat only between native calls: on
# a machine with ten times too much to do, eight seconds without one meant nothing.
LOST_AFTER_S = 30.0
RETRY_S = 0.2
HELLO_S = 5.0  # in which one that connects must say who it is
LONGEST_LINE = 65_536

ADVICE = (
    "The other hosts stop too; the state saved last is whole. Continue with --resume, on as many "
    "hosts as there are."
)


def end_process(words: str) -> None:
    """End this process, which waits for the lost host in native code and hears nothing else."""
    with contextlib.suppress(OSError):
        os.write(2, f"\n{words}\n".encode())
    os._exit(EXIT_HOST_LOST)


class Connection:
    """Lines of JSON to and from one other host."""

    def __init__(self, to: socket.socket) -> None:
        self._socket = to
        self._lines = to.makefile("rb")
        self._sending = threading.Lock()

    @property
    def address(self) -> str:
        """This host's address, where the other reaches it."""
        return str(self._socket.getsockname()[0]).removeprefix("::ffff:")  # IPv4 taken as IPv6

    def send(self, **message: Any) -> None:
        """Send a message; that the other has gone, its reader notices."""
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, patience_s: float) -> dict[str, Any] | None:
        """Wait for a message; None where the other has closed.

        Raises:
            TimeoutError: If none comes in time.
            ValueError: If it is none of ours.
        """
        self._socket.settimeout(max(patience_s, 0.001))
        try:
            line = self._lines.readline(LONGEST_LINE)
        except ConnectionError:
            return None
        message = json.loads(line) if line else None
        if not isinstance(message, dict | None):
            raise ValueError(f"Expected an object. Received: {line[:50]!r}")
        return message

    def close(self) -> None:
        """Close."""
        with contextlib.suppress(OSError):
            self._lines.close()
            self._socket.close()


class Peers:
    """This host's connections once all have met: of host 0 to each other, of these to host 0.

    Attributes:
        names: The hosts' names, in the order of their numbers.
        address: Where the others reach this host.
        port: Where host 0 offers what else is to be connected to.
    """

    def __init__(
        self,
        host: int,
        names: list[str],
        connections: Mapping[int, Connection],
        port: int = 0,
        on_loss: Callable[[str], None] = end_process,
        lost_after_s: float | None = None,
    ) -> None:
        self.names = names
        self.address = next((each.address for each in connections.values()), "127.0.0.1")
        self.port = port
        self._host = host
        self._connections = connections
        self._on_loss = on_loss
        self._lost_after_s = lost_after_s or LOST_AFTER_S
        self._over = threading.Event()
        self._losing = threading.Lock()
        self._lost = ""
        self._readers = [
            threading.Thread(target=self._listen, args=each, daemon=True, name=f"host {each[0]}")
            for each in connections.items()
        ]
        for thread in (*self._readers, threading.Thread(target=self._beat, daemon=True)):
            thread.start()

    def called(self, host: int) -> str:
        """Return how a host is called in messages."""
        return f"Host {host} ({self.names[host]})"

    def finish(self) -> None:
        """Part from the others without alarm; host 0 waits until they have finished."""
        if self._host:
            self._over.set()
            self._tell(done=True)
        else:
            for reader in self._readers:
                reader.join()
            self._over.set()
        self._close()

    def fail(self, words: str) -> None:
        """Let the others know that this host cannot go on; they end."""
        self._over.set()
        self._tell(lost=f"{self.called(self._host)} stopped: {words} {ADVICE}")
        self._close()

    def await_loss(self) -> None:
        """Wait as long as it takes to notice a lost host, which then ends this process."""
        until = time.monotonic() + self._lost_after_s + BEAT_S
        while not self._lost and time.monotonic() < until:
            time.sleep(BEAT_S / 20)

    def _close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _tell(self, but: int = -1, **message: Any) -> None:
        for host, connection in self._connections.items():
            if host != but:
                connection.send(**message)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            self._tell(beat=True)

    def _listen(self, host: int, connection: Connection) -> None:
        while True:
            try:
                message = connection.receive(self._lost_after_s)
            except TimeoutError:
                why = f"was not heard of for {self._lost_after_s:g} s. It is frozen or cut off."
                break
            except (OSError, ValueError) as error:
                why = f"cannot be understood any more ({error})."
                break
            if message is None:
                why = "has ended, or its network has."
                break
            if message.get("done"):
                return
            if words := message.get("lost"):
                self._lose(str(words), host)
                return
        self._lose(f"{self.called(host)} was lost: it {why} {ADVICE}", host)

    def _lose(self, words: str, host: int) -> None:
        with self._losing:
            if self._over.is_set() or self._lost:
                return
            self._lost = words
            self._tell(host, lost=words)
        self._on_loss(words)


def listen(port: int) -> socket.socket:
    """Return a socket that takes connections at a port of all of this machine's addresses.

    Raises:
        UsageError: If it is taken.
    """
    try:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        return socket.create_server(("", port), family=family, backlog=64, dualstack_ipv6=both)
    except OSError as error:
        raise UsageError(
            f"Port {port} cannot be listened at ({error.strerror}). Give --coordinator another "
            "one, the same on each host."
        ) from None


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.create_server(("", 0)) as found:
        return int(found.getsockname()[1])


def gather(server: socket.socket, count: int, patience_s: float, **options: Any) -> Peers:
    """Wait, as host 0, until hosts 1 to `count` - 1 have come.

    Args:
        server: Where they come, see `listen`; it is closed.
        count: How many hosts there are, this one among them.
        patience_s: How long they may take.
        options: Of `Peers`.

    Raises:
        HostLostError: Naming those that have not come.
    """
    here: dict[int, tuple[str, Connection]] = {}
    until = time.monotonic() + patience_s
    with server:
        while len(here) < count - 1:
            server.settimeout(max(until - time.monotonic(), 0.001))
            try:
                connection = Connection(server.accept()[0])
            except TimeoutError:
                text = _missing(here, count, patience_s)
                raise HostLostError(f"{text}") from None
            _admit(connection, here, count)
    names = [socket.gethostname()] + [here[host][0] for host in range(1, count)]
    port = free_port()
    for _, connection in here.values():
        connection.send(names=names, port=port)
    return Peers(0, names, {host: each for host, (_, each) in here.items()}, port, **options)


def _admit(connection: Connection, here: dict[int, tuple[str, Connection]], count: int) -> None:
    """Take a host in, or say why not; whoever else connects is sent away."""
    try:
        hello = connection.receive(HELLO_S) or {}
        host, theirs, name = int(hello["host"]), int(hello["count"]), str(hello["name"])
    except (OSError, ValueError, KeyError, TypeError):
        connection.close()
        return
    if theirs != count or not 0 < host < count or host in here:
        taken = f"; host {host} has come already" if host in here else ""
        connection.send(
            refused=f"Host 0 expects hosts 1 to {count - 1} of {count}{taken}. Received: --host-id "
            f"{host} --num-hosts {theirs} from {name}."
        )
        connection.close()
        return
    here[host] = (name, connection)


def _missing(here: dict[int, tuple[str, Connection]], count: int, patience_s: float) -> str:
    missing = [str(host) for host in range(1, count) if host not in here]
    words = (
        f"Host {', '.join(missing)} of {count} has not come within {patience_s:g} s. Start it with "
        "the same --coordinator and --num-hosts, or allow more with --host-timeout."
    )
    for _, connection in here.values():
        connection.send(lost=words)
        connection.close()
    return words


def join(
    address: tuple[str, int], host: int, count: int, patience_s: float, **options: Any
) -> Peers:
    """Come, as another host, to host 0.

    Raises:
        HostLostError: If host 0 does not answer, or another host has not come.
        UsageError: If host 0 expects other hosts.
    """
    until = time.monotonic() + patience_s
    connection = None
    while connection is None:
        try:
            connection = Connection(socket.create_connection(address, timeout=HELLO_S))
        except OSError as error:
            if time.monotonic() > until:
                raise HostLostError(
                    f"Host 0 has not answered at {address[0]}:{address[1]} within {patience_s:g} s "
                    f"({error.strerror or error}). Start it with the same --coordinator and "
                    "--host-id 0, or allow more with --host-timeout."
                ) from None
            time.sleep(RETRY_S)
    connection.send(host=host, count=count, name=socket.gethostname())
    try:
        # Host 0 may have begun to wait for the others just now.
        welcome = connection.receive(until - time.monotonic() + patience_s) or {}
    except (TimeoutError, ValueError):
        welcome = {}
    if "names" not in welcome:
        connection.close()
    if "refused" in welcome:
        raise UsageError(f"{welcome['refused']} Give each host its own number.")
    if "names" not in welcome:
        text = welcome.get("lost", f"Host 0 at {address[0]}:{address[1]} has ended.")
        raise HostLostError(f"{text}")
    return Peers(host, welcome["names"], {0: connection}, welcome["port"], **options)
