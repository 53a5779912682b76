"""The functional training core: losses, steps, loop, callbacks, checkpoints."""

from anime_pipeline.core.machine import select_backend

# Keras fixes its backend on first import, so the choice must come before any module here loads it.
select_backend()
