"""Where each letter of a JSON string stands in it, escapes and all."""

import re

_LETTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # one letter beyond U+FFFF, as two escapes
    r"|\\u[0-9a-fA-F]{4}|\\.|[^\\]",
    re.DOTALL,
)


def char_spans(token: str) -> list[tuple[int, int]]:
    r"""Return the span of each decoded letter in a JSON string, which includes its quotes.

    >>> char_spans('"a\\u0131\\n"')
    [(1, 2), (2, 8), (8, 10)]
    """
    return [match.span() for match in _LETTER.finditer(token, 1, len(token) - 1)]
