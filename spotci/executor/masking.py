"""Masking: no secret gets through, however the output is cut into pieces.

Every occurrence of a masked value becomes ``[MASKED]``, and so do the forms that it
takes when a script encodes it: base64 in its three alignments, URL, JSON and the
quoting of a shell. Of overlapping occurrences the whole stretch is replaced. Tokens of
GitLab's own (``glpat-…``) and secrets in the query of a URL are masked unasked, as
GitLab Runner does ("Mask a CI/CD variable").

One RE2 automaton looks for all of it in one pass; only what holds a secret pays more.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MINIMUM_LENGTH", "MaskStream", "Secrets"]

MASK = b"[MASKED]"
#: Shorter values would turn a log into noise; GitLab asks for eight characters.
MINIMUM_LENGTH = 4
#: An encoded form shorter than this would hide words that are no secret.
_ENCODED_MINIMUM = 8
#: A beginning of a pattern this long is looked for at the end of a piece.
_SEED = 4

#: What is masked unasked: behind the head of a token, and in a URL's query.
_HEADS = (
    r"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct|wt)-",
    (
        r"(?i:[?&](?:private[-_]token|authenticity[-_]token|rss[-_]token"
        r"|x-amz-(?:signature|security-token|credential)))="
    ),
)
_TAILS = (r"[0-9A-Za-z_.=\-]{16,}", r"[^\s&\"'\x00]+")
_UNASKED = "|".join(
    f"(?:{head}){tail}" for head, tail in zip(_HEADS, _TAILS, strict=True)
)
_UNASKED_PARTS = re.compile(
    "|".join(
        f"(?:{head})({tail})" for head, tail in zip(_HEADS, _TAILS, strict=True)
    ).encode()
)


class Secrets:
    """The values that must not be seen in the log of a job.

    ``too_short`` counts those that are not masked, as they are shorter than
    :data:`MINIMUM_LENGTH` bytes.
    """

    def __init__(self, values: Iterable[str]) -> None:
        known = {value for value in values if value}
        masked = {value for value in known if len(_encoded(value)) >= MINIMUM_LENGTH}
        self.too_short = len(known) - len(masked)
        forms = {form for value in masked for form in _forms(value)}
        # The mask itself must not be masked: "[[MASKED]]".
        self.patterns = tuple(
            sorted((form for form in forms if form not in MASK), key=len, reverse=True)
        )

    def mask(self, data: bytes) -> bytes:
        """Return the bytes with every secret replaced."""
        stretches = self.stretches(data)
        return _replaced(data, stretches) if stretches else data

    def mask_text(self, text: str) -> str:
        """Return the text with every secret replaced."""
        return self.mask(_encoded(text)).decode("utf-8", "replace")

    def stretches(self, data: bytes) -> list[tuple[int, int]]:
        """Return where secrets lie, in order; those that overlap as one."""
        if self._automaton.search(data) is None:
            return []
        found = [
            *(
                (start, start + len(pattern))
                for pattern in self.patterns
                for start in _occurrences(data, pattern)
            ),
            *_unasked(data),
        ]
        return _merged(sorted(found))

    def unfinished(self, data: bytes) -> int:
        """Return where the longest end of ``data`` lies that may begin a secret.

        That is ``len(data)`` where no secret can begin in it and end behind it.
        """
        patterns = self._multiline if data.endswith(b"\n") else self.patterns
        earliest = len(data)
        for pattern in patterns:
            start = _unfinished(data, pattern)
            earliest = min(earliest, start)
        return earliest

    @cached_property
    def _automaton(self) -> re.Pattern[bytes]:
        import re2  # noqa: PLC0415 - 15 ms, and only jobs need it

        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.never_capture = True
        literals = [_latin1_literal(pattern) for pattern in self.patterns]
        expression = "|".join([*literals, _UNASKED])
        compiled: re.Pattern[bytes] = re2.compile(expression.encode(), options)
        return compiled

    @cached_property
    def _multiline(self) -> tuple[bytes, ...]:
        return tuple(pattern for pattern in self.patterns if b"\n" in pattern)


class MaskStream:
    """Masks a stream of bytes. What may be the beginning of a secret is held back.

    No more is held back than the length of the longest secret.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = b""
        #: How many of the held bytes lie under a mask that is out already.
        self._covered = 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, and return those that are safe to show."""
        data = self._held + data if self._held else data
        return self._take(data, self._secrets.unfinished(data))

    def flush(self) -> bytes:
        """Return what was held back: nothing follows."""
        return self._take(self._held, len(self._held))

    def _take(self, data: bytes, end: int) -> bytes:
        """Return the masked bytes before ``end``, and hold back those behind it."""
        covered, self._covered = self._covered, 0
        self._held = data[end:]
        stretches = self._secrets.stretches(data)
        if not covered and not stretches:
            return data[:end]
        if covered:
            stretches = _merged(sorted([(0, covered), *stretches]))
        parts = []
        position = 0
        for start, stop in stretches:
            # A stretch that goes on from the piece before has its mask already.
            goes_on = covered > 0 and start == 0
            if start >= end and not goes_on:
                break
            parts.append(data[position:start])
            if not goes_on:
                parts.append(MASK)
            position = stop
            if stop > end:
                self._covered = stop - end
        parts.append(data[position:end])
        return b"".join(parts)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _forms(value: str) -> Iterator[bytes]:
    """Yield the forms in which a value may be printed."""
    plain = value.rstrip("\r\n")
    texts = {plain, value.replace("\r\n", "\n").rstrip("\n")}
    # Of several lines each is a secret: a log shows it by lines.
    texts.update(line.strip("\r") for line in value.split("\n"))
    for text in texts:
        raw = _encoded(text)
        if len(raw) < MINIMUM_LENGTH:
            continue
        yield raw
        yield from _quoted_forms(text)
        yield from _base64_forms(raw)
    yield from _base64_forms(_encoded(value))


def _quoted_forms(text: str) -> Iterator[bytes]:
    """Yield the text as URLs, JSON and the traces of a shell write it."""
    encodable = _encoded(text).decode("utf-8", "replace")
    url = {quote(encodable, safe=""), quote(encodable), quote_plus(encodable)}
    for form in url:
        yield form.encode()
        yield re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), form).encode()
    for ascii_only in (True, False):
        form = json.dumps(encodable, ensure_ascii=ascii_only)[1:-1]
        yield form.encode()
        yield form.replace("/", "\\/").encode()
    for quote_mark in ("'\\''", "'\"'\"'"):
        yield _encoded(text.replace("'", quote_mark))


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of the bytes behind 0, 1 and 2 other bytes.

    The characters that depend on the neighbours are left out.
    """
    for shift in range(3):
        padded = bytes(shift) + raw
        first = -(-shift * 8 // 6)
        last = len(padded) * 8 // 6
        form = b64encode(padded)[first:last]
        if len(form) >= _ENCODED_MINIMUM:
            yield form
            yield form.translate(bytes.maketrans(b"+/", b"-_"))


def _latin1_literal(pattern: bytes) -> str:
    r"""Return the bytes as an expression: ``\x`` forms for all but letters."""
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}"  # noqa: PLR2004 - ASCII
        for byte in pattern
    )


def _occurrences(data: bytes, pattern: bytes) -> Iterator[int]:
    start = data.find(pattern)
    while start >= 0:
        yield start
        start = data.find(pattern, start + 1)


def _unasked(data: bytes) -> Iterator[tuple[int, int]]:
    for match in _UNASKED_PARTS.finditer(data):
        yield match.span(match.lastindex or 0)


def _merged(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in stretches:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _replaced(data: bytes, stretches: list[tuple[int, int]]) -> bytes:
    parts = []
    position = 0
    for start, stop in stretches:
        parts += [data[position:start], MASK]
        position = stop
    return b"".join([*parts, data[position:]])


def _unfinished(data: bytes, pattern: bytes) -> int:
    """Return where the longest end of ``data`` lies that begins ``pattern``."""
    position = max(0, len(data) - len(pattern) + 1)
    seed = pattern[:_SEED]
    start = data.find(seed, position)
    while start >= 0:
        if pattern.startswith(data[start:]):
            return start
        start = data.find(seed, start + 1)
    for length in range(min(_SEED, len(pattern), len(data) + 1) - 1, 0, -1):
        if data.endswith(pattern[:length]):
            return len(data) - length
    return len(data)
