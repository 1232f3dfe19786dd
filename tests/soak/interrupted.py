"""Submissions whose task is cancelled while they are on the wire. Only tasks can be cancelled, so they are async."""

from __future__ import annotations

import re
from random import Random

import anyio

from runpod_typed import AsyncJob
from tests._async.soak_jobs import AsyncEndpoints, NeverQueued, async_result, check
from tests.soak.tally import Tally

RECONNECT = re.compile(r"endpoint\.job\('([^']+)'\)")


async def async_interrupted(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Cancel a submission; the exception says if there is a job, and which."""
    job: AsyncJob[object, object] | None = None
    notes = ""
    with anyio.move_on_after(random.choice([0, 0.002, 0.01, 0.03])):
        try:
            job = await endpoints.plain.run({"token": token})
        except anyio.get_cancelled_exc_class() as error:
            notes = " ".join(getattr(error, "__notes__", ()))
            raise
    if job is None:
        tally.count("cut")
        told = RECONNECT.search(notes)
        if told is None and "may have been submitted" in notes:
            tally.count("uncertain")
            return
        if told is None:
            raise NeverQueued
        job = endpoints.plain.job(told[1])
    check(await async_result(job, tally), token, tally)
