"""Where this machine can be reached."""

import socket


def own_address(family: socket.AddressFamily = socket.AF_INET) -> str | None:
    """Return this machine's address in its network, or None if it has none; nothing is sent."""
    elsewhere = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # of documentation
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Of UDP this only chooses the way, and with that the own end of it.
            probe.connect((elsewhere, 9))
            address = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if address in ("0.0.0.0", "::") else address  # noqa: S104
