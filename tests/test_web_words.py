"""What people read: in place of a page, on the API's page, and where a request is refused."""

import html
import re
import socket

import pytest
from test_web_api import API, refused
from web import upload

from anime_pipeline.core import network


@pytest.mark.parametrize(
    "path,words",
    [
        ("/studio?seed=abc", ("Its seed must be a whole number from 0 to 9,223,",)),
        ("/studio?seed=7&strength=2", ("Its strength must be a number from 0 to 1.",)),
        ("/?eyes=plaid", ("Its eyes must be one of random, aqua, black",)),
        ("/studio?length=medium", ("Its length must be one of random, long, short.",)),
        ("/?hair=nocolour", ("Its hair must be one of random, aqua, ", "#rrggbb")),
        ("/studio?weights=x", ("Its weights must be 8 to 16 digits from 0-9 and a-f.",)),
        ("/studio?model=nope", ("No model called &#39;nope&#39; is served here.",)),
        ("/nope", ("There is nothing at this address.",)),
    ],
)
def test_pages_that_are_not_there_speak_to_people(client, path, words):
    page = client.get(path).text
    for text in (*words, "<title>Not found · Anime faces</title>", 'href="/">See some faces'):
        assert text in page
    for text in ("Input should", "requested URL", "/api/v1"):
        assert text not in page


def section(client, operation):
    """Return the rows of an operation's tables on the API's page: texts of cells, by name."""
    page = client.get("/api").text
    [article] = re.findall(rf'<article class="operation" id="{operation}".*?</article>', page, re.S)
    rows = re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</tr>", article, re.S)
    cells = [[re.sub("<[^>]*>", "", one).strip() for one in row.split("<td")] for row in rows]
    return {
        found[0].split()[0]: [html.unescape(one.split(">", 1)[-1]) for one in found[1:]]
        for found in cells
    }


@pytest.mark.parametrize("operation", ["generate", "generateMany", "interpolate"])
def test_the_api_page_shows_names_of_colours_and_no_patterns(client, operation):
    rows = section(client, operation)
    for part, name in (("hair", "aqua"), ("skin", "tan")):
        allowed = rows[part][3]
        assert "random" in allowed and name in allowed and "#rrggbb" in allowed
    assert "8 to 16 digits" in rows["weights"][3]
    assert not any("[" in row[3] for row in rows.values()), "people read no patterns"


def test_the_api_page_says_that_a_picture_is_a_file(client):
    place, kind, *_ = section(client, "upscale")["image"]
    assert (place, kind) == ("body", "file")


def test_the_api_page_tells_what_a_stop_is(client):
    rows = section(client, "interpolateAny")
    assert "in this order" in rows["stops"][4]
    stop = {name: row for name, row in rows.items() if name.startswith("stops[].")}
    assert list(stop)[:3] == ["stops[].seed", "stops[].hair", "stops[].skin"]
    assert rows["stops[].length"][3] == "random, long, short"
    assert all(row[4] for row in rows.values()), "each has a meaning"


def test_an_unknown_parameter_is_told_which_there_are(client):
    answer = client.get(f"{API}/generate?n=3")
    document = refused(answer, 422, "Unknown parameter 'n'. Expected some of: seed, count, hair, ")
    assert "seed, count" in document["errors"][0]["detail"]
    body = {"stops": [{"seed": 1, "size": 32}, {"seed": 2}]}
    words = "Unknown parameter 'stops.0.size'. Expected some of: seed, hair, skin, "
    refused(client.post(f"{API}/interpolate", json=body), 422, words)


def test_a_large_upload_is_told_what_is_allowed(client):
    refused(upload(client, bytes(9_000_000)), 413, "up to 8 MB", "Send a smaller file.")


def test_this_machines_own_address_is_found_without_asking_anybody(monkeypatch):
    found = network.own_address(socket.AF_INET)
    assert found is None or len(socket.inet_aton(found)) == 4

    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr(network.socket, "socket", refuse)
    assert network.own_address(socket.AF_INET) is None
