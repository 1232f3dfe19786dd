# Jobs over TLS, by each transport.
"""Jobs over TLS, by each transport."""

from __future__ import annotations

import json
import ssl
from typing import Final

import pytest

from runpod_typed import APIConnectionError, APIStatusError, CertificateError, SubmissionUncertainError
from tests._async.conftest import OK_JOB
from tests._async.ways import AsyncClientOver
from tests.scripted_server import CLOSE, answer, scripted
from tests.stubborn_servers import trusted_tls

pytestmark = pytest.mark.anyio

WAYS: Final = ("straight", "over httpcore")
LARGE: Final = "x" * 3_000_000
DONE: Final = answer(200, json.dumps({"id": "job-1", "status": "COMPLETED", "output": LARGE}))


@pytest.mark.parametrize("way", WAYS)
async def test_large_inputs_and_outputs_pass_over_one_connection(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted_tls(monkeypatch) as tls:
        tls.set_alpn_protocols(["h2", "http/1.1"])
        with scripted([answer(200, OK_JOB)], [DONE], tls=tls) as server:
            async with AsyncClientOver(way, server.base_url, timeout=60, max_response_bytes=4_000_000) as client:
                job = await client.endpoint("ep").run({"text": LARGE})
                assert await job.output(timeout=60) == LARGE
            assert server.connections_made == 1
    assert json.loads(server.bodies[0])["input"] == {"text": LARGE}


@pytest.mark.parametrize("way", WAYS)
async def test_an_unknown_certificate_is_refused_before_sending(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted_tls(monkeypatch) as tls, scripted([DONE], tls=tls) as server:
        monkeypatch.delenv("SSL_CERT_FILE")
        async with AsyncClientOver(way, server.base_url) as client:
            with pytest.raises(CertificateError):
                await client.endpoint("ep").run({"n": 1})
    assert server.requests == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_without_tls_receives_nothing(way: str) -> None:
    with scripted([answer(200, OK_JOB)]) as server:
        base_url = server.base_url.replace("http://", "https://")
        async with AsyncClientOver(way, base_url, timeout=0.3) as client:  # the server waits for the rest of a line
            with pytest.raises(APIConnectionError) as caught:
                await client.endpoint("ep").run({"n": 1})
    assert not caught.value.request_sent


@pytest.mark.parametrize("way", WAYS)
async def test_a_response_lost_over_tls_is_uncertain(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted_tls(monkeypatch) as tls, scripted([CLOSE], tls=tls) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            with pytest.raises(SubmissionUncertainError):
                await client.endpoint("ep").run({"n": 1})


@pytest.mark.parametrize("way", WAYS)
async def test_a_response_in_single_bytes_is_read_over_tls(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = [bytes([byte]) for byte in answer(500, b'{"error": "broken"}')]
    with trusted_tls(monkeypatch) as tls, scripted(script, tls=tls) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            with pytest.raises(APIStatusError, match="broken"):
                await client.endpoint("ep").health()


@pytest.mark.parametrize("way", WAYS)
async def test_a_handshake_that_fails_is_no_submission(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted_tls(monkeypatch) as tls:
        tls.verify_mode = ssl.CERT_REQUIRED  # of the client, which has none
        tls.maximum_version = ssl.TLSVersion.TLSv1_2  # later ones ask after the handshake
        with scripted([answer(200, OK_JOB)], tls=tls) as server:
            async with AsyncClientOver(way, server.base_url) as client:
                with pytest.raises(APIConnectionError) as caught:
                    await client.endpoint("ep").run({"n": 1})
    assert not caught.value.request_sent
