"""For other WSGI servers: ``gunicorn --workers 1 --threads 48 anime_pipeline.web.wsgi:app``.

Settings come from the environment, see `web.settings`. One worker process: each has a model thread
and a queue of its own, and one uses all cores already.
"""

from __future__ import annotations

import os

from anime_pipeline.web.app import create_app
from anime_pipeline.web.settings import Settings

app = create_app(Settings.from_environment(os.environ))
