"""Measurements for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
BATCH_SIZES = (1, 2, 4, 8, 16, 32)


class Measurements:
    """Counters of one app, in a registry of their own."""

    def __init__(
        self, waiting: Callable[[], float], shares: Callable[[], float] = lambda: 0
    ) -> None:
        """Take what tells how many requests wait, and whether rate limits are shared."""
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "anime_pipeline_requests_total",
            "Requests by endpoint, method and status.",
            ("endpoint", "method", "status"),
            registry=registry,
        )

        def histogram(
            name: str, meaning: str, *labels: str, buckets: Sequence[float] = SECONDS
        ) -> Histogram:
            name = f"anime_pipeline_{name}"
            return Histogram(name, meaning, labels, buckets=buckets, registry=registry)

        self.seconds = histogram(
            "request_seconds", "How long requests took, by endpoint.", "endpoint"
        )
        self.batch_seconds = histogram("batch_seconds", "How long the models took for a batch.")
        self.batch_size = histogram(
            "batch_pictures", "Pictures computed together.", buckets=BATCH_SIZES
        )
        Gauge(
            "anime_pipeline_waiting_requests",
            "Requests that wait for the models or are being worked on.",
            registry=registry,
        ).set_function(waiting)
        Gauge(
            "anime_pipeline_shared_limits",
            "1 while rate limits are counted together with other replicas, else 0.",
            registry=registry,
        ).set_function(shares)
        ProcessCollector(registry=registry)

    def on_batch(self, size: int, seconds: float) -> None:
        """Note a batch of the worker."""
        self.batch_size.observe(size)
        self.batch_seconds.observe(seconds)

    def count(self, endpoint: str, method: str, status: int) -> None:
        """Count an answer."""
        # Clients may call methods what they like, and each name would be kept for ever.
        known = method if method in METHODS else "other"
        self.requests.labels(endpoint, known, str(status)).inc()

    def install(self, app: Flask) -> None:
        """Time every request of an app."""

        @app.before_request
        def begin() -> None:
            g.begun = time.perf_counter()

        @app.after_request
        def end(response: Response) -> Response:
            endpoint = request.endpoint or "none"
            self.count(endpoint, request.method, response.status_code)
            if "begun" in g:
                self.seconds.labels(endpoint).observe(time.perf_counter() - g.begun)
            return response
