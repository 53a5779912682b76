"""Training runs, which the pages' own routes answer."""

from __future__ import annotations

from anime_pipeline.web.api.endpoints import JSON, Endpoints
from anime_pipeline.web.api.responses import RunDetails, Runs
from anime_pipeline.web.pages import runs

ENDPOINTS = Endpoints()
_RUN = {"tag": "runs", "kept": True, "blueprint": "runs"}

ENDPOINTS.add("GET", "/runs", name="runs", answers={JSON: Runs}, **_RUN)(runs.list_all)
ENDPOINTS.add(
    "GET",
    "/runs/<stage>/<name>",
    name="run",
    answers={JSON: RunDetails},
    problems=(404,),
    **_RUN,
)(runs.one)
