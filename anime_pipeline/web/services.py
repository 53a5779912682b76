"""What the parts of one app share: models, worker, limits, measurements."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from anime_pipeline.web.measurements import Measurements
from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.models.uploads import Tickets
from anime_pipeline.web.models.worker import Worker
from anime_pipeline.web.serving.limits import ClientLimits
from anime_pipeline.web.serving.settings import Settings
from anime_pipeline.web.serving.shedding import Shedding

EXTENSION = "anime_pipeline"


@dataclass(frozen=True)
class Services:
    """Everything that outlives a request."""

    settings: Settings
    catalogue: Catalogue
    worker: Worker
    limits: ClientLimits
    tickets: Tickets
    measurements: Measurements
    shedding: Shedding


def services() -> Services:
    """Return those of the app that handles the current request."""
    found: Services = current_app.extensions[EXTENSION]
    return found
