"""What the parts of one app share: models, worker, limits, measurements."""

from __future__ import annotations

from typing import Any

from flask import current_app

from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.models.jobs import compute
from anime_pipeline.web.models.tickets import Tickets
from anime_pipeline.web.models.uploads import Uploads
from anime_pipeline.web.models.worker import Worker
from anime_pipeline.web.serving.clients import RateLimits
from anime_pipeline.web.serving.measurements import Measurements
from anime_pipeline.web.serving.settings import Settings
from anime_pipeline.web.serving.shared import Shared
from anime_pipeline.web.serving.shedding import Shedding

EXTENSION = "anime_pipeline"


class Services:
    """Everything that outlives a request.

    Attributes:
        settings: How the server shall behave.
        catalogue: The models.
        worker: Computes with them.
        uploads: Pictures that are enlarged.
        limits: How much each client may ask for.
        measurements: Counters.
        shedding: The whole app, behind what refuses while it is full.
        openapi: The OpenAPI document, not to be changed.
    """

    shedding: Shedding

    def __init__(self, settings: Settings, openapi: dict[str, Any]) -> None:
        """Load the models and start their worker."""
        self.settings, self.openapi = settings, openapi
        # First, as these are what can fail.
        shared = Shared(settings.rate_limit_storage) if settings.rate_limit_storage else None
        self.catalogue = Catalogue(settings.checkpoint, settings.upscaler, settings.checkpoints)
        self.worker = Worker(compute, settings.queue)
        self.uploads = Uploads(self.worker, Tickets(shared))
        self.limits = RateLimits(
            shared, faces=settings.rate_limit, uploads=settings.upload_rate_limit
        )
        self.measurements = Measurements(
            lambda: self.worker.waiting, lambda: bool(shared and shared.reached)
        )
        self.worker.on_batch = self.measurements.on_batch


def services() -> Services:
    """Return those of the app that handles the current request."""
    found: Services = current_app.extensions[EXTENSION]
    return found
