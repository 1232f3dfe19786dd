from __future__ import annotations

import copy
import json
import pickle

import attrs
import pytest

from runpod_typed._models.secret import MaskedBytes, Secret, hidden
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


def test_a_secret_shows_only_if_it_is_read_by_name() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", "%s %r" % (secret, secret)]  # noqa: UP031 -- one way more
    shown += [repr(Holder(secret)), repr(attrs.asdict(Holder(secret))), repr(attrs.astuple(Holder(secret)))]
    shown += [repr({"key": [secret]}), repr(hash(secret)), repr(dir(secret))]
    assert not [text for text in shown if KEY in text]
    assert str(secret) == "***"


def test_a_secret_has_no_attributes_to_dump_and_is_not_json() -> None:
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


def test_an_unpickled_copy_reads_the_secret_when_it_is_used() -> None:
    assert pickled(Secret(KEY, from_the_vault)).reveal() == "from the vault"
    with pytest.raises(ConfigurationError, match="vault is empty"):
        pickled(Secret(KEY, from_an_empty_vault)).reveal()


def test_a_copy_that_cannot_recover_its_secret_says_so() -> None:
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


def test_comparing_copies_recovers_no_secret() -> None:
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


def test_argument_is_hidden_if_there_is_one() -> None:
    assert hidden(None) is None
    assert hidden(KEY) == Secret(KEY)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("nothing of it", "nothing of it"),
        (KEY, "***"),
        (f"<p>{KEY}</p>{KEY}", "<p>***</p>***"),
        (KEY[:-1], KEY[:-1]),
        (f"a\\b {KEY}", "a\\b ***"),
    ],
)
def test_exact_copies_of_a_secret_are_cut(text: str, left: str) -> None:
    assert Secret(KEY).cut_from(text) == left


@pytest.mark.parametrize(("secret", "copy"), [("sec/ret+end", r"sec\/ret+end"), ('sec"ret\\end', r"sec\"ret\\end")])
def test_copies_of_a_secret_within_json_are_cut(secret: str, copy: str) -> None:
    assert Secret(secret).cut_from(f'["{copy}"]') == '["***"]'


def test_a_secret_that_occurs_by_chance_is_left_in() -> None:
    assert Secret("status").cut_from('{"status": 1}') == '{"status": 1}'


def test_masked_bytes_are_sent_and_not_shown() -> None:
    data = MaskedBytes(KEY.encode())
    assert KEY not in f"{data!r} {[data]} {data}"
    assert b"%b" % data == KEY.encode() == b"".join([data])
