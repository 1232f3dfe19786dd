"""Options of clients, endpoints and jobs: one `with_options` serves all three."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest

from runpod_typed import AsyncClient, AsyncEndpoint, AsyncJob, Client, ConfigurationError, Endpoint, Job, RetryPolicy
from runpod_typed._core.config import HasOptions
from runpod_typed._sync import transports
from runpod_typed._transport.interface import Transport

KEY, URL = "key", "http://127.0.0.1:9/v2"


class OwnClient(Client):
    name = "unnamed"


class OwnEndpoint(Endpoint[Any, Any, Any]):
    __slots__ = ("name",)
    name: str


class OwnJob(Job[Any, Any]):
    name = "unnamed"


def job() -> Job[Any, Any]:
    plain = Client(KEY, base_url=URL).endpoint("ep").job("job-1")
    own = object.__new__(OwnJob)
    for name in Job.__slots__:
        setattr(own, name, getattr(plain, name))
    return own


MAKERS: list[Callable[[], HasOptions]] = [
    lambda: OwnClient(KEY, base_url=URL),
    lambda: OwnEndpoint("ep", api_key=KEY, base_url=URL),
    job,
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_copy_has_the_class_attributes_and_new_options(make: Callable[[], Any]) -> None:
    original = make()
    original.name = "mine"
    other = original.with_options(timeout=7, retry=RetryPolicy.disabled())
    assert type(other) is type(original)
    assert other.name == "mine"
    assert (other._config.timeout, original._config.timeout) == (7.0, 30.0)
    assert other._config.retry == RetryPolicy.disabled()
    assert other._config.poll is original._config.poll
    other.name = "other"
    assert original.name == "mine"


def test_closing_a_copy_closes_nothing() -> None:
    for original in (Client(KEY, base_url=URL), Endpoint("ep", api_key=KEY, base_url=URL)):
        original.with_options(timeout=7).close()
        original._executor._state().transport()
        original.close()
        with pytest.raises(ConfigurationError, match="closed"):
            original._executor._state().transport()


def test_a_client_closed_while_a_transport_is_made_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(KEY, base_url=URL)
    make = transports.make_transport

    def make_late(*arguments: Any) -> Transport:
        client.close()  # as another thread may
        return make(*arguments)

    monkeypatch.setattr(transports, "make_transport", make_late)
    state = client._executor._state()
    with pytest.raises(ConfigurationError, match="closed"):
        state.transport()
    assert not state._transports


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy])
def test_python_copies_share_everything(make: Callable[[], Any], make_copy: Callable[[Any], Any]) -> None:
    original = make()
    original.name = "mine"
    other = make_copy(original)
    assert other is not original
    assert (type(other), other.name, other._owned) == (type(original), "mine", None)
    for name in ("_executor", "_codecs", "_input"):
        assert getattr(other, name, None) is getattr(original, name, None)
    assert not isinstance(original, Job) or other._poller is original._poller


@pytest.mark.parametrize("make", MAKERS)
def test_a_deep_copy_has_its_own_attributes_of_subclasses(make: Callable[[], Any]) -> None:
    original = make()
    original.name = {"tags": ["mine"], "self": original}
    shallow, deep = copy.copy(original), copy.deepcopy(original)
    assert shallow.name is original.name
    assert deep.name["self"] is deep
    deep.name["tags"].append("other")
    assert original.name["tags"] == ["mine"]


def test_a_second_endpoint_of_a_client_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = list[object]()
    monkeypatch.setattr(transports, "load_settings", loads.append)
    with Client(KEY, base_url=URL) as client:
        client.endpoint("a")
        client.with_options(timeout=7).endpoint("b")
    assert len(loads) == 1


def test_there_is_one_with_options() -> None:
    for kind in (Client, Endpoint, Job, AsyncClient, AsyncEndpoint, AsyncJob):
        assert "with_options" not in vars(kind)
        assert kind.with_options is HasOptions.with_options


@pytest.mark.parametrize("kind", [AsyncClient, AsyncEndpoint])
@pytest.mark.parametrize("name", ["close", "aclose"])
def test_async_classes_have_close_and_aclose(kind: Any, name: str) -> None:
    async def close() -> None:
        closable = (
            AsyncClient(KEY, base_url=URL) if kind is AsyncClient else AsyncEndpoint("ep", api_key=KEY, base_url=URL)
        )
        await getattr(closable, name)()
        with pytest.raises(ConfigurationError, match="closed"):
            closable._executor._state().transport()

    asyncio.run(close())
