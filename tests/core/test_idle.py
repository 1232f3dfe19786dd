"""The choice of idle connections, by a clock that the test sets."""

from __future__ import annotations

import pytest

from runpod_typed._transport import idle
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.idle import IdleConnections
from tests.impatient_server import Clock


class Connection:
    """A connection to one of several servers."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.is_closed = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(idle, "monotonic", clock)
    return clock


@pytest.fixture
def connections(clock: Clock) -> IdleConnections[Connection]:
    return IdleConnections[Connection](10, lambda each: each.is_closed)


def attempt(*, repeatable: bool) -> Attempt:
    return Attempt(1.0, repeatable=repeatable)


def survive(connections: IdleConnections[Connection], *, repeatable: bool) -> str | None:
    """Use a connection, and keep it; return its name."""
    found = connections.take(attempt(repeatable=repeatable))
    if found is not None:
        connections.keep(*found)
    return found and found[0].name


def test_one_server_says_nothing_about_another(clock: Clock, connections: IdleConnections[Connection]) -> None:
    connections.keep(Connection("patient"), 0.0)
    clock.now += 20
    assert survive(connections, repeatable=True) == "patient"
    connections.keep(Connection("impatient"), 0.0)
    clock.now += 5
    assert [connections.take(attempt(repeatable=False)) is None for _ in range(2)] == [False, True]
    assert survive(connections, repeatable=True) == "impatient"


def test_a_connection_serves_again_within_what_it_survived(
    clock: Clock, connections: IdleConnections[Connection]
) -> None:
    connections.keep(Connection("patient"), 0.0)
    clock.now += 20
    survive(connections, repeatable=True)
    clock.now += 4.5
    survive(connections, repeatable=True)  # a shorter time takes nothing back
    clock.now += 18.9
    assert survive(connections, repeatable=False) == "patient"
    clock.now += 19.1
    assert survive(connections, repeatable=False) is None


def test_a_trusted_connection_is_found_among_others(clock: Clock, connections: IdleConnections[Connection]) -> None:
    connections.keep(Connection("trusted"), 0.0)
    clock.now += 20
    survive(connections, repeatable=True)
    connections.keep(Connection("other"), 0.0)
    clock.now += 10
    assert [survive(connections, repeatable=False) for _ in range(2)] == ["trusted"] * 2
    clock.now += 10
    assert survive(connections, repeatable=True) == "other"


def test_a_closed_connection_ends_the_trust_in_others(clock: Clock, connections: IdleConnections[Connection]) -> None:
    first, second = Connection("first"), Connection("second")
    for each in (first, second):
        connections.keep(each, 0.0)
    clock.now += 20
    for _ in range(2):
        survive(connections, repeatable=True)
    clock.now += 10
    second.is_closed = True
    assert survive(connections, repeatable=False) is None
    assert connections.take_useless() is second


def test_idle_connections_are_not_searched_in_vain(clock: Clock, connections: IdleConnections[Connection]) -> None:
    class Watched(Connection):
        lookups = 0

        def __hash__(self) -> int:
            Watched.lookups += 1
            return id(self)

    connections.keep(Connection("trusted for 4 s"), 5.0)
    for _ in range(3):
        connections.keep(Watched(), 0.0)
    clock.now += 4
    assert connections.take(attempt(repeatable=False)) is None
    assert Watched.lookups == 0


def test_a_vain_search_is_not_repeated(clock: Clock, connections: IdleConnections[Connection]) -> None:
    lookups = list[str]()

    class Watched(Connection):
        def __hash__(self) -> int:
            lookups.append(self.name)
            return id(self)

    for name in ("first", "second"):
        connections.keep(Watched(name), 0.0)
    connections.keep(Connection("trusted for 19 s"), 20.0)
    found = connections.take(attempt(repeatable=True))
    assert found is not None
    clock.now += 4
    assert [connections.take(attempt(repeatable=False)) for _ in range(3)] == [None] * 3
    assert lookups == ["second", "first"]
    connections.keep(*found)
    clock.now += 4
    assert survive(connections, repeatable=False) == "trusted for 19 s"


def test_repeatable_requests_use_the_last_one_during_traffic(
    clock: Clock, connections: IdleConnections[Connection]
) -> None:
    for name in ("first", "second"):
        connections.keep(Connection(name), 0.0)
        clock.now += 0.1
    clock.now += 3
    assert [survive(connections, repeatable=True) for _ in range(3)] == ["second"] * 3
    clock.now += 5
    assert [survive(connections, repeatable=True) for _ in range(3)] == ["first", "second", "second"]


def test_polls_do_not_keep_the_connections_of_a_burst(clock: Clock) -> None:
    connections = IdleConnections[Connection](100, lambda each: each.is_closed)
    for _ in range(50):
        connections.keep(Connection(), 0.0)
    for _ in range(6000):
        clock.now += 0.1
        survive(connections, repeatable=True)
    assert len(connections) <= 1


def test_the_oldest_is_taken_out_first(connections: IdleConnections[Connection]) -> None:
    kept = [Connection(), Connection()]
    for each in kept:
        connections.keep(each, 0.0)
    assert [connections.take_any(), connections.take_any(), connections.take_any()] == [*kept, None]
