"""One training run on several processes, here called hosts: how each joins, and what all share.

Steps need none of this, see `models.mesh`. Around them host 0 decides, measures and writes; the
others hear what it has decided.
"""

from __future__ import annotations

import functools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from anime_pipeline.core.errors import (
    DataError,
    HostLostError,
    TrainingInterruptedError,
    UsageError,
    in_words,
)
from anime_pipeline.core.machine import quiet_descriptor, select_backend
from anime_pipeline.core.network import own_address
from anime_pipeline.core.signals import again_in_python
from anime_pipeline.training.parallel.peers import (
    Peers,
    end_process,
    free_port,
    gather,
    join,
    listen,
)

if TYPE_CHECKING:
    from anime_pipeline.models.mesh import Mesh
    from anime_pipeline.training.request import Request

Value = TypeVar("Value")
FROM_CLUSTER = "auto"
SLACK_S = 60  # by which a library waits longer than we do


@dataclass(frozen=True)
class Hosts:
    """The processes of a run, as one of them sees them.

    Attributes:
        own: This one's number, from 0.
        count: How many there are.
        devices: Of each host, that share a batch; None takes all that several hosts have, or one.
    """

    own: int = 0
    count: int = 1
    devices: int | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is host 0, which decides, measures and writes."""
        return self.own == 0

    def mesh(self) -> Mesh | None:
        """Return the devices that share each batch, or None for one."""
        if self.count == 1 and self.devices in (None, 1):
            return None
        from anime_pipeline.models.mesh import Mesh

        return Mesh(self.devices)

    def decided(self, decide: Callable[[], Value]) -> Value:
        """Return what host 0 decides, a JSON value, on every host; only there it is computed."""
        if self.count == 1:
            return decide()
        from jax.experimental.multihost_utils import broadcast_one_to_all

        text = json.dumps(decide()).encode() if self.is_first else b""
        length = int(broadcast_one_to_all(np.int32(len(text))))
        content = np.zeros(length, np.uint8)
        content[: len(text)] = np.frombuffer(text, np.uint8)
        value: Value = json.loads(bytes(broadcast_one_to_all(content)))
        return value

    def shared(self, state: Any) -> Any:
        """Return host 0's arrays on every host: a tree of equal shapes on each."""
        if self.count == 1:
            return state
        from jax.experimental.multihost_utils import broadcast_one_to_all

        from anime_pipeline.models import backend

        return broadcast_one_to_all(backend.to_numpy(state))

    def require_same(self, what: str, fingerprint: str) -> None:
        """Check that something is the same on all hosts.

        Raises:
            DataError: Naming the hosts where it is not as on host 0.
        """
        if self.count == 1:
            return
        from jax.experimental.multihost_utils import process_allgather

        mine = np.zeros(64, np.uint8)
        letters = fingerprint.encode()[:64]
        mine[: len(letters)] = np.frombuffer(letters, np.uint8)
        found = np.asarray(process_allgather(mine)).reshape(self.count, -1)
        different = [str(host) for host in range(self.count) if (found[host] != found[0]).any()]
        if different:
            raise DataError(
                f"Host {', '.join(different)} has other {what} than host 0. Give --data the same "
                "folders, with the same content, on each host."
            )


ALONE = Hosts()


@contextmanager
def joined(request: Request) -> Iterator[Hosts]:
    """Join the other hosts of a request, if there are any; before Keras is imported.

    Raises:
        UsageError: If the backend is TensorFlow, or a cluster says nothing of its hosts.
        HostLostError: If a host does not come in time.
    """
    if request.needs_jax and select_backend() != "jax":
        raise UsageError(
            f"{request.needs_jax} needs JAX. Set KERAS_BACKEND=jax (pip install '.[jax]' in the "
            "project's folder brings it); TensorFlow trains on one device."
        )
    if not request.coordinator:
        yield Hosts(devices=request.devices)
        return
    import jax

    # Otherwise one that has died is waited for at the end, for a minute and a half.
    jax.config.update("jax_enable_recoverability", True)
    # It would take SIGTERM for itself.
    jax.config.update("jax_enable_preemption_service", False)
    # Gloo, which sums between CPUs, greets on stdout.
    with quiet_descriptor(1):
        peers = (_by_cluster if request.coordinator == FROM_CLUSTER else _by_address)(request)
    again_in_python()
    try:
        yield Hosts(jax.process_index(), jax.process_count(), request.devices)
    except TrainingInterruptedError:  # by all of them
        _part(peers)
        raise
    except BaseException as error:
        known = in_words(error) if isinstance(error, Exception) else None
        if known is None and not isinstance(error, KeyboardInterrupt):
            peers.await_loss()  # a library fails where a peer has gone
        if jax.process_index():
            jax.distributed.shutdown()
        peers.fail(str(known or error) or type(error).__name__)
        raise
    _part(peers)


