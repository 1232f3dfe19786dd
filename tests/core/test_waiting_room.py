from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from runpod_typed._core.waiting_room import WaitingRoom


def test_who_waits_is_counted_for_each_endpoint_while_they_wait() -> None:
    room = WaitingRoom()
    with room.seat("a"), room.seat("a"), room.seat("b"):
        assert (room.waiting("a"), room.waiting("b"), room.waiting("c")) == (2, 1, 0)
    assert (room.waiting("a"), room.waiting("b")) == (0, 0)


def test_who_leaves_with_an_error_has_left() -> None:
    room = WaitingRoom()

    def fail() -> None:
        with room.seat("a"):
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert room.waiting("a") == 0


def test_no_seat_is_lost_between_threads() -> None:
    room = WaitingRoom()

    def come_and_go(_: int) -> None:
        for _ in range(200):
            with room.seat("a"):
                assert room.waiting("a") >= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
    assert room.waiting("a") == 0


def test_an_endpoint_holds_answers_until_it_is_known_not_to() -> None:
    room = WaitingRoom()
    assert room.holds_answers("a")
    room.does_not_hold_answers("a")
    room.does_not_hold_answers("a")
    assert not room.holds_answers("a")
    assert room.holds_answers("b")
