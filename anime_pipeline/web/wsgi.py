"""For other WSGI servers: ``gunicorn --workers 1 --threads 48 anime_pipeline.web.wsgi:app``.

Settings come from the environment, see `serving.settings`. One worker process: each has a model
thread and a queue of its own, and one uses all cores already. Slow clients are that server's
business, and that a client leaves is not noticed: both are what `serving.exchange` does under
`serve`.
"""

from __future__ import annotations

import os
import sys

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.web.app import create_app
from anime_pipeline.web.serving.settings import Settings

# How a worker tells gunicorn that to start it anew would not help; with other codes it is started
# again for ever.
CANNOT_LOAD = 4

try:
    app = create_app(Settings.from_environment(os.environ))
except PipelineError as error:
    print(f"Error: {error}", file=sys.stderr)
    raise SystemExit(CANNOT_LOAD) from None
