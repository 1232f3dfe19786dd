"""Delivering webhooks, with the repetitions that the documents promise."""

import asyncio
import logging
import secrets
from typing import Final

import httpx

from runpod_typed.local._engine.events import WebhookDue
from runpod_typed.local._json import encode

ATTEMPT_SECONDS: Final = 10.0

logger = logging.getLogger("runpod_typed.local")


class WebhookSender:
    """Posts what the engine wants posted.

    Args:
        attempts: Deliveries of one webhook, the first included.
        delay: Pause between them, in seconds.
    """

    def __init__(self, *, attempts: int, delay: float) -> None:
        self._attempts = attempts
        self._delay = delay
        self._client: httpx.AsyncClient | None = None

    async def post(self, due: WebhookDue) -> None:
        """Deliver one webhook. A receiver that never answers 2xx does the job no harm; it is logged."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=ATTEMPT_SECONDS, trust_env=False)
        body = encode(due.body)
        problem = ""
        for attempt in range(self._attempts):
            if attempt:
                await asyncio.sleep(self._delay)
            try:
                answer = await self._client.post(due.url, content=body, headers=_headers())
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problem = repr(error)
                continue
            if answer.is_success:
                return
            problem = f"HTTP {answer.status_code}"
        logger.warning("The webhook of job %s was not taken: %s.", due.body.get("id"), problem)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


def _headers() -> dict[str, str]:
    return {
        "content-type": "application/json",
        "user-agent": "Go-http-client/2.0",
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
    }
