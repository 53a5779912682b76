"""Stage two: an SRGAN that upscales 4x."""

from anime_pipeline.core.machine import import_keras_quietly

import_keras_quietly()
