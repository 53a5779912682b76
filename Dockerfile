# The server of anime-pipeline without TensorFlow and Keras: under 600 MB (python tools/image_size.py).
#     docker build --tag anime-pipeline . && docker run --rm --publish 127.0.0.1:8000:8000 anime-pipeline
# How to run it well: docs/serving.md.

# pip, its cache and the sources stay behind in this stage.
FROM python:3.11.15-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
# Before the sources: a change there does not install everything anew.
COPY requirements-serve.txt ./
RUN pip --python /opt/venv/bin/python install --only-binary :all: -r requirements-serve.txt
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY anime_pipeline anime_pipeline
RUN pip wheel --no-deps --wheel-dir wheels . \
    && pip --python /opt/venv/bin/python install --no-deps wheels/*.whl

FROM python:3.11.15-slim-bookworm
LABEL org.opencontainers.image.title="anime-pipeline" \
      org.opencontainers.image.description="Anime faces drawn and upscaled in the browser" \
      org.opencontainers.image.documentation="docs/serving.md" \
      org.opencontainers.image.licenses="MIT"
# A number, so that a mounted folder can be made readable for it, and Kubernetes sees it is not root.
RUN groupadd --gid 10001 anime \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
       --shell /usr/sbin/nologin anime
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PORT=8000
WORKDIR /app
# Training runs of one's own, to draw with and to look at; only ever read:
#     --volume "$PWD/checkpoints:/app/checkpoints:ro"
VOLUME ["/app/checkpoints"]
USER 10001:10001
EXPOSE 8000
# Without the environment's proxies: it asks this container. An answer such as 503 raises, exit code 1.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.build_opener(web.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ['PORT']}/readyz\", timeout=4)"]
# Exec form: the server is process 1 itself and hears SIGTERM. It reads $PORT.
CMD ["anime-pipeline", "serve", "--host", "0.0.0.0"]
