"""From what a person wrote to a setting's value; each parser raises ValueError with "must be …"."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path

Parser = Callable[[object], object]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([a-z]*)")
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


def text(value: object) -> str:
    """A text that is not empty."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError("must be text")


def texts(value: object) -> tuple[str, ...]:
    """A list of texts, or one text with commas."""
    items = value.split(",") if isinstance(value, str) else value
    if isinstance(items, list | tuple) and all(isinstance(item, str) for item in items):
        return tuple(item.strip() for item in items if item.strip())
    raise ValueError("must be a list of texts, or one text with commas")


def objects(value: object) -> tuple[str, ...]:
    """A list of objects in Python files or modules, or one text with commas."""
    found = texts(value)
    if all(all(path.rpartition(":")) for path in found):
        return found
    raise ValueError('must be a list of "./file.py:object" or "package.module:object"')


def switch(value: object) -> bool:
    """True or false, also as yes, no, on, off, 1, 0."""
    word = str(value).strip().lower()
    if isinstance(value, bool | int | str) and word in _TRUE | _FALSE:
        return word in _TRUE
    raise ValueError("must be true or false")


def choice(*words: str) -> Parser:
    """Make a parser that takes one of the words, in any case."""

    def parse(value: object) -> str:
        # An unquoted `off` is text in our YAML, but false in the YAML that other tools write.
        word = "off" if value is False and "off" in words else str(value).strip().lower()
        if word in words:
            return word
        raise ValueError(f"must be one of {', '.join(words)}")

    return parse


def whole(low: int, high: int | None = None) -> Parser:
    """Make a parser of whole numbers from `low` to `high`."""
    bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"

    def parse(value: object) -> int:
        number = _whole_number(value)
        if number is None or number < low or (high is not None and number > high):
            raise ValueError(f"must be a whole number {bounds}")
        return number

    return parse


def _whole_number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value):
        return int(value)
    return None


def seconds(value: object) -> float:
    """A duration above zero: a number of seconds, or 250ms, 30s, 5m, 2h, 7d."""
    amount = _quantity(value, _SECONDS | {"": 1.0})
    if amount is None or not 0 < amount < 1e10:
        raise ValueError(
            "must be a number of seconds above zero, or a duration such as 30s, 5m or 2h"
        )
    return amount


def seconds_or_zero(value: object) -> float:
    """A duration, or zero for none."""
    return 0.0 if _quantity(value, _SECONDS | {"": 1.0}) == 0 else seconds(value)


def size(value: object) -> int:
    """A size above zero: a number of bytes, or 512KB, 100MB, 2GiB (all powers of 1024)."""
    units = {unit + ending: n for unit, n in _BYTES.items() for ending in ("", "b", "ib")}
    amount = _quantity(value, {unit: float(n) for unit, n in units.items()})
    if amount is None or not 1 <= amount < 1e15:
        raise ValueError("must be a number of bytes above zero, or a size such as 100MB")
    return int(amount)


def _quantity(value: object, units: dict[str, float]) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _QUANTITY.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        return None
    return float(match[1]) * units[match[2]]


def shown_seconds(amount: float) -> str:
    """Write a duration in the largest unit that leaves no fraction, up to hours."""
    unit = next((unit for unit in ("h", "m", "s") if amount % _SECONDS[unit] == 0), "ms")
    return f"{amount / _SECONDS[unit]:g}{unit}" if amount else "0s"


def shown_size(amount: int) -> str:
    """Write a size in the largest unit that leaves no fraction."""
    unit = next(unit for unit in ("g", "m", "k", "") if amount % _BYTES[unit] == 0)
    return f"{amount // _BYTES[unit]}{unit.upper()}B" if unit else str(amount)


def data_folder(value: object) -> Path | None:
    """A folder, or `:memory:` for none."""
    if isinstance(value, str | Path) and str(value).strip():
        return None if str(value).strip() == ":memory:" else _folder(str(value).strip())
    raise ValueError("must be a folder, or :memory:")


def folders(value: object) -> tuple[Path, ...]:
    """A list of folders, or one text with commas."""
    if isinstance(value, list | tuple):
        value = [str(item) if isinstance(item, Path) else item for item in value]
    return tuple(_folder(item) for item in texts(value))


def _folder(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise ValueError("must be a folder that exists on this machine") from None


def pattern(value: object) -> str:
    """A regular expression."""
    expression = text(value)
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f"must be a regular expression ({error})") from None
    return expression


def url(value: object) -> str:
    """An address with http or https, without a slash at its end."""
    address = str(value).strip().rstrip("/")
    if re.fullmatch(r"https?://[^\s/]+(/\S*)?", address):
        return address
    raise ValueError("must be an address such as https://agents.example.com")


def proxies(value: object) -> tuple[str, ...]:
    """A list of addresses and networks, or one text with commas; `*` is all."""
    found = texts(value)
    for each in found:
        try:
            ipaddress.ip_network(each if each != "*" else "::/0", strict=False)
        except ValueError:
            raise ValueError(
                "must be addresses or networks such as 127.0.0.1 or 10.0.0.0/8, or *"
            ) from None
    return found


def mount_prefix(value: object) -> str:
    """A path that starts with a slash and does not end with one; empty for none."""
    prefix = value.strip() if isinstance(value, str) else None
    if prefix in {"", "/"}:
        return ""
    if prefix is None or not re.fullmatch(r"(/[\w.~-]+)+", prefix):
        raise ValueError('must be a path such as "/api", without a slash at its end')
    return prefix