def _by_address(request: Request) -> Peers:
    """Meet at an address; JAX's own service then gets another port of host 0."""
    import jax
    from jax.experimental.multihost_utils import broadcast_one_to_all

    assert request.num_hosts is not None and request.host_id is not None  # noqa: S101
    own, count, patience_s = request.host_id, request.num_hosts, request.host_timeout
    name, _, port = str(request.coordinator).rpartition(":")
    name = name.strip("[]")
    if own == 0:
        peers = gather(listen(int(port)), count, patience_s)
    else:
        peers = join((name, int(port)), own, count, patience_s)
    _sum_at(peers.address)
    jax.distributed.initialize(f"{_bracketed(name)}:{peers.port}", count, own)
    try:
        broadcast_one_to_all(np.int32(0))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        lost = HostLostError(
            f"The hosts have met and cannot compute together ({reason}). They reach each other at "
            f"any port, {peers.called(own)} at {peers.address}. Check that nothing keeps them from "
            "that, as a firewall does."
        )
        peers.fail(str(lost))
        raise lost from None
    return peers


def _by_cluster(request: Request) -> Peers:
    """Let JAX find out what Slurm, Open MPI or Kubernetes has started; then meet at host 0."""
    import jax
    from jax.experimental.multihost_utils import broadcast_one_to_all

    # JAX's own limit ends the process with a dump of its stack, and no word of what is missing.
    late = threading.Timer(
        request.host_timeout,
        end_process,
        [
            "Error: Not all hosts that the cluster promises have come within "
            f"{request.host_timeout:g} s. Look at what the others say, and whether they can reach "
            "each other; --host-timeout waits longer."
        ],
    )
    late.daemon = True
    late.start()
    _sum_at(_own_address())
    try:
        jax.distributed.initialize(initialization_timeout=round(request.host_timeout) + SLACK_S)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"--coordinator auto finds no cluster here ({error}). Start one process for each host "
            "with Slurm, Open MPI or Kubernetes, or give --coordinator HOST:PORT --num-hosts N "
            "--host-id I."
        ) from None
    finally:
        late.cancel()
    own, count = jax.process_index(), jax.process_count()
    port = int(broadcast_one_to_all(np.int32(free_port() if own == 0 else 0)))
    address = np.zeros(4, np.uint8)
    if own == 0:
        address[:] = list(socket.inet_aton(_own_address()))
    address = np.asarray(broadcast_one_to_all(address), np.uint8)
    if own == 0:
        return gather(listen(port), count, request.host_timeout)
    return join((socket.inet_ntoa(bytes(address)), port), own, count, request.host_timeout)


def _own_address() -> str:
    """Return where a cluster's hosts know this one: as its name leads, if that is not to itself."""
    with suppress(OSError):
        found = socket.gethostbyname(socket.gethostname())
        if not ip_address(found).is_loopback:
            return found
    return own_address() or "127.0.0.1"


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _sum_at(address: str) -> None:
    """Have Gloo, which sums between CPUs, listen where the others reach this host.

    Of itself it listens where the machine's own name leads, on Debian and its kin to 127.0.1.1, and
    JAX has no setting for that.
    """
    from jaxlib import _jax

    _jax.make_gloo_tcp_collectives = functools.partial(
        _jax.make_gloo_tcp_collectives, hostname=address
    )


def _part(peers: Peers) -> None:
    """End without alarm: host 0, with which JAX's service ends, is the last."""
    import jax

    if jax.process_index():
        jax.distributed.shutdown()
        peers.finish()
    else:
        peers.finish()
        jax.distributed.shutdown()
