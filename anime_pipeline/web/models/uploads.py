"""Uploads: decoded, then enlarged a tile at a time, while their senders can ask how far it is."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from concurrent.futures import Future

from anime_pipeline.images.writing.png_stream import write_png_strips
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.spec import SOFTWARE, WEIGHTS
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.web.models.decoders import decode
from anime_pipeline.web.models.tickets import Tickets
from anime_pipeline.web.models.worker import Worker

# Others are served between two tiles, so they must be small: this one takes about a third of a
# second on two cores.
TILE_PX = 96


class Uploads:
    """Enlarges pictures.

    Attributes:
        tickets: Tell how far the latest are.
    """

    def __init__(self, worker: Worker, tickets: Tickets) -> None:
        self._worker = worker
        self.tickets = tickets

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
        job = self.tickets.open(name)

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
            tell = functools.partial(self.tickets.tell, name, job)
            return picture.size, self._worker.run_long(job, timeout_s, gone, tell)
        finally:
            # Names stay for a while, to be asked for; the picture and its result must not.
            job.end()
            self.tickets.tell(name, job)
