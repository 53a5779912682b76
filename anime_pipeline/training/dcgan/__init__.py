"""Stage one: a DCGAN that draws faces."""

from anime_pipeline.core.machine import import_keras_quietly

import_keras_quietly()
