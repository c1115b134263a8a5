"""Processes that multiprocessing spawns from one with this layer get it, too, before they import their main module."""

import functools
import multiprocessing.spawn
from typing import Any

_KEY = "a8w8.compat"


class _InstalledWhenUnpickled:
    """Stands in the data that a spawned process reads first."""

    def __reduce__(self) -> Any:
        from . import install

        return install, ()


def install() -> None:
    """Adds the layer to what spawned processes, and those of a fork server, are told about themselves."""
    prepare = multiprocessing.spawn.get_preparation_data

    @functools.wraps(prepare)
    def get_preparation_data(name: str) -> dict[str, Any]:
        return {_KEY: _InstalledWhenUnpickled(), **prepare(name)}

    multiprocessing.spawn.get_preparation_data = get_preparation_data
