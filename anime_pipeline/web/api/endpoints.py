"""Endpoints: each is declared once, and its route and its place in OpenAPI are made from that."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from flask import Blueprint, Response, request
from pydantic import BaseModel

from anime_pipeline import __version__
from anime_pipeline.web.api.reading import read_form, read_json, read_query
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.static_files import FOREVER

PREFIX = "/api/v1"
PNG, GIF, JSON, FORM = "image/png", "image/gif", "application/json", "multipart/form-data"

Function = Callable[..., Any]


@dataclass(frozen=True)
class Endpoint:
    """An operation of the API.

    Attributes:
        function: Answers it. Is given, as far as there are any: the request that was read as
            `asked`, whose annotation is its type; which of several media types is wanted as `kind`;
            the parts of the path by their names. Returns a response type, the content of a file, or
            a whole `Response`; None for nothing. Its docstring's first line is the summary.
        method: ``"GET"``, ``"POST"``, ``"DELETE"``.
        path: Below `PREFIX`, as Flask writes it.
        name: The operation's name in OpenAPI.
        tag: What it is about.
        answers: The response type of each media type, the first by default; None for a file.
        body: A POST's media type.
        queue: What may refuse it before it is read: ``"faces"``, ``"uploads"``, or nothing.
        problems: Statuses that do not follow from all this.
        kept: Whether its answers have an ETag.
        before: Called before anything is read.
    """

    function: Function
    method: str
    path: str
    name: str
    tag: str
    answers: Mapping[str, type[BaseModel] | None]
    body: str = JSON
    queue: str = ""
    problems: tuple[int, ...] = ()
    kept: bool = False
    before: Callable[[], None] = lambda: None

    @cached_property
    def takes(self) -> type[BaseModel] | None:
        """The request's type: of a query, or of a POST's body."""
        found: type[BaseModel] | None = get_type_hints(self.function).get("asked")
        return found

    @property
    def label(self) -> str:
        """What Flask and the measurements call it."""
        return f"api.{self.function.__name__}"

    @property
    def summary(self) -> str:
        """What it does, in words."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0].rstrip(".")

    def view(self, **given: Any) -> Response:
        """Answer the current request."""
        kind = _wanted(tuple(self.answers)) if self.answers else JSON
        self.before()
        if self.takes:
            given["asked"] = self._read(self.takes)
        if len(self.answers) > 1:
            given["kind"] = kind
        answer = self.function(**given)
        if answer is None:
            answer = Response(status=204)
        elif isinstance(answer, BaseModel):
            answer = Response(as_json(answer), content_type=JSON)
        elif not isinstance(answer, Response):
            answer = Response(answer, content_type=kind)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _read(self, kind: type[BaseModel]) -> BaseModel:
        if self.method == "GET":
            return read_query(kind, request.args.to_dict(flat=False))
        if request.mimetype != self.body:
            raise Problem(415, f"Received {request.mimetype or 'no type'}. Send {self.body}.")
        if self.body == FORM:
            return read_form(kind, request)
        return read_json(kind, request.get_data(cache=False))


class Endpoints(list[Endpoint]):
    """Endpoints, of one file or of a whole app."""

    def add(self, method: str, path: str, **declared: Any) -> Callable[[Function], Function]:
        """Make a function an endpoint; see `Endpoint` for what is declared."""

        def decorate(function: Function) -> Function:
            self.append(Endpoint(function, method, path, **declared))
            return function

        return decorate

    def blueprint(self) -> Blueprint:
        """Return their routes."""
        made = Blueprint("api", __name__, url_prefix=PREFIX)
        for one in self:
            made.add_url_rule(one.path, one.function.__name__, one.view, methods=[one.method])
        return made


def as_json(answer: BaseModel) -> bytes:
    """Return a response as JSON."""
    return answer.model_dump_json(exclude_unset=True).encode()


def kept(kind: str, facts: Any, content: Callable[[], bytes], forever: bool = False) -> Response:
    """Answer with what `content` computes, unless the client has it already.

    Args:
        kind: Its media type.
        facts: All that it depends on beside the version, as JSON can say it.
        content: Computes it.
        forever: Whether that can never change.
    """
    told = json.dumps([__version__, kind, facts], sort_keys=True)
    etag = hashlib.sha256(told.encode()).hexdigest()[:32]
    known = request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(etag)
    response = Response(status=304) if known else Response(content(), content_type=kind)
    response.set_etag(etag)
    response.headers["Vary"] = "Accept"
    if request.method == "POST":
        return response
    response.headers["Cache-Control"] = FOREVER if forever else "no-cache"
    return response


def unless_known(answer: Response | str) -> Response:
    """Return an answer, or word that nothing is new to who has it: pages ask every few seconds."""
    response = Response(answer, mimetype="text/html") if isinstance(answer, str) else answer
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


def _wanted(kinds: tuple[str, ...]) -> str:
    """Return which of `kinds` the client prefers; the first of those that it likes equally."""
    accepted = request.accept_mimetypes
    if len(kinds) == 1 or not accepted:
        return kinds[0]
    best = max(kinds, key=accepted.quality)
    if not accepted.quality(best):
        raise Problem(406, f"Accept allows none of {', '.join(kinds)}. Ask for one of these.")
    return best
