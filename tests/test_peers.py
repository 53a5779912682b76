"""Hosts that find each other, and notice one that is lost: sockets alone, no framework."""

import json
import queue
import socket
import threading

import pytest

from anime_pipeline.core.errors import HostLostError, UsageError
from anime_pipeline.training.parallel import peers
from anime_pipeline.training.parallel.peers import free_port, gather, join, listen

SOON_S = 30


def meet(count, lost_after_s=SOON_S, monkeypatch=None):
    """Return the hosts' peers, and queues of what each says of a loss."""
    server = listen(0)
    address = ("127.0.0.1", server.getsockname()[1])
    said = [queue.Queue() for _ in range(count)]
    found = [None] * count

    def come(host):
        options = {"on_loss": said[host].put, "lost_after_s": lost_after_s}
        if host:
            found[host] = join(address, host, count, SOON_S, **options)
        else:
            found[0] = gather(server, count, SOON_S, **options)

    threads = [threading.Thread(target=come, args=(host,)) for host in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, said


def close_all(found):
    for each in found:
        each._over.set()
        each._close()


def test_hosts_meet_and_part_without_alarm():
    found, said = meet(3)
    assert len({each.port for each in found}) == 1 == len({tuple(e.names) for e in found})
    for each in reversed(found):
        each.finish()
    assert all(one.empty() for one in said)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_host_that_ends_is_named_on_all_others(gone):
    found, said = meet(3)
    found[gone]._over.set()
    found[gone]._close()
    for host in {0, 1, 2} - {gone}:
        words = said[host].get(timeout=SOON_S)
        assert words.startswith(f"Host {gone} (") and "--resume" in words
    close_all(found)


def test_a_silent_host_is_lost(monkeypatch):
    monkeypatch.setattr(peers, "BEAT_S", 0.05)
    found, said = meet(3, lost_after_s=0.5)
    found[1]._over.set()  # it beats no more, and its connection stays
    for host in (0, 2):
        assert "Host 1 (" in (words := said[host].get(timeout=SOON_S))
        assert "not heard of for 0.5 s" in words
    close_all(found)


def test_a_host_that_fails_says_why():
    found, said = meet(2)
    found[1].fail("No usable picture in faces.")
    assert "stopped: No usable picture in faces." in said[0].get(timeout=SOON_S)
    close_all(found)


def test_those_that_have_not_come_are_named_to_those_that_have():
    server = listen(0)
    address = ("127.0.0.1", server.getsockname()[1])
    errors = queue.Queue()

    def come():
        with pytest.raises(HostLostError) as raised:
            join(address, 2, 4, SOON_S)
        errors.put(str(raised.value))

    thread = threading.Thread(target=come)
    thread.start()
    with pytest.raises(HostLostError, match="Host 1, 3 of 4 has not come within 1 s") as raised:
        gather(server, 4, 1)
    assert raised.value.exit_code == 6
    assert errors.get(timeout=SOON_S) == str(raised.value)
    thread.join()


def test_a_host_without_a_host_0_says_where_it_looked():
    port = free_port()
    with pytest.raises(HostLostError, match=f"Host 0 has not answered at 127.0.0.1:{port} within"):
        join(("127.0.0.1", port), 1, 2, 0.3)


def test_strangers_are_sent_away_and_wrong_numbers_told(monkeypatch):
    monkeypatch.setattr(peers, "HELLO_S", 0.2)
    server = listen(0)
    address = ("127.0.0.1", server.getsockname()[1])
    result = queue.Queue()
    thread = threading.Thread(target=lambda: result.put(gather(server, 2, SOON_S)))
    thread.start()
    for sent in (b"GET / HTTP/1.1\r\n", b"[]\n", b'{"host": 1}\n', b""):
        with socket.create_connection(address) as stranger:
            stranger.sendall(sent)
            assert stranger.recv(100) == b""
    for wrong in ({"host": 1, "count": 3}, {"host": 2, "count": 2}):
        with socket.create_connection(address) as stranger:
            stranger.sendall(json.dumps({**wrong, "name": "x"}).encode() + b"\n")
            assert b"Host 0 expects hosts 1 to 1 of 2" in stranger.recv(1000)
    with pytest.raises(UsageError, match="--host-id 5 --num-hosts 2 .*Give each host"):
        join(address, 5, 2, SOON_S)
    mine = join(address, 1, 2, SOON_S)
    theirs = result.get(timeout=SOON_S)
    thread.join()
    mine.finish()
    theirs.finish()


def test_a_taken_port_is_refused():
    with listen(0) as taken, pytest.raises(UsageError, match="cannot be listened at"):
        listen(taken.getsockname()[1])
