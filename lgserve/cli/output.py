"""What commands write to stdout: tables for people, the same in columns for pipes, JSON."""

from __future__ import annotations

import json
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lgserve.cli.errors import say, usage_error
from lgserve.cli.streams import writing

Format = Literal["table", "json", "jsonl", "yaml", "id"]
TimeStyle = Literal["relative", "iso", "local", "epoch"]
Row = Mapping[str, Any]

_STATUS_COLORS = {
    "success": "32", "busy": "36", "running": "36", "pending": "33", "interrupted": "33",
    "error": "31", "timeout": "31",
}  # fmt: skip
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: its value in the API's object, and what kind of value it is."""

    name: str
    path: str
    kind: Literal["text", "id", "time", "status", "number", "json"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """How the objects of one kind are written."""

    #: What `-o id` writes: a field of the API's, or one that `derive` adds.
    id_field: str
    columns: Sequence[Column]
    #: What the API's object may have, for those who ask for a field that this one lacks.
    fields: Sequence[str]
    #: Adds what columns show and the API does not say outright.
    derive: Callable[[Row], Row] = dict


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Writes results as the user asked for them."""

    format: Format = "table"
    fields: tuple[str, ...] = ()
    color: bool = False
    terminal: bool = False
    times: TimeStyle | None = None
    quiet: bool = False
    now: Callable[[], float] = time.time

    def rows(self, noun: Noun, rows: Sequence[Row]) -> None:
        """Write a list."""
        if self.format == "table":
            columns = self._columns(noun, rows)
            self._table(columns, [noun.derive(row) for row in rows])
        elif self.format == "id":
            write("".join(f"{noun.derive(row)[noun.id_field]}\n" for row in rows))
        elif self.format == "jsonl":
            write("".join(f"{_json(row)}\n" for row in self._picked(noun, rows)))
        else:
            self._document(self._picked(noun, rows))

    def item(self, noun: Noun, item: Row, lines: Sequence[tuple[str, str]]) -> None:
        """Write one object; `lines` are its label and value pairs for people."""
        if self.format in ("id", "jsonl"):
            self.rows(noun, [item])
        elif self.format != "table":
            self._document(self._picked(noun, [item])[0])
        elif self.fields:
            derived = noun.derive(item)
            self._pairs([(c.name, self._text(c, derived)) for c in self._columns(noun, [item])])
        else:
            self._pairs(lines)

    def value(self, value: Any) -> None:
        """Write a value that is no object of the API's: a state, the result of a run."""
        if self.format == "jsonl":
            write(f"{_json(value)}\n")
        else:
            self._document(value)

    def note(self, text: str) -> None:
        """Say something about the result to people, on stderr."""
        if not self.quiet:
            say(text)

    def time(self, value: object) -> str:
        """Write a moment of the API as people want it: relative on a terminal, ISO in a pipe."""
        moment = _moment(value)
        if moment is None:
            return ""
        style = self.times or ("relative" if self.terminal else "iso")
        if style == "relative":
            return age(self.now() - moment.timestamp())
        if style == "epoch":
            return f"{moment.timestamp():.3f}"
        return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if style == "local" else str(value)

    def identifier(self, value: object) -> str:
        """Write an id: short on a terminal, whole in a pipe."""
        return short_id(str(value)) if self.terminal else str(value)

    def _columns(self, noun: Noun, rows: Sequence[Row]) -> Sequence[Column]:
        """Return the columns asked for, or the usual ones; refuse fields that do not exist."""
        if not self.fields:
            return noun.columns
        named = {column.name: column for column in noun.columns}
        known = {*noun.fields, *named, *(key for row in rows for key in row)}
        for name in self.fields:
            if name not in named and name.split(".")[0] not in known:
                raise usage_error(f"no field {name!r}", f"fields: {', '.join(sorted(known))}")
        return [named.get(name) or Column(name=name, path=name) for name in self.fields]

    def _picked(self, noun: Noun, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the API's objects, or only the fields asked for."""
        if not self.fields:
            return rows
        columns = self._columns(noun, rows)
        return [{c.name: _lookup(row, c.path) for c in columns} for row in map(noun.derive, rows)]

    def _document(self, value: Any) -> None:
        write(_yaml(value) if self.format == "yaml" else _json(value, indent=2) + "\n")

    def _table(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        cells = [[self._text(column, row) for column in columns] for row in rows]
        heads = [column.name.upper() for column in columns]
        if self.terminal:
            write(_draw(columns, heads, cells, color=self.color))
        else:
            write("".join("\t".join(map(_one_line, line)) + "\n" for line in [heads, *cells]))

    def _pairs(self, lines: Sequence[tuple[str, str]]) -> None:
        if self.terminal:
            width = max((len(label) for label, _ in lines), default=0)
            write("".join(f"{label:<{width}}  {_one_line(text)}\n" for label, text in lines))
        else:
            write("".join(f"{label}\t{_one_line(text)}\n" for label, text in lines))

    def _text(self, column: Column, row: Row) -> str:
        value = _lookup(row, column.path)
        if value is None or (value == {} and column.kind != "json"):
            return ""
        if column.kind == "time":
            return self.time(value)
        if column.kind == "id":
            return self.identifier(value)
        if column.kind == "json" or not isinstance(value, Mapping):
            return _plain(value)
        return pairs(value)


def write(text: str) -> None:
    """Write to stdout and be sure that it arrived, so that a closed pipe shows here.

    Raises:
        CliError: the disk is full, or the like.
    """
    with writing():
        sys.stdout.write(text)
        sys.stdout.flush()


def pairs(value: Mapping[str, Any]) -> str:
    """Write a mapping as `key=value key=value`."""
    return " ".join(f"{key}={_plain(item)}" for key, item in value.items())


def age(seconds: float) -> str:
    """Write how long ago something was: `12s ago`."""
    if seconds < 0:
        return f"in {-seconds:.0f}s"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f}{unit} ago"
    return f"{seconds:.0f}s ago"


def duration(seconds: float) -> str:
    """Write a length of time: `3 ms`, `2.11 s`, `4 m 10 s`, `2 h 14 m`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} m"


def size(count: int) -> str:
    """Write a number of bytes: `16 B`, `1.4 KB`, `48.2 MB`."""
    amount, unit = float(count), "B"
    for larger in ("KB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def short_id(value: str) -> str:
    """Shorten an id to a prefix that is still one of a kind: UUIDv7 needs its milliseconds."""
    return value[:13] if value[14:15] == "7" else value[:8]


def seconds_between(start: object, end: object) -> float | None:
    """Return the seconds between two moments of the API."""
    first, last = _moment(start), _moment(end)
    return (last - first).total_seconds() if first and last else None


def timestamp(value: object) -> float:
    """Return a moment of the API as seconds since the epoch; 0 when there is none."""
    moment = _moment(value)
    return moment.timestamp() if moment else 0.0


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _lookup(row: Row, path: str) -> Any:
    """Return the value at a dotted path, or None."""
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _one_line(text: str) -> str:
    """Keep a cell in its cell, and escape sequences out of the terminal."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split())
    )


def _json(value: Any, indent: int | None = None) -> str:
    separators = None if indent else (",", ":")
    return json.dumps(value, indent=indent, ensure_ascii=False, separators=separators)


def _yaml(value: Any) -> str:
    import yaml  # only for those who ask for it

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def _draw(
    columns: Sequence[Column], heads: Sequence[str], cells: Sequence[Sequence[str]], *, color: bool
) -> str:
    """Draw an aligned table that fits the terminal: texts give way, ids and numbers do not."""
    lines = [[_one_line(text) for text in line] for line in cells]
    widths = [max(map(_width, column)) for column in zip(heads, *lines, strict=True)]
    least = [
        len(head) if c.kind in ("text", "json") else w
        for c, head, w in zip(columns, heads, widths, strict=True)
    ]
    room = shutil.get_terminal_size((100, 24)).columns - 2 * (len(columns) - 1)
    while sum(widths) > room and (soft := [i for i, w in enumerate(widths) if w > least[i]]):
        widest = max(soft, key=lambda i: widths[i])
        widths[widest] = max(least[widest], widths[widest] - (sum(widths) - room))
    drawn = [_draw_line(columns, heads, widths, dict.fromkeys(heads, "2") if color else {})]
    drawn += [_draw_line(columns, line, widths, _STATUS_COLORS if color else {}) for line in lines]
    return "".join(f"{line}\n" for line in drawn)


def _draw_line(
    columns: Sequence[Column],
    cells: Sequence[str],
    widths: Sequence[int],
    colors: Mapping[str, str],
) -> str:
    drawn = []
    for column, text, width in zip(columns, cells, widths, strict=True):
        cut = _cut(text, width)
        blanks = " " * (width - _width(cut))
        code = colors.get(text)
        painted = f"\x1b[{code}m{cut}\x1b[0m" if code else cut
        drawn.append(blanks + painted if column.kind == "number" else painted + blanks)
    return "  ".join(drawn).rstrip()


def _cut(text: str, width: int) -> str:
    """Shorten a text to a width, with a sign that it goes on."""
    if _width(text) <= width:
        return text
    kept = text[:width]
    while _width(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept}…"


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)
