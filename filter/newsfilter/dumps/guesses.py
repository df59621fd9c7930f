"""What was guessed of the tables' columns, for the user to check: a wrong guess is a whole run for nothing."""

from collections.abc import Callable
from typing import Any

from newsfilter.dumps.plan import Planned

TOLD = 5  # different guesses that are told; run.json has up to `KEPT`
KEPT = 100  # a dump whose tables all differ has no use for more
_HOW = "guessed by their names; --text-field, --html-field, --url-field and --id-field take others"


class Guesses:
    """Collects guesses from shards as they are handed out, and tells of each different one once."""

    def __init__(self) -> None:
        self._uris: dict[str, dict[str, None]] = {}  # what was guessed -> the files, in order
        self._told = 0

    def add(self, planned: Planned) -> None:
        """Take in a shard."""
        if planned.said and (planned.said in self._uris or len(self._uris) < KEPT):
            self._uris.setdefault(planned.said, {})[planned.shard.uri] = None

    def tell(self, say: Callable[[str], None]) -> None:
        """Tell what was not told yet."""
        for said, uris in list(self._uris.items())[self._told : TOLD]:
            first, more = next(iter(uris)), len(uris) - 1
            say(f"note: {first}{f' and {more} more' if more else ''}: {said} ({_HOW})")
        if self._told <= TOLD < len(self._uris):
            say("note: other tables have other columns; run.json names them under guessed")
        self._told = len(self._uris)

    def content(self) -> list[dict[str, Any]]:
        """Return what ``run.json`` says: each guess, how many files it was made for, and the first of them."""
        return [{"columns": said, "files": len(uris), "first": next(iter(uris))} for said, uris in self._uris.items()]
