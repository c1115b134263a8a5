"""Groups of options that know their names and values: a misspelt or an unknown one is an error."""

from collections.abc import Callable
from typing import Any


class Option:
    """One option: its first value is the default, and the values are the only ones; or a default and a check."""

    def __init__(self, *values: Any, check: Callable[[Any], bool] | None = None, allowed: str | None = None) -> None:
        self.default = values[0]
        self._values = values
        self._check = check
        self._allowed = allowed or ", ".join(map(repr, values))

    def require(self, name: str, value: Any) -> None:
        """ValueError if the option does not take this value."""
        fits = self._check(value) if self._check else value in self._values
        if not fits:
            raise ValueError(f"{name} is {value!r}, allowed: {self._allowed}")


class Options:
    """Options as attributes. A subgroup is read, and its options set: `config.debug.graph_dump.type = "py"`."""

    def __init__(self, name: str, **options: "Option | Options") -> None:
        values = {key: option.default if isinstance(option, Option) else option for key, option in options.items()}
        self.__dict__.update(_name=name, _options=options, **values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(self._no_option(name))

    def __setattr__(self, name: str, value: Any) -> None:
        option = self._options.get(name)
        if not isinstance(option, Option):
            raise AttributeError(self._no_option(name))
        option.require(f"{self._name}.{name}", value)
        self.__dict__[name] = value

    def _no_option(self, name: str) -> str:
        if name.startswith("__"):
            return name
        return (
            f"{self._name} has no option {name!r} to set; options: {', '.join(self._options)}. "
            "This is a8w8's stand-in for torchair: options that promise more than running the graph are not there"
        )
