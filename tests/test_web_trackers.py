"""Addresses as social networks and mail pass them on: with parameters that nobody typed."""

import pytest
from pydantic import BaseModel
from test_web_api import API, refused

from anime_pipeline.web.api import requests
from anime_pipeline.web.api.requests import is_tracker

ADDED = "fbclid=IwAR0x&utm_source=ig&utm_medium=social&gclid=1&igshid=a&msclkid=b&FBCLID=c&fbclid=d"
PAGES = ["/", "/studio?seed=7", "/favourites", "/blend?a=7&b=8", "/upscale", "/how", "/api"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("added", [ADDED, "zzz=1&zzz=2", "=", "a%00b=%ff&[]=1"])
def test_no_page_minds_what_it_does_not_know(page, added, client):
    answer = client.get(f"{page}{'&' if '?' in page else '?'}{added}")
    assert answer.status_code == 200
    assert "IwAR0x" not in answer.text and "zzz" not in answer.text, "nor does it pass it on"


def test_the_api_passes_over_trackers_and_no_slips(client):
    plain = client.get(f"{API}/generate?seed=7&size=32")
    tracked = client.get(f"{API}/generate?seed=7&size=32&{ADDED}")
    assert tracked.status_code == 200 and tracked.data == plain.data
    for path in ("models", "openapi.json", "runs"):
        assert client.get(f"{API}/{path}?{ADDED}").status_code == 200
    refused(client.get(f"{API}/generate?sed=7&{ADDED}"), 422, "Unknown parameter 'sed'")
    refused(client.get(f"{API}/generate?seed=7&seed=8&{ADDED}"), 422, "given 2 times")
    # Whoever writes a body has written all of it.
    body = {"seeds": [1], "fbclid": "x"}
    refused(client.post(f"{API}/generate", json=body), 422, "Unknown parameter 'fbclid'")


def test_no_parameter_of_ours_looks_like_a_tracker():
    kinds = [kind for kind in vars(requests).values() if isinstance(kind, type)]
    names = {n for kind in kinds if issubclass(kind, BaseModel) for n in kind.model_fields}
    assert {"seed", "hair", "frames"} <= names and not any(map(is_tracker, names))
    assert is_tracker("UTM_Campaign") and not is_tracker("seeds")
