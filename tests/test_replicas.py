"""Replicas behind the proxy of deploy/: one is killed, what they share is lost."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import spawn
from replicas import Client, free_port, redis_server, two_replicas
from web import picture_bytes, upload, wait_until

from anime_pipeline.core import machine
from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.models.tickets import Tickets
from anime_pipeline.web.serving import shared as sharing
from anime_pipeline.web.serving.clients import RateLimits
from anime_pipeline.web.serving.settings import PREFIX, Settings
from anime_pipeline.web.serving.shared import PATIENCE_S, Shared

FAR = "203.0.113.9"
VARIABLE = f"{PREFIX}RATE_LIMIT_STORAGE"
PASSWORD = "correct-horse"  # noqa: S105


def allowed(limits, address=FAR, most=20):
    """Count as many as are allowed; tells how many."""
    for count in range(most):
        try:
            limits.count("faces", address)
        except Problem as problem:
            assert problem.status == 429 and 1 <= problem.retry_after_s <= 120
            return count
    return most


@pytest.fixture
def quick(monkeypatch):
    """Let a lost storage be asked again at once."""
    monkeypatch.setattr(sharing, "AGAIN_S", 0.05)


def test_replicas_count_together(tmp_path):
    with redis_server(tmp_path) as (_, port):
        one, other = (
            RateLimits(Shared(f"redis://127.0.0.1:{port}"), faces=5, uploads=5) for _ in "12"
        )
        one.count("faces", FAR)
        one.count("faces", FAR, cost=2)
        assert allowed(other) == 2 and allowed(one) == 0
        assert allowed(one, "198.51.100.1") == 5
        assert allowed(other, "127.0.0.1") == 20  # this machine itself


def test_a_lost_storage_is_done_without_and_found_again(tmp_path, quick, caplog):
    with redis_server(tmp_path) as (_, port):
        shared = Shared(f"redis://:@127.0.0.1:{port}/1")
        limits = RateLimits(shared, faces=5)
        assert allowed(limits) == 5 and shared.reached
    assert allowed(limits) == 5 and not shared.reached  # by its own count, which was at 0
    assert allowed(limits) == 0
    time.sleep(0.1)
    assert allowed(limits) == 0  # asked again, in vain
    with redis_server(tmp_path, port=port):
        time.sleep(0.1)
        assert allowed(limits) == 5 and shared.reached
    first, second = (record.getMessage() for record in caplog.records)
    assert "no longer" in first and "Connect" in first and second.endswith("again.")


def test_a_storage_that_does_not_answer_keeps_nobody_waiting(tmp_path):
    with redis_server(tmp_path) as (process, port):
        limits = RateLimits(Shared(f"redis://127.0.0.1:{port}"), faces=5)
        os.kill(process.pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert allowed(limits) == 5
        assert allowed(limits, "198.51.100.1") == 5
        # One question was asked, the rest were not.
        assert PATIENCE_S <= time.monotonic() - begun < 10 * PATIENCE_S
        os.kill(process.pid, signal.SIGCONT)


def test_a_password_is_used_and_never_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(sharing, "START_S", 0)
    with redis_server(tmp_path, "--requirepass", PASSWORD) as (_, port):
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}"
        settings = Settings(rate_limit_storage=url)
        assert PASSWORD not in repr(settings)
        assert allowed(RateLimits(Shared(url), faces=5)) == 5
        with pytest.raises(PipelineError, match="cannot be used: .*password") as refused:
            Shared(f"redis://:x{PASSWORD}@127.0.0.1:{port}")
    assert PASSWORD not in str(refused.value) and f"redis://127.0.0.1:{port}" in str(refused.value)


def test_it_may_be_encrypted(tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x"
    )
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    monkeypatch.setattr(sharing, "START_S", 0)
    port = free_port()
    tls = ["--port", 0, "--tls-port", port, "--tls-auth-clients", "no"]
    tls += ["--tls-cert-file", certificate, "--tls-key-file", key]
    with redis_server(tmp_path, *tls, port=port):
        with pytest.raises(PipelineError, match="(?i)certificate"):
            Shared(f"rediss://127.0.0.1:{port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert allowed(RateLimits(Shared(f"rediss://127.0.0.1:{port}"), faces=5)) == 5


WRONG = ("mongodb://h:1", "h:6379", f"redis://u:{PASSWORD}", f"redis://:{PASSWORD}@", "redis://h:0")


@pytest.mark.parametrize("url", [*WRONG, f"redis://h?password={PASSWORD}", "memory://"])
def test_what_is_no_address_of_a_storage_is_said_without_showing_it(url, cli):
    result = cli("serve", "--rate-limit-storage", url)
    assert result.code == 2 and "redis://HOST:PORT" in result.stderr
    with pytest.raises(UsageError, match="redis://HOST:PORT") as refused:
        Settings.from_environment({VARIABLE: url})
    assert VARIABLE in str(refused.value)
    assert PASSWORD not in str(refused.value) + result.stderr


def test_a_storage_that_is_not_there_stops_the_start_in_words():
    pytest.importorskip("redis")
    url = f"redis://:{PASSWORD}@127.0.0.1:1"
    result = spawn("-m", "anime_pipeline", "serve", "--port", 0, "--rate-limit-storage", url)
    assert result.returncode == 1 and result.stderr.count("Error: ") == 1
    words = " ".join(result.stderr.split())
    assert "redis://127.0.0.1:1 of --rate-limit-storage cannot be used" in words
    assert "refused" in words and PASSWORD not in words and "Traceback" not in words


def test_without_the_client_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(PipelineError, match=r"pip install 'anime-pipeline\[replicas\]'"):
        Shared("redis://127.0.0.1:1")


def test_any_replica_knows_how_far_an_upload_is_and_can_give_it_up(tmp_path):
    with redis_server(tmp_path) as (_, port):
        here, there = (Tickets(Shared(f"redis://127.0.0.1:{port}")) for _ in "12")
        job = here.open("some-upload")
        assert there.get("some-upload").state == "waiting"
        with pytest.raises(Problem, match="in use"):
            there.open("some-upload")
        job.advance(3, 10)
        here.tell("some-upload", job)
        found = there.get("some-upload")
        assert (found.state, found.done, found.total) == ("running", 3, 10)
        there.cancel("some-upload")
        assert not job.future.cancelled()
        here.tell("some-upload", job)
        assert job.future.cancelled()
        job.end()
        here.tell("some-upload", job)
        again = there.open("some-upload")  # is not given up as the one before was
        there.tell("some-upload", again)
        assert not again.future.cancelled()
        with pytest.raises(Problem, match="No upload"):
            there.get("another-upload")
    assert there.get("some-upload") is again
    with pytest.raises(Problem, match="No upload"):
        there.get("another-upload")


def test_a_share_of_time_counts_as_so_many_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPU_QUOTA", tmp_path / "cpu.max")
    every = machine.usable_cores()
    for text, cores in [
        ("max 100000\n", every),
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        ("9900000 100000\n", every),
    ]:
        machine.CPU_QUOTA.write_text(text)
        assert machine.usable_cores() == cores


METHODS = ("GET", "GET", "POST", "POST")
LIMIT = 20
A_MINUTE_S = 55  # or a little less: things are counted before they are answered


def test_clients_see_nothing_of_a_replica_that_is_killed(tmp_path):
    with redis_server(tmp_path) as (storage, port):
        options = ["--rate-limit-storage", f"redis://127.0.0.1:{port}", "--rate-limit", str(LIMIT)]
        with two_replicas(tmp_path, *options) as (replicas, proxy):
            # One asks for more than it may have; the others come from ever other addresses.
            greedy = Client(proxy, 0, FAR)
            clients = [greedy] + [
                Client(proxy, 1000 * number, method=method)
                for number, method in enumerate(METHODS, 1)
            ]
            for one in clients:
                one.start()
            wait_until(lambda: 429 in greedy.since(0))
            begun = time.monotonic()
            replicas[0].kill()
            wait_until(lambda: all(len(one.since(begun)) >= 12 for one in clients))
            lost = time.monotonic()
            storage.kill()
            storage.wait()
            wait_until(lambda: 200 in greedy.since(lost) and len(greedy.since(lost)) > 2 * LIMIT)
            for one in clients:
                one.over.set()
            for one in clients:
                one.join()
            assert replicas[1].poll() is None
    seen = {status for one in clients for status in one.since(0)}
    assert seen <= {200, 429, 503}, seen
    # Of both replicas together, and without a storage by the last one's own count.
    first, _ = greedy.answers[0]
    assert 0 < greedy.since(0, min(lost, first + A_MINUTE_S)).count(200) <= LIMIT
    assert 0 < greedy.since(lost, lost + A_MINUTE_S).count(200) <= LIMIT
    for one in clients[1:]:  # within their limits: refused is what was under way, or finds a queue
        assert one.since(begun).count(200) > len(one.since(begun)) / 2


@pytest.mark.slow
def test_clients_lose_nothing_with_a_replica_that_is_told_to_stop(tmp_path):
    with two_replicas(tmp_path) as (replicas, proxy):
        clients = [Client(proxy, 1000 * each, method=how) for each, how in enumerate(METHODS, 1)]
        for one in clients:
            one.start()
        wait_until(lambda: all(len(one.since(0)) > 5 for one in clients))
        replicas[0].terminate()
        assert replicas[0].wait() == 0
        ended = time.monotonic()
        wait_until(lambda: all(len(one.since(ended)) > 20 for one in clients))
        for one in clients:
            one.over.set()
        for one in clients:
            one.join()
    assert {status for one in clients for status in one.since(0)} <= {200, 503}
    assert all(set(one.since(ended)) == {200} for one in clients)


def test_an_upload_is_followed_and_given_up_by_way_of_another_replica(tmp_path, made):
    with redis_server(tmp_path) as (_, port):
        at_work, asked = (
            made(rate_limit_storage=f"redis://127.0.0.1:{port}").test_client() for _ in "12"
        )
        assert "anime_pipeline_shared_limits 1.0" in asked.get("/metrics").get_data(as_text=True)
        path = "/api/v1/upscale/some-upload"
        assert asked.get(path).status_code == 404
        answers = []
        picture = picture_bytes(700, 700)
        thread = threading.Thread(
            target=lambda: answers.append(upload(at_work, picture, ticket="some-upload"))
        )
        thread.start()
        wait_until(lambda: (asked.get(path).json or {}).get("state") == "running")
        assert upload(asked, picture, ticket="some-upload").status_code == 409
        assert asked.delete(path).status_code == 204
        thread.join()
        assert answers[0].status_code == 409 and "Cancelled" in answers[0].json["detail"]
        assert asked.get(path).json["state"] == "done"
