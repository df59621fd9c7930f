"""What can go wrong, named. Every message says where, and ends with what to do."""

from json import JSONDecodeError


class NewsfilterError(Exception):
    """Base of all errors that newsfilter raises on purpose."""


class InputError(NewsfilterError):
    """A source that cannot be read at all: missing, unreadable, or in the way of its own output."""


class OutputError(NewsfilterError):
    """An output folder that must not, or can no longer, be written to."""


class SettingsError(NewsfilterError):
    """An unknown setting, or a value that a setting does not take."""


class ModelError(NewsfilterError):
    """A model file that is missing, damaged, of another format, or that scores differently here."""


class RecordError(NewsfilterError):
    """A provenance record that does not fit its body, or is no record."""


def json_fault(error: JSONDecodeError) -> str:
    """Return what is wrong with text that is not JSON, without the place that Python's messages lead up to ("Unterminated string starting at")."""
    return error.msg.removesuffix(" at").removesuffix(" starting")
