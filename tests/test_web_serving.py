"""The real server: starting, answering, stopping while it is busy, starting again."""

import signal
import socket
import threading
import urllib.error

import pytest
from conftest import spawn
from web import decoded, fetch, served, wait_until

FACE = "/api/v1/generate?seed=7"


def stop(process, how=signal.SIGTERM):
    process.send_signal(how)
    stderr = process.stderr.read()
    return process.wait(60), stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_stops_when_told(tmp_path, how):
    with served(tmp_path) as (process, url):
        status, headers, body = fetch(url + FACE)
        assert status == 200 and decoded(body).shape == (128, 128, 3)
        assert headers["Server"].startswith("anime-pipeline/")
        code, stderr = stop(process, how)
    assert code == 0 and "has been answered" in stderr and "Traceback" not in stderr


def test_a_port_that_is_taken_is_said_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = spawn("-m", "anime_pipeline", "serve", cwd=tmp_path, PORT=str(port))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert str(port) in done.stderr and "--port" in done.stderr, "$PORT is read, and named"


def test_weights_that_are_not_there(tmp_path):
    done = spawn("-m", "anime_pipeline", "serve", "--port", 0, "--checkpoint", "mine", cwd=tmp_path)
    assert done.returncode == 5 and "mine" in done.stderr and "Traceback" not in done.stderr


def test_strangers_names_are_refused_and_ones_own_are_not(tmp_path):
    with served(tmp_path) as (_, url):
        assert fetch(url + "/healthz", Host="evil.example")[0] == 400
        assert fetch(url + "/healthz", Host="localhost")[0] == 200


def test_a_body_beyond_all_limits_is_cut_off(tmp_path):
    with served(tmp_path) as (_, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                b"POST /api/v1/upscale HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n"
                b"Content-Length: 999999999999\r\n\r\n--x"
            )
            assert b" 413 " in connection.recv(100)
        assert fetch(url + "/healthz")[0] == 200


def many(url, count, **headers):
    """Ask for `count` different faces at once; gives what each got."""
    results = []

    def ask(seed):
        try:
            status, _, body = fetch(f"{url}/api/v1/generate?seed={seed}", timeout=60, **headers)
            results.append((status, decoded(body).shape if status == 200 else None))
        except (urllib.error.URLError, ConnectionError) as error:
            results.append((type(error).__name__, None))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def stopped_while_busy(folder, count):
    """Stop a server while some faces are drawn and some wait; gives code, stderr and results."""
    with served(folder) as (process, url):
        threads, results = many(url, count)
        idle = b"anime_pipeline_waiting_requests 0.0"
        wait_until(lambda: idle not in fetch(url + "/metrics")[2])
        code, stderr = stop(process)
        for thread in threads:
            thread.join(60)
    assert len(results) == count, "somebody got half an answer"
    return code, stderr, results


def test_a_stop_finishes_what_was_accepted(tmp_path):
    code, stderr, results = stopped_while_busy(tmp_path, 24)
    assert code == 0 and "has been answered" in stderr
    answered = [result for result in results if result[0] == 200]
    assert answered and all(shape == (128, 128, 3) for _, shape in answered)
    # Whoever was not accepted was told so, or could not connect: nobody got half an answer.
    assert {status for status, _ in results} <= {200, 503, "URLError", "ConnectionResetError"}


@pytest.mark.slow
def test_restarts_under_load_break_no_promise(tmp_path):
    """Ten stops while requests pour in: answers are whole, refused or no connection at all."""
    for _ in range(10):
        code, _, results = stopped_while_busy(tmp_path, 60)
        statuses = [status for status, _ in results]
        assert code == 0 and statuses.count(200) > 0
        assert set(statuses) <= {200, 503, "URLError", "ConnectionResetError"}, set(statuses)
