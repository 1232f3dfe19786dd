"""The number of jobs that a map keeps in flight."""

from runpod_typed import EndpointHealth
from runpod_typed._bulk.concurrency import ConcurrencyControl
from runpod_typed._models.health import JobCounts, WorkerCounts


def health(*, in_queue: int, running: int) -> EndpointHealth:
    return EndpointHealth(jobs=JobCounts(in_queue=in_queue), workers=WorkerCounts(running=running), raw={})


def test_keeps_the_number_of_the_caller() -> None:
    control = ConcurrencyControl(7)
    control.observe(health(in_queue=0, running=100), 7)
    control.observe(health(in_queue=1000, running=0), 7)
    assert control.target == 7


def test_grows_while_the_queue_is_short_up_to_the_limit() -> None:
    control = ConcurrencyControl(None)
    targets = [control.target]
    for _ in range(10):
        control.observe(health(in_queue=0, running=4), control.target)
        targets.append(control.target)
    assert targets == [32, 64, 128, 256, 512, 1024, 2000, 2000, 2000, 2000, 2000]


def test_does_not_grow_without_use() -> None:
    control = ConcurrencyControl(None)
    control.observe(health(in_queue=0, running=4), 10)
    assert control.target == 32


def test_shrinks_when_the_queue_is_long() -> None:
    control = ConcurrencyControl(None)
    control.observe(health(in_queue=30, running=2), 32)
    assert control.target == 32 - (30 - 12)
    control.observe(health(in_queue=5000, running=2), 32)
    assert control.target == 8
