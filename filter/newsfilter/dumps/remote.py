"""Remote storage by URL, through fsspec: s3://, gs://, https://, memory:// and whatever else it knows."""

import re
from collections.abc import Iterator
from typing import Any, cast

from newsfilter.dumps.failures import MissingLibraryError
from newsfilter.errors import InputError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "http": "https", "https": "https"}  # by scheme; all others: remote


def is_url(path: str) -> bool:
    """Say whether fsspec, not the operating system, opens a path.

    >>> is_url("s3://crawl/2024.warc.gz"), is_url("crawl/2024.warc.gz")
    (True, False)
    """
    return _URL.match(path) is not None


def is_private(path: str) -> bool:
    """Say whether a URL leads into the memory of this process, where no other process can read or write.

    >>> is_private("memory://crawl/a.jsonl"), is_private("s3://crawl/a.jsonl")
    (True, False)
    """
    return path.lower().startswith("memory://")


def storage(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the URL's name in it.

    Raises
    ------
    MissingLibraryError
        When a library is missing, whose extra it names.
    InputError
        When the URL is none that fsspec knows.
    """
    scheme = url.partition("://")[0].lower()
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra

        return cast("tuple[Any, str]", url_to_fs(url))
    except ImportError as error:
        extra = _EXTRAS.get(scheme, "remote")
        raise MissingLibraryError(f"{url}: a library for {scheme}:// is missing ({error}); pip install 'newsfilter[{extra}]'") from None
    except ValueError as error:
        raise InputError(f"{url}: {error}; give a local path, or a URL such as s3://, gs:// or https://") from None


def list_remote(url: str) -> Iterator[tuple[str, str, int | None]]:
    """Yield the files at a URL, one file or all below a folder: URL, name relative to the folder, size in bytes if it is known.

    Raises
    ------
    InputError
        When nothing is there, or the storage cannot be asked.
    """
    system, root = storage(url)
    try:
        about = system.info(root)
        found = system.find(root, detail=True) if about["type"] == "directory" else None
    except FileNotFoundError:
        raise InputError(f"{url}: does not exist; give files, folders, URLs, or - for standard input") from None
    except Exception as error:  # every kind of storage raises errors of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{url}: cannot be reached ({reason}); see that the storage can be read from here") from error
    if found is None:
        yield url, url.rstrip("/").rpartition("/")[2].partition("?")[0] or "index.html", about.get("size")
        return
    top = root.rstrip("/") + "/"
    for path, one in found.items():
        name = str(path).removeprefix(top)
        yield f"{url.rstrip('/')}/{name}", name, one.get("size")
