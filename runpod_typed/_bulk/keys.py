"""The identities of a map's inputs."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, final

from runpod_typed._bulk.journal import JournalStatus
from runpod_typed._bulk.journal_records import JournalRecord
from runpod_typed._bulk.journal_writer import JournalWriter, repeated_key
from runpod_typed._codecs import json
from runpod_typed._core.run_request import RunRequest
from runpod_typed.errors import ConfigurationError

_DIGEST_BYTES = 16


@final
class Keys:
    """Finds the journal entry of each input, or makes one.

    Args:
        key: Returns the caller's key of an input; None to know inputs by their content.
        journal: The journal, or None.
    """

    def __init__(self, key: Callable[[Any], str] | None, journal: JournalWriter | None) -> None:
        self._key, self._journal = key, journal
        self._seen = set[str]()

    def entry(self, index: int, value: Any, body: RunRequest | None) -> JournalRecord:
        """Return the entry of an input. `body` is None if it cannot be encoded.

        Raises:
            ConfigurationError: Another input has the same key.
            JournalError: The key belongs to another input.
        """
        key = None if self._key is None else checked_key(self._key(value))
        if self._journal is not None and (key is not None or body is not None):
            return self._journal.claim(index, key, "" if body is None else fingerprint(body))
        if key is not None:
            if key in self._seen:
                raise repeated_key(key)
            self._seen.add(key)
        return JournalRecord(index=index, key=key or str(index), fingerprint="", status=JournalStatus.WAITING)

    def is_known(self, entry: JournalRecord) -> bool:
        """Return True if the journal has the entry: an input that cannot be encoded is known by its key alone."""
        return self._key is not None or bool(entry.fingerprint)


def checked_key(key: object) -> str:
    """Return the caller's key.

    Raises:
        ConfigurationError: It is not a string, or empty.
    """
    if not isinstance(key, str) or not key:
        raise ConfigurationError(f"key= must return a string that is not empty, and returned {key!r}.")
    return key


def fingerprint(body: RunRequest) -> str:
    """Return a digest of an input's content. The order of an object's fields does not matter."""
    return blake2b(json.encode_sorted(body.input_), digest_size=_DIGEST_BYTES).hexdigest()
