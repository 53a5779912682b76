"""Settings: fields, options, environment and docs/serving.md say the same."""

import dataclasses
import re
from pathlib import Path

import click
import pytest
from conftest import spawn

from anime_pipeline.cli.main import main
from anime_pipeline.cli.serve import command
from anime_pipeline.web.models import decoders
from anime_pipeline.web.models.worker import LONG_JOBS
from anime_pipeline.web.serving.clients import IPV6_NETWORK
from anime_pipeline.web.serving.connections import IDLE_S, UNFETCHED_BYTES
from anime_pipeline.web.serving.exchange import BODY_S, FETCH_S
from anime_pipeline.web.serving.server import CONNECTIONS, FREE_THREADS, STOP_WITHIN_S
from anime_pipeline.web.serving.settings import (
    MAX_UPLOAD_BYTES,
    MAX_UPLOAD_PIXELS,
    PREFIX,
    Settings,
)
from anime_pipeline.web.serving.shedding import BODY_BYTES

DOCS = (Path(__file__).parent.parent / "docs" / "serving.md").read_text(encoding="utf-8")
FIELDS = {field.name: field.default for field in dataclasses.fields(Settings)}
SERVERS_OWN = {"host": "127.0.0.1", "port": 8000}  # another WSGI server has its own


def table():
    """Return the settings that the documentation tells: variables and default by option."""
    rows = re.findall(r"^\| `--([a-z-]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", DOCS, re.MULTILINE)
    return {
        name.replace("-", "_"): (re.findall(r"`(\w+)`", variables), default.strip())
        for name, variables, default, _ in rows
    }


def options():
    """Return the options of `serve` that are settings."""
    return {one.name: one for one in command.params if one.name != "open_browser"}


def test_fields_options_and_documentation_are_the_same():
    assert set(table()) == set(options()) == set(FIELDS) | set(SERVERS_OWN)


@pytest.mark.parametrize("name", [*FIELDS, *SERVERS_OWN])
def test_defaults_and_variables_are_the_same_everywhere(name):
    variables, default = table()[name]
    assert variables[0] == PREFIX + name.upper()
    field = (FIELDS | SERVERS_OWN)[name]
    if isinstance(field, int | float):
        assert float(default) == field == options()[name].default
    elif name not in (
        "upscaler",
        "trusted_hosts",
        "rate_limit_storage",
    ):  # these tell in words what nothing means
        assert default.rstrip("/") == str(field) == str(options()[name].default).rstrip("/")


def test_the_limits_in_the_documentation_are_those_of_the_code():
    for text in (
        f"The queue has {Settings.queue} places",
        f"{MAX_UPLOAD_BYTES // 10**6} MB",
        f"{MAX_UPLOAD_PIXELS // 10**6} megapixels",
        f"{FREE_THREADS} more",
        f"/{IPV6_NETWORK} network",
        f"{CONNECTIONS:,} connections",
        f"{IDLE_S} s",
        f"{BODY_S} s",
        f"{FETCH_S} s",
        f"{BODY_BYTES // 10**6} MB",
        f"{UNFETCHED_BYTES // 10**6} MB",
        f"{decoders.DECODE_LIMITS.cpu_s:g} s of processor time",
        f"{decoders.DECODE_WAIT_S:g} s at most",
        f"{decoders.MAX_RESULT_PIXELS // 10**6} megapixels",
    ):
        assert text in DOCS, text
    assert LONG_JOBS == 3 and "three uploads wait already" in DOCS
    assert f"at most {STOP_WITHIN_S + 10:g} s" in DOCS


def read_option(name):
    """Return an option's value as the program reads it from the environment."""
    with click.Context(main) as parent:
        with main.get_command(parent, "serve").make_context("serve", [], parent=parent) as context:
            return context.params[name]


def test_empty_variables_count_as_unset():
    empty = {PREFIX + name.upper(): "" for name in FIELDS}
    assert Settings.from_environment(empty) == Settings()


@pytest.mark.parametrize("name", [*FIELDS, *SERVERS_OWN])
def test_an_empty_variable_is_no_option(name, monkeypatch):
    monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    unset = read_option(name)
    monkeypatch.setenv(PREFIX + name.upper(), "")
    assert read_option(name) == unset


def test_the_programs_own_variable_comes_before_the_hosting_services(monkeypatch):
    monkeypatch.setenv("PORT", "7001")
    assert read_option("port") == 7001
    monkeypatch.setenv(PREFIX + "PORT", "7002")
    assert read_option("port") == 7002


@pytest.mark.parametrize(
    "variable,option", [("PORT", "--port"), (PREFIX + "RATE_LIMIT", "--rate-limit")]
)
def test_a_wrong_variable_is_blamed_by_its_name(cli, monkeypatch, variable, option):
    monkeypatch.setenv(variable, "abc")
    result = cli("serve")
    assert result.code == 2 and f"the variable {variable} ({option})" in result.stderr
    typed = cli("serve", option, "x")
    assert f"Invalid value for '{option}'" in typed.stderr and "variable" not in typed.stderr


@pytest.mark.parametrize(
    "name,value",
    [
        ("QUEUE", "0"),
        ("QUEUE", "many"),
        ("PROXIES", "99"),
        ("FACE_TIMEOUT_S", "nan"),
        ("CHECKPOINT", "no-such-model"),
        ("UPSCALER", "no-such-model"),
    ],
)
def test_the_wsgi_module_says_in_words_what_is_wrong(tmp_path, name, value):
    done = spawn("-c", "import anime_pipeline.web.wsgi", cwd=tmp_path, **{PREFIX + name: value})
    assert done.returncode == 4, done.stderr  # gunicorn's APP_LOAD_ERROR, which stops it
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert value in done.stderr and "Traceback" not in done.stderr
    assert PREFIX + name in done.stderr or value == "no-such-model"


def test_the_wsgi_module_offers_an_app(tmp_path):
    code = (
        "from anime_pipeline.web.wsgi import app; client = app.test_client(); "
        "print(client.get('/healthz').status_code, client.get('/api/v1/models').status_code)"
    )
    done = spawn("-c", code, cwd=tmp_path, **{PREFIX + "QUEUE": "", PREFIX + "CHECKPOINT": ""})
    assert done.returncode == 0 and done.stdout.strip() == "200 200", done.stderr
