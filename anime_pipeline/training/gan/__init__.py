"""What both adversarial stages share: the state and its updates, the task that the loop drives."""

from anime_pipeline.core.machine import import_keras_quietly

# Before any module here does it: Keras fixes its backend on first import.
import_keras_quietly()
