"""Clients that mean harm, beside some that only want a face: what `serving.py --hostile` sends.

Uploads of 8 MB, uploads given up by their ticket or by closing the connection, pictures that only
cost time, heads and bodies that trickle in, answers that nobody fetches, and very many requests
sent at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable

import numpy as np
from PIL import Image

UPLOAD = "/api/v1/upscale"
TRICKLE_S, KEPT_S = 20.0, 20.0
PATIENCE_S = 120.0
SMALL_BUFFER = 4096
PIPELINED = 50


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def pictures() -> dict[str, bytes]:
    """Return files of nearly 8 MB: one that is a picture, and some that only cost time."""
    noise = np.random.default_rng(0).integers(0, 256, (1600, 1600, 3), dtype=np.uint8)
    good, small, photo = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.fromarray(noise).save(good, "PNG", compress_level=0)
    Image.fromarray(noise[:64, :64]).save(small, "PNG")
    Image.fromarray(noise[:16, :16]).save(photo, "JPEG")
    png, jpeg = small.getvalue(), photo.getvalue()
    return {
        "picture": good.getvalue(),
        # Soon done, so that the next is let in soon.
        "small picture": png[:33] + _chunk(b"prVt", bytes(7_900_000)) + png[33:],
        "many chunks": png[:33] + _chunk(b"prVt") * 600_000 + png[33:],
        "many comments": jpeg[:2] + b"\xff\xfe\x00\x02" * 1_900_000 + jpeg[2:],
        "nothing": bytes(7_900_000),
        "cut off": good.getvalue()[:4_000_000],
    }


def form(content: bytes, **fields: str) -> bytes:
    """Return a whole request that uploads a file."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    body = b"".join(parts) + (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--x--\r\n"
    )
    return (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
        f"multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class Hostile:
    """Sends one of each kind when asked to; what comes back is only counted."""

    def __init__(self, port: int, seed: int = 0) -> None:
        self._port = port
        self._random = random.Random(seed)  # noqa: S311 - a mix, no secret
        self._files = pictures()
        self._bombs = [name for name in self._files if not name.endswith("picture")]
        self.seen: Counter[str] = Counter()

    def kinds(self) -> dict[str, Callable[[], Awaitable[str]]]:
        """Return what can be sent."""
        return {
            "upload": self._upload,
            "given up": self._given_up,
            "abandoned": self._abandoned,
            "bomb": self._bomb,
            "slow": self._slow,
            "unfetched": self._unfetched,
            "pipelined": self._pipelined,
        }

    async def send(self, kind: str) -> None:
        """Send one."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                result = await self.kinds()[kind]()
        except (OSError, EOFError) as error:  # TimeoutError too
            result = type(error).__name__
        self.seen[f"{kind}: {result}"] += 1

    async def _ask(self, request: bytes) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            while await reader.read(2**16):
                pass
            return head.split(b" ", 2)[1].decode()
        finally:
            writer.close()

    async def _upload(self) -> str:
        kind = self._random.choices(["picture", "small picture"], [1, 9])[0]
        return await self._ask(form(self._files[kind]))

    async def _bomb(self) -> str:
        return await self._ask(form(self._files[self._random.choice(self._bombs)]))

    async def _given_up(self) -> str:
        ticket = f"hostile-{self._random.randrange(10**9)}"
        asked = asyncio.create_task(self._ask(form(self._files["picture"], ticket=ticket)))
        delete = (
            f"DELETE {UPLOAD}/{ticket} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        while not asked.done():
            await asyncio.sleep(0.2)
            with contextlib.suppress(OSError, EOFError):
                await self._ask(delete.encode())
        return await asked

    async def _abandoned(self) -> str:
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        request = form(self._files["picture"])
        cut = self._random.choice([len(request) // 2, len(request) - 10, len(request)])
        try:
            writer.write(request[:cut])
            await writer.drain()
            await asyncio.sleep(self._random.random() * 2)
        finally:
            writer.transport.abort()
        return "left"

    async def _slow(self) -> str:
        head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        request = form(self._files["picture"])
        writer.write(self._random.choice([head, request[:2000], request[: len(request) - 100]]))
        end = time.monotonic() + TRICKLE_S
        try:
            while time.monotonic() < end:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(1)
        finally:
            writer.close()
        return "was let" if not reader.at_eof() else "was ended"

    async def _unfetched(self) -> str:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(connection, ("127.0.0.1", self._port))
            path = self._random.choice(["openapi.json", "generate?count=16&seed=5&size=512"])
            request = f"GET /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            await loop.sock_sendall(connection, request * 20)
            await asyncio.sleep(KEPT_S)
        finally:
            connection.close()
        return "left"

    async def _pipelined(self) -> str:
        last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        return await self._ask(last.replace(b"Connection: close\r\n", b"") * PIPELINED + last)
