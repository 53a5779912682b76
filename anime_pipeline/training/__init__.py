"""The functional training core: losses, steps, loop, callbacks, checkpoints."""

from anime_pipeline.core.machine import import_keras_quietly

# Before any module here does it: Keras fixes its backend on first import.
import_keras_quietly()
