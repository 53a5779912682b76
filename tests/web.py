"""What the tests of the web app share: an app, its client, pictures to send."""

import io
import time
import urllib.request
from contextlib import contextmanager

import numpy as np
from children import PATIENCE_S
from PIL import Image
from running import running
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart


def picture_bytes(width=16, height=16, kind="PNG", mode="RGB"):
    """Return a picture file of smooth colours."""
    ramp = np.linspace(0, 255, width * height * len(mode)).reshape(height, width, len(mode))
    buffer = io.BytesIO()
    array = ramp.astype(np.uint8)
    Image.fromarray(array[..., 0] if mode == "L" else array).save(buffer, kind)
    return buffer.getvalue()


def decoded(content):
    """Return a picture file's pixels."""
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


def form_of(content, name="picture.png", **fields):
    """Return the form that sends a picture, and its content type."""
    file = FileStorage(io.BytesIO(content), name)
    # Encoded here: Flask's client itself would leave a temporary file open.
    boundary, body = encode_multipart({"image": file, **{k: str(v) for k, v in fields.items()}})
    return body, f"multipart/form-data; boundary={boundary}"


def upload(client, content, name="picture.png", **fields):
    """Send a picture to be enlarged."""
    body, kind = form_of(content, name, **fields)
    return client.post("/api/v1/upscale", data=body, content_type=kind)


@contextmanager
def served(folder, *options):
    """Run the real server on a free port; gives its process and address."""
    with running(folder, *options, python_options=("-W", "error")) as found:
        yield found


def fetch(url, timeout=PATIENCE_S, **headers):
    """Return status, headers and body of a GET, whatever the status."""
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def wait_until(holds, seconds=PATIENCE_S):
    """Wait for a condition, and fail if it does not come true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
