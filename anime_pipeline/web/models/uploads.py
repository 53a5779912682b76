"""Uploads: decoded, then enlarged a tile at a time, while their senders can ask how far it is."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import Future

from cachetools import LRUCache

from anime_pipeline.images.writing.png_stream import write_png_strips
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.spec import SOFTWARE, WEIGHTS
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.models.decoders import decode
from anime_pipeline.web.models.jobs import LongJob, nothing
from anime_pipeline.web.models.worker import Worker

# Others are served between two tiles, so they must be small: this one takes about a third of a
# second on two cores.
TILE_PX = 96
KEPT_TICKETS = 200


class Uploads:
    """Enlarges pictures, and keeps how far the latest are under names that senders chose."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._found: LRUCache[str, LongJob] = LRUCache(KEPT_TICKETS)
        self._lock = threading.Lock()

    def _open(self, name: str | None) -> LongJob:
        """Begin one; without a name nobody can ask for it."""
        job = LongJob(nothing)
        if name is None:
            return job
        with self._lock:
            if name in self._found and self._found[name].state != "done":
                raise Problem(409, f"The ticket {name!r} is in use. Choose another.")
            self._found[name] = job
        return job

    def get(self, name: str) -> LongJob:
        """Return one.

        Raises:
            Problem: 404 if it is unknown.
        """
        with self._lock:
            if name not in self._found:
                raise Problem(404, f"No upload has the ticket {name[:64]!r}. Check its name.")
            return self._found[name]

    def enlarge(
        self,
        content: bytes,
        load: Callable[[], Upscaler],
        scale: int,
        timeout_s: float,
        name: str | None = None,
        gone: Future[None] | None = None,
    ) -> tuple[tuple[int, int], bytes]:
        """Enlarge a picture.

        Args:
            content: Its file.
            load: Gives the network; only once the name can be asked for, as loading takes a while.
            scale: How many times.
            timeout_s: How long that may take, once it is decoded.
            name: Under which its progress can be asked for.
            gone: Done once nobody wants it any more.

        Returns:
            Width and height of what was sent, and a PNG of the result.

        Raises:
            Problem: 409 if the name is in use; else see `decode` and `Worker.run_long`.
        """
        job = self._open(name)

        def unwanted() -> bool:
            return job.future.cancelled() or (gone is not None and gone.done())

        def work(pause: Callable[[], None]) -> bytes:
            def advance(done: int, total: int) -> None:
                pause()
                job.advance(done, total)

            advance(0, 0)
            result = Enlarger(upscaler, Target(scale), most_tile_px=TILE_PX)(picture, advance)
            buffer = io.BytesIO()
            write_png_strips(buffer, result.size, result.channels, result.strips, text)
            return buffer.getvalue()

        try:
            upscaler = load()
            text = SOFTWARE | {WEIGHTS["srgan"]: upscaler.weights.sha256}
            picture = decode(content, scale, unwanted)
            # A large file, of which nothing is needed any more, for minutes.
            del content
            job.work = work
            return picture.size, self._worker.run_long(job, timeout_s, gone)
        finally:
            # Names stay for a while, to be asked for; the picture and its result must not.
            job.end()
