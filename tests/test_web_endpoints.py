"""A new endpoint: its types, its function and one line in `web/app.py`; nothing else is told."""

import pytest
from pydantic import BaseModel, ConfigDict, Field
from test_web_api import API as PREFIX
from test_web_api import refused

from anime_pipeline.web.api.endpoints import JSON, Endpoints
from anime_pipeline.web.app import API, create_app
from anime_pipeline.web.serving.settings import Settings

TOY = Endpoints()


class EchoQuery(BaseModel):
    """What is said, and how often."""

    model_config = ConfigDict(extra="forbid")

    word: str = Field(min_length=1, description="What is said.")
    times: int = Field(default=2, ge=1, le=9, description="How often.")


class Echo(BaseModel):
    """What comes back."""

    words: list[str]


@TOY.add("GET", "/echo", name="echo", tag="toys", answers={JSON: Echo})
def echo(asked: EchoQuery) -> Echo:
    """Say it again."""
    return Echo(words=[asked.word] * asked.times)


@TOY.add("POST", "/echo/<place>", name="echoAt", tag="toys", answers={JSON: Echo})
def echo_at(asked: EchoQuery, place: str) -> Echo:
    """Say it again somewhere."""
    return Echo(words=[asked.word, place])


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    made = create_app(Settings(checkpoints=folder), [*API, *TOY])
    yield made.test_client()
    assert made.extensions["anime_pipeline"].worker.stop(20)


def test_a_new_endpoint_is_served(toy):
    answer = toy.get(f"{PREFIX}/echo?word=hi")
    assert answer.get_json() == {"words": ["hi", "hi"]}
    assert answer.headers["Cache-Control"] == "no-store"
    posted = toy.post(f"{PREFIX}/echo/here", json={"word": "hi"})
    assert posted.get_json() == {"words": ["hi", "here"]}
    refused(toy.get(f"{PREFIX}/echo?word=hi&times=10"), 422, "times")
    refused(toy.get(f"{PREFIX}/echo?wrd=hi"), 422, "Expected some of: word, times")
    refused(toy.post(f"{PREFIX}/echo/here", json={"word": ""}), 422, "word")
    assert b'endpoint="api.echo",method="GET",status="422"' in toy.get("/metrics").data


def test_a_new_endpoint_is_described(toy):
    document = toy.get(f"{PREFIX}/openapi.json").get_json()
    described = document["paths"][f"{PREFIX}/echo"]["get"]
    assert described["summary"] == "Say it again" and described["operationId"] == "echo"
    word, times = described["parameters"]
    assert word["required"] and not times["required"] and times["schema"]["maximum"] == 9
    assert set(described["responses"]) == {"200", "422"}
    assert document["components"]["schemas"]["Echo"]["required"] == ["words"]
    posted = document["paths"][f"{PREFIX}/echo/{{place}}"]["post"]
    assert [one["in"] for one in posted["parameters"]] == ["path"]
    assert set(posted["responses"]) == {"200", "400", "413", "415", "422"}
    assert 'id="echo"' in toy.get("/api").text, "people find it too"
