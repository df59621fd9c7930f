"""Why a document of a dump can fail."""

from newsfilter.errors import InputError

FAILURES = {
    "unreadable": "the file cannot be opened or read, such as for want of permission",
    "unreadable-folder": "the folder cannot be listed; what it holds is not counted",
    "missing": "the file was there when the run began and is not any more",
    "truncated-gzip": "the gzip file ends before its data do",
    "damaged-gzip": "the gzip file holds data that do not unpack, or whose checksum is wrong",
    "truncated-zstd": "the zstd stream ends before its data do",
    "damaged-zstd": "the zstd stream holds data that do not unpack, or whose checksum is wrong",
    "truncated-archive": "the archive ends before its members do, or lacks its directory or end mark",
    "damaged-archive": "a member, a header or the directory of the archive is damaged",
    "encrypted": "the member is encrypted",
    "unsupported-member": "the member is packed or stored in a way that is not read (LZMA, Deflate64, sparse files)",
    "zip-bomb": "the member or body unpacks to more than 200 times its size, or shares its data with others",
    "truncated-warc": "the WARC file ends inside a record",
    "damaged-warc": "bytes of the WARC file are no record, or a record's headers or length are wrong",
    "damaged-http": "the record holds no HTTP response that can be read",
    "truncated-body": "the response's body ends too early",
    "damaged-body": "the response's body does not unpack, or its chunks are wrong",
    "unsupported-encoding": "the response's body is packed in a way that is not read",
    "not-json": "the line is not JSON",
    "not-object": "the line is JSON, but no object",
    "not-utf-8": "the line or row is not UTF-8",
    "no-text-field": "the row lacks the field that holds the document",
    "not-text": "the field that should hold the document holds something else than text",
    "too-long": "the line, row or field is larger than the limit for one document",
    "bad-row": "the row of the table does not fit its header, or its quotes do not pair",
    "damaged-parquet": "a row group of the Parquet file cannot be read",
    "timeout": "cleaning took longer than the limit",
    "memory": "cleaning took more memory than the limit",
    "crashed": "reading or cleaning it ended the process",
    "unreadable-container": "the file holds many documents and cannot be read as a whole",
    "unsupported-format": "the file holds many documents in a form that is not read, or under a name that does not tell its form (.warc.gz, .parquet)",
    "unusable-record": "reapply found its record or body missing, changed, or of a version that it does not read",
    "error": "cleaning raised an error, which the ledger names: a defect of newsfilter, please report it",
}
"""Every reason for which a document can fail, as the ledger has it."""

AWAY = frozenset({"unreadable", "unreadable-folder", "missing"})
"""Reasons that lie in the storage and not in the document: `--resume` tries again."""


class MissingLibraryError(InputError):
    """An extra is not installed. No document is to blame, and none fails for it: the run stops, and goes on when it is there."""


class ReadError(InputError):
    """One document that cannot be read; the run goes on.

    Attributes
    ----------
    reason : str
        One of `FAILURES`.
    """

    def __init__(self, uri: str, reason: str, detail: str = "") -> None:
        super().__init__(f"{uri}: {FAILURES[reason]}{f' ({detail})' if detail else ''}")
        self.reason = reason
        self.detail = detail
