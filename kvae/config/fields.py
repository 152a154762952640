"""Fields of configuration dataclasses, and which values each may have.

Each field states once what it is for and which values are allowed. The values are checked when a
configuration is made, whether in Python or from a file, and the command line has an option for each
field.
"""

import dataclasses
import functools
import math
import numbers
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvae import registry
from kvae.errors import UsageError

LARGEST_INTEGER = 2**31 - 1
"""TensorFlow counts with 32 bits."""
LARGEST_FLOAT = 3.4e38
"""About the largest 32-bit float."""
_NUMBERS: Any = numbers.Real
_SHOWN = 80
"""The largest number of letters of a wrong value that an error shows."""


@dataclass(frozen=True)
class Option:
    """What a field is for, and which values are allowed.

    Attributes:
        help: At most one sentence that explains the field to people who choose a value.
        choices: The allowed names; None if the value is not one of a list of names.
        least: The smallest allowed value; None if there is no such limit.
        above: The value must be greater than this; None if there is no such limit.
        below: The value must be less than this; None if there is no such limit.
        most: The largest allowed value; None allows the largest number of the field's type.
        metavar: The placeholder for the value in help texts, such as `EPOCHS`.
        offered: Whether the command line has an option for it; if not, only code sets the field.
        needs: Values of other fields, such as `("prior=mixture", "prior=vamp")`. The field has an
            effect only with one of them.
    """

    help: str = ""
    choices: Collection[str] | None = None
    least: float | None = None
    above: float | None = None
    below: float | None = None
    most: float | None = None
    metavar: str | None = None
    offered: bool = True
    needs: tuple[str, ...] = ()


def option(default: Any = dataclasses.MISSING, **rules: Any) -> Any:
    """A field of a dataclass with rules for its values.

    Args:
        default: The field's default. A recipe must give a value if there is none.
        rules: The attributes of the field's `Option`.
    """
    return dataclasses.field(default=default, metadata={"option": Option(**rules)})


def options(config: Any) -> dict[str, Option]:
    """The options of a configuration dataclass by the names of their fields.

    Args:
        config: The dataclass, or an instance of it.
    """
    return {
        field.name: field.metadata["option"]
        for field in dataclasses.fields(config)
        if "option" in field.metadata
    }


def hints(config: Any) -> Mapping[str, Any]:
    """The type of each field of a configuration dataclass.

    Args:
        config: The dataclass itself.
    """
    return _hints(config)


@functools.cache
def _hints(config: Any) -> dict[str, Any]:
    # They are kept, because `typing` would evaluate them again in every call.
    return typing.get_type_hints(config)


def check(config: Any) -> None:
    """Refuse values that the fields of a dataclass do not allow, and turn lists into tuples.

    Args:
        config: An instance of a configuration dataclass.

    Raises:
        UsageError: A value has a wrong type, or is not allowed.
    """
    rules = options(config)
    for name, hint in hints(type(config)).items():
        value = getattr(config, name)
        require(_fits(value, hint), f"{name} must be {_described(hint)}, got {shown(value)}")
        if isinstance(value, list):
            # JSON has lists, but a frozen dataclass can be hashed only with tuples.
            items = (each if isinstance(each, str) else int(each) for each in value)
            object.__setattr__(config, name, tuple(items))
        if name in rules and value is not None:
            _check_range(name, value, rules[name])


def _check_range(name: str, value: Any, rule: Option) -> None:
    if rule.choices is not None:
        one_of(name, value, rule.choices)
    if isinstance(value, _NUMBERS) and not isinstance(value, bool):
        number = shown(value)
        if rule.below is not None:
            require(
                (rule.least or 0) <= value < rule.below,
                f"{name} must be {rule.least or 0:g} or more and below {rule.below:g}, "
                f"got {number}",
            )
        if rule.least is not None:
            require(
                rule.least <= value < math.inf,
                f"{name} must be {rule.least:g} or more, got {number}",
            )
        if rule.above is not None:
            require(value > rule.above, f"{name} must be greater than {rule.above:g}, got {number}")
        most = rule.most
        if most is None:
            most = LARGEST_INTEGER if isinstance(value, numbers.Integral) else LARGEST_FLOAT
        require(value <= most, f"{name} must be at most {most:,}, got {number}")


def check_keys(what: str, value: Any, needed: Sequence[str], known: Sequence[str] = ()) -> None:
    """Refuse a value that is not a JSON object with certain keys.

    Args:
        what: The name of the object in error messages.
        value: The contents of a JSON file, or a part of them.
        needed: Keys that must be there.
        known: All keys that are allowed; empty allows any.

    Raises:
        UsageError: `value` is not an object, lacks a key, or has a key that is not allowed.
    """
    require(isinstance(value, dict), f"{what} must be an object, got {shown(value)}")
    for name in needed:
        require(name in value, f"{what} has no {name!r}")
    for name in value if known else ():
        if name not in known:
            raise registry.unknown(f"{what} option", name, known)


def require(condition: bool, message: str) -> None:
    """Raise an error unless a condition holds.

    Args:
        condition: The condition.
        message: The message of the error.

    Raises:
        UsageError: The condition does not hold.
    """
    if not condition:
        raise UsageError(message)


def one_of(name: str, value: Any, known: Collection[str]) -> None:
    """Refuse a value that is not one of the allowed names.

    Args:
        name: The field's name.
        value: The field's value.
        known: The allowed names.

    Raises:
        UsageError: The value is not among them; the message suggests the nearest name.
    """
    require(isinstance(value, str), f"{name} must be a text, got {shown(value)}")
    if value not in known:
        raise registry.unknown(name, value, known)


def shown(value: Any) -> str:
    """A value as error messages show it, shortened if it is long.

    Args:
        value: Any value.
    """
    text = f"{value!r:.{_SHOWN}}" if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, each) for each in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        of = typing.get_args(hint)[0]
        return isinstance(value, list | tuple) and all(_fits(item, of) for item in value)
    if hint is str:
        return isinstance(value, str) and "\0" not in value
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    return isinstance(value, hint)


def _described(hint: Any) -> str:
    if isinstance(hint, types.UnionType):
        return " or ".join(_described(each) for each in typing.get_args(hint))
    known = {
        str: "a text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        type(None): "nothing",
        tuple[str, ...]: "texts",
    }
    return known.get(hint, "whole numbers")
