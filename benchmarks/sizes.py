"""The sizes of a full run, and of the smoke test of CI, which only checks that each row has a number."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Sizes:
    """The number and the length of what is done.

    Attributes:
        rounds: Rounds of the processor-time rows.
        calls: Calls a round, one after the other.
        at_once: Async jobs at once.
        batches: Repetitions of those jobs in a round.
        tls_rounds: Rounds of the processor-time rows over TLS.
        cold_rounds: Rounds of the rows about new clients.
        slow_rounds: Rounds of the rows whose jobs last, or that begin with a pause.
        slow_seconds: Seconds that those jobs last.
        pause: Seconds without a request in the rows about that.
        starts: Rounds of the start-up row.
        late_jobs: Jobs in the row about lateness.
        late_seconds: Seconds that those last, at least and at most.
        streams: Streams in the row about first chunks; their chunk comes after the same times.
        polled: Jobs of each run time where jobs are polled for.
        polled_seconds: Those run times; the last is the one whose requests are counted.
        crowd: Jobs waited for at once under the published limits.
        crowd_seconds: The time in which they end.
        crowd_patience: Seconds after which a wait for them is given up.
        remembered: Jobs waited for at once in the memory row.
        remembered_seconds: Seconds that they are waited for before memory is read.
        held: Jobs waited for at once in the rows about connections.
        held_seconds: The same for those.
        mapped: Inputs of the map whose processor time is measured.
        map_rounds: Rounds of the rows about maps.
        limited_map: Inputs of the map under the published limits.
        long_map: Inputs of the map whose memory is measured, beside one of 10,000 at most.
        decodings: Rounds of the decoding rows.
        output_bytes: The size of that output.
        generations: Runs of the generator.
    """

    rounds: int = 21
    calls: int = 250
    at_once: int = 200
    batches: int = 4
    tls_rounds: int = 9
    cold_rounds: int = 7
    slow_rounds: int = 5
    slow_seconds: float = 5.0
    pause: float = 6.0
    starts: int = 7
    late_jobs: int = 300
    late_seconds: tuple[float, float] = (1.0, 7.0)
    streams: int = 100
    polled: int = 30
    polled_seconds: tuple[float, ...] = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
    crowd: int = 5000
    crowd_seconds: float = 60.0
    crowd_patience: float = 150.0
    remembered: int = 10_000
    remembered_seconds: float = 60.0
    held: int = 1000
    held_seconds: float = 10.0
    mapped: int = 2000
    map_rounds: int = 5
    limited_map: int = 10_000
    long_map: int = 1_000_000
    decodings: int = 15
    output_bytes: int = 1_000_000
    generations: int = 3


FULL = Sizes()
SMOKE = Sizes(
    rounds=1,
    calls=5,
    at_once=5,
    batches=1,
    tls_rounds=1,
    cold_rounds=1,
    slow_rounds=1,
    slow_seconds=0.2,
    pause=0.1,
    starts=1,
    late_jobs=5,
    late_seconds=(0.1, 0.3),
    streams=3,
    polled=2,
    polled_seconds=(0.5, 1.0),
    crowd=20,
    crowd_seconds=0.5,
    crowd_patience=20.0,
    remembered=20,
    remembered_seconds=0.5,
    held=20,
    held_seconds=0.5,
    mapped=20,
    map_rounds=1,
    limited_map=50,
    long_map=200,
    decodings=1,
    output_bytes=20_000,
    generations=1,
)
