"""Parameters of a command from a TOML file, by the long names of its options."""

import argparse
import tomllib


class Several(argparse.Action):
    """An option that may be repeated. On the command line it replaces what a file of parameters says."""

    def __call__(self, parser, namespace, value, option_string=None):
        """Add a value to those before it."""
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [value] if given is None or given is self.default else [*given, value])


class ReadConfig(argparse.Action):
    """Makes what a file says the defaults of the command.

    Options that come before ``--config`` have been read by then, with the old defaults: the command line is read twice.
    """

    def __call__(self, parser, namespace, path, option_string=None):
        """Set the defaults, and let nothing be required that the file has."""
        setattr(namespace, self.dest, path)
        options = {
            name.removeprefix("--"): action
            for action in parser._actions
            for name in action.option_strings
            if name.startswith("--") and action.dest not in (self.dest, "help")
        }
        for name, value in _read(path).items():
            if name not in options:
                from skweight._parameters import did_you_mean  # slow to import

                dashed = name.replace("_", "-")
                nearest = did_you_mean(dashed, [dashed] if dashed in options else options)
                raise ValueError(f"{path} has the key {name!r}, which is no option. {nearest}")
            action = options[name]
            default = _convert(path, name, value, action)
            if default != action.default:  # the same list, read a second time, would look like one that was given
                action.default = default
            action.required = False


def _read(path):
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"--config {path} does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}.") from error


def _convert(path, name, value, action):
    """Turn a value of TOML into what the option would make of it on the command line."""
    if action.nargs == 0:  # a flag
        if not isinstance(value, bool):
            raise ValueError(f"{path}: {name} is a switch, expected true or false, got {value!r}.")
        return value
    if isinstance(value, dict):  # as in label-map = {0 = "negative"}
        value = [f"{key}={each}" for key, each in value.items()]
    values = value if isinstance(value, list) else [value]
    repeated = isinstance(action, Several)
    if isinstance(value, list) and not repeated:
        raise ValueError(f"{path}: {name} takes one value, got a list.")
    if any(isinstance(each, bool | dict | list) for each in values):
        raise ValueError(f"{path}: {name} takes a number or a text, got {value!r}.")
    try:
        values = [(action.type or str)(str(each)) for each in values]
    except ValueError as error:
        raise ValueError(f"{path}: {name} = {value!r}: {error}.") from error
    wrong = [each for each in values if action.choices is not None and each not in action.choices]
    if wrong:
        raise ValueError(f"{path}: {name} = {wrong[0]!r} is none of {', '.join(action.choices)}.")
    return values if repeated else values[0]
