"""Schemathesis: whatever the OpenAPI document allows or forbids gets an answer that it describes.

The pictures are grey here, of the right sizes: what the networks draw is tested elsewhere, and
thousands of requests for dozens of faces would take days.
"""

from collections import Counter

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from web import picture_bytes

from anime_pipeline.web.api.openapi import document
from anime_pipeline.web.app import API, create_app
from anime_pipeline.web.services import EXTENSION
from anime_pipeline.web.serving.settings import Settings

QUICK, MANY = 25, 1600  # requests for each operation; two that take nothing need few

# What fits the description of an upload: the bytes alone cannot tell a generator.
for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
    pictures = st.builds(
        picture_bytes, st.integers(1, 9), st.integers(1, 9), st.just(kind), st.just("RGB")
    )
    schemathesis.openapi.media_type(f"image/{kind.lower()}", pictures)

schema = schemathesis.openapi.from_dict(document(API))


def grey(jobs):
    return [np.full((job.size, job.size, 3), 127, np.uint8) for job in jobs]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schema")
    made = create_app(Settings(checkpoints=folder / "checkpoints"))
    worker = made.extensions[EXTENSION].worker
    worker._compute = grey
    yield made
    worker.stop(20)


def check(case, app):
    # An empty list is no field at all in a form: what is sent then is right, not wrong.
    form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    assume(not (form and [] in case.body.values()))
    response = case.call(app=app)
    assert response.status_code < 500 or response.status_code == 503, response.text
    case.validate_response(response)


def limits(count):
    unhealthy = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(max_examples=count, deadline=None, suppress_health_check=unhealthy)


@schema.parametrize()
@limits(QUICK)
def test_every_answer_is_described(case, described):
    check(case, described)


answered = []


@pytest.mark.slow
@schema.parametrize()
@limits(MANY)
def test_ten_thousand_answers_are_described(case, described):
    check(case, described)
    answered.append(case.operation.label)


@pytest.mark.slow
def test_it_were_ten_thousand():
    print(Counter(answered))
    assert len(answered) >= 10_000
