"""What is measured once a machine and remembered.

Were it measured anew, a busy moment could start the same command and seed on another path. Settings
that change the speed count as another machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, read_regular
from anime_pipeline.core.machine import arithmetic_settings, cpu_name
from anime_pipeline.core.storage import atomic_write_json, cache_folder
from anime_pipeline.models import backend


def once_a_machine(
    name: str, measure: Callable[[], Any], is_possible: Callable[[Any], bool], detail: str = ""
) -> Any:
    """Return what `measure` found on this machine the first time.

    Args:
        name: Of the file in the cache.
        measure: Gives a JSON value.
        is_possible: Tells whether a remembered value can be one: files can be edited.
        detail: What else the value depends on.
    """
    path = cache_folder() / f"{name}.json"
    machine = ", ".join(filter(None, [cpu_name(), backend.name(), *arithmetic_settings(), detail]))
    try:
        remembered = dict(json.loads(read_regular(path, MAX_DOCUMENT_BYTES)))
    except (OSError, ValueError, TypeError):
        remembered = {}
    if machine not in remembered or not is_possible(remembered[machine]):
        remembered[machine] = measure()
        atomic_write_json(path, remembered)
    return remembered[machine]
