"""Delivery of webhooks, with the documented repetitions."""

import asyncio
import logging
import secrets
from typing import Final

import httpx

from runpod_typed.local._engine.events import WebhookDue
from runpod_typed.local._json import encode

ATTEMPTS: Final = 3
ATTEMPT_SECONDS: Final = 10.0

logger = logging.getLogger("runpod_typed.local")


class WebhookSender:
    """Posts webhooks: each up to 3 times, with a pause of `pause` seconds."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._client: httpx.AsyncClient | None = None

    async def post(self, due: WebhookDue) -> None:
        """Deliver one webhook. If the receiver never responds with 2xx, the failure is logged."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=ATTEMPT_SECONDS, trust_env=False)
        body = encode(due.body)
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(self._pause)
            try:
                problem = await self._attempt(self._client, due.url, body)
            except Exception as error:  # noqa: BLE001 -- also what httpx raises for a URL that no connection can have
                problem = repr(error)
            if not problem:
                return
        logger.warning("The webhook of job %s was not accepted: %s.", due.body.get("id"), problem)

    @staticmethod
    async def _attempt(client: httpx.AsyncClient, url: str, body: bytes) -> str:
        """Post once; the body of the response is not read. Returns the problem, or an empty string."""
        async with (
            asyncio.timeout(ATTEMPT_SECONDS),
            client.stream("POST", url, content=body, headers=_headers()) as response,
        ):
            return "" if response.is_success else f"HTTP {response.status_code}"

    async def close(self) -> None:
        """Close the connections. May be repeated."""
        if self._client is not None:
            await self._client.aclose()


def _headers() -> dict[str, str]:
    return {
        "content-type": "application/json",
        "user-agent": "Go-http-client/2.0",
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
    }
