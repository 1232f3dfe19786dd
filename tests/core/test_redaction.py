from __future__ import annotations

import copy
import json
import pickle
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._models.secret import Secret, hidden
from runpod_typed.errors import ConfigurationError
from tests.core.calls import KEY, traceback_with_locals


def from_the_vault() -> str:
    return "from the vault"


def from_another_vault() -> str:
    return "from another vault"


def from_an_empty_vault() -> str:
    raise ConfigurationError("the vault is empty")


def pickled(secret: Secret) -> Secret:
    copied = pickle.loads(pickle.dumps(secret))
    assert isinstance(copied, Secret)
    return copied


@attrs.frozen
class Holder:
    secret: Secret


def test_a_secret_shows_where_it_is_asked_for_by_name_and_nowhere_else() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", "%s %r" % (secret, secret)]  # noqa: UP031 -- one way more
    shown += [repr(Holder(secret)), repr(attrs.asdict(Holder(secret))), repr(attrs.astuple(Holder(secret)))]
    shown += [repr({"key": [secret]}), repr(hash(secret)), repr(dir(secret))]
    assert not [text for text in shown if KEY in text]
    assert str(secret) == "***"


def test_a_secret_has_no_attributes_to_dump_and_is_no_json() -> None:
    secret = Secret(KEY)
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError):
        json.dumps({"key": secret})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_holds_no_secret(protocol: int) -> None:
    assert KEY.encode() not in pickle.dumps(Holder(Secret(KEY, from_the_vault)), protocol)


def test_a_pickle_holds_the_secret_where_that_was_asked_for() -> None:
    copied = pickled(Secret(KEY, pickled=True))
    assert copied.reveal() == KEY
    assert pickled(copied).reveal() == KEY


def test_a_copy_from_a_pickle_asks_for_the_secret_when_it_is_used() -> None:
    assert pickled(Secret(KEY, from_the_vault)).reveal() == "from the vault"
    with pytest.raises(ConfigurationError, match="vault is empty"):
        pickled(Secret(KEY, from_an_empty_vault)).reveal()


def test_a_copy_that_has_nobody_to_ask_says_so() -> None:
    with pytest.raises(ConfigurationError, match="left out when it is pickled"):
        pickled(Secret(KEY)).reveal()


def test_a_copy_within_the_process_keeps_the_secret() -> None:
    secret = Secret(KEY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_secrets_are_equal_by_what_they_hold() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_comparing_copies_asks_nobody_for_the_secret() -> None:
    copies = {pickled(Secret(KEY, from_an_empty_vault)) for _ in range(3)}
    assert len(copies) == 1
    assert pickled(Secret(KEY, from_the_vault)) != pickled(Secret(KEY, from_another_vault))


def test_a_used_copy_can_still_be_found_in_a_dictionary() -> None:
    secret = pickled(Secret(KEY, from_the_vault))
    found = {secret: "here"}
    secret.reveal()
    assert found[secret] == "here"


def test_a_traceback_shows_no_secret_that_is_a_local_variable() -> None:
    def fail() -> None:
        secret = Secret(KEY)
        raise ValueError(secret)

    assert KEY not in traceback_with_locals(fail)


# What comes back from a server


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b"", b""),
        (b"nothing of it", b"nothing of it"),
        (KEY.encode(), b"***"),
        (f"<p>{KEY}</p>{KEY}".encode(), b"<p>***</p>***"),
        (f"more of {KEY[:-3]}...".encode(), b"more of ***..."),
        (KEY[:6].encode(), KEY[:6].encode()),
        (b64encode(KEY.encode()), b"***"),
    ],
)
def test_a_secret_is_cut_from_what_a_server_sends_back(data: bytes, left: bytes) -> None:
    assert Secret(KEY).cut_from(data) == left


@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=16, max_size=80),
    st.sampled_from(["plain", "lower", "json", "ascii", "url", "html", "base64", "urlsafe", "bytes", "half"]),
    st.text(max_size=9),
)
def test_a_secret_is_cut_in_whichever_form_a_server_sends_it_back(secret: str, form: str, around: str) -> None:
    forms: dict[str, Callable[[str], str]] = {
        "plain": str,
        "lower": str.lower,
        "json": json.dumps,
        "ascii": lambda text: "".join(f"\\u{ord(each):04X}" for each in text),
        "url": lambda text: quote(text, safe=""),
        "html": escape,
        "base64": lambda text: b64encode(text.encode()).decode(),
        "urlsafe": lambda text: urlsafe_b64encode(text.encode()).decode(),
        "bytes": lambda text: repr(text.encode()),
        "half": lambda text: text[:14],
    }
    sent = forms[form](f"{around}{secret}{around}" if form != "half" else secret)
    left = Secret(secret).cut_from(sent.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    assert "***" in left
    assert forms[form](secret).strip("'\"=")[3:-3] not in left


def test_what_holds_no_secret_is_the_same_object() -> None:
    data = b"nothing of it"
    assert Secret(KEY).cut_from(data) is data


def test_a_secret_that_occurs_by_chance_is_left_in() -> None:
    assert Secret("status").cut_from(b'{"status": 1}') == b'{"status": 1}'


def test_an_argument_is_hidden_where_there_is_one() -> None:
    assert hidden(None) is None
    assert hidden(KEY) == Secret(KEY)
