from __future__ import annotations

import math
import os
import pickle
import re
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import wire

from runpod_typed import AsyncClient, AsyncEndpoint, Client, Endpoint
from runpod_typed._core.config import DEFAULT_CALL_CONFIG, CallConfig
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._models.retry_policy import RetryPolicy
from runpod_typed._models.secret import Secret
from runpod_typed._models.validators import check_id
from runpod_typed._transport import connection, proxies
from runpod_typed._transport.connection import (
    BaseUrl,
    ConnectionConfig,
    is_loopback,
    openai_base_url,
    resolve_api_key,
    resolve_base_url,
)
from runpod_typed._transport.messages import HttpRequest
from runpod_typed._transport.proxies import ProxyAddress, proxy_for
from runpod_typed.errors import ConfigurationError
from tests.core.calls import CONNECTION, KEY, REQUESTS, traceback_with_locals

PASSWORD = "p4ssw0rd"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    monkeypatch.delenv("RUNPOD_ENDPOINT_BASE_URL", raising=False)


# The API key


def test_given_key_precedes_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "from-the-environment")
    assert resolve_api_key(KEY).reveal() == KEY
    assert resolve_api_key(None).reveal() == "from-the-environment"


def test_a_key_or_an_address_may_come_hidden() -> None:
    assert resolve_api_key(Secret(KEY)).reveal() == KEY
    assert str(resolve_base_url(Secret("https://given.example/v2"))) == "https://given.example/v2"
    with pytest.raises(ConfigurationError, match="from api_key is empty"):
        resolve_api_key(Secret(""))


def test_blanks_around_a_key_are_no_part_of_it() -> None:
    assert resolve_api_key(f" {KEY}\r\n").reveal() == KEY


def test_without_a_key_the_error_says_where_to_put_one() -> None:
    with pytest.raises(ConfigurationError, match=r"RUNPOD_API_KEY.*api_key="):
        resolve_api_key(None)


@pytest.mark.parametrize("key", ["", "  ", "\n"])
def test_an_empty_key_is_refused_and_its_source_named(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    with pytest.raises(ConfigurationError, match="from api_key is empty"):
        resolve_api_key(key)
    with pytest.raises(ConfigurationError, match="from RUNPOD_API_KEY is empty"):
        monkeypatch.setenv("RUNPOD_API_KEY", key)
        resolve_api_key(None)


@pytest.mark.parametrize("middle", [" ", "\r\n", "\r\nX-Evil: 1", "\n", "\t", "\0", "\x7f", "ä", "\u2028", "\udc80"])
def test_a_key_that_forges_a_header_is_refused_and_not_shown(middle: str) -> None:
    key = f"{KEY}{middle}{KEY}"
    with pytest.raises(ConfigurationError, match="a character that no key has") as caught:
        resolve_api_key(key)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", [KEY.encode(), 5, [KEY]])
def test_a_key_that_is_not_a_string_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"must be a str, not {type(key).__name__}") as caught:
        resolve_api_key(key)
    assert KEY not in str(caught.value)


FAILING: dict[str, Callable[[], object]] = {
    "a bad key in the environment": lambda: resolve_api_key(None),
    "a bad key": lambda: resolve_api_key(Secret(f"{KEY}\n{KEY}")),
    "a bad URL": lambda: resolve_base_url("ftp://host"),
    "a bad URL with the key": lambda: resolve_base_url(Secret(f"https://{KEY}@host")),
}


@pytest.mark.parametrize("failing", FAILING.values(), ids=list(FAILING))
def test_traceback_of_a_refusal_shows_no_key(monkeypatch: pytest.MonkeyPatch, failing: Callable[[], object]) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", f"{KEY}\n{KEY}")
    shown = traceback_with_locals(failing)
    without_source = re.sub(r"^    .*\n", "", shown, flags=re.MULTILINE)  # the calls above are spelled in this file
    assert "ConfigurationError" in without_source
    assert KEY not in without_source


def test_a_copy_of_a_key_from_a_pickle_is_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = pickle.loads(pickle.dumps(resolve_api_key(KEY)))
    with pytest.raises(ConfigurationError, match="no API key"):
        copy.reveal()
    monkeypatch.setenv("RUNPOD_API_KEY", "of-that-process")
    assert copy.reveal() == "of-that-process"
    assert pickle.loads(pickle.dumps(resolve_api_key(KEY, pickled=True))).reveal() == KEY


# The base URL


def test_base_url_is_given_or_the_environments_or_runpods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "https://environment.example/v2")
    assert str(resolve_base_url("https://given.example/v2")) == "https://given.example/v2"
    for missing in (None, "", Secret("")):
        assert str(resolve_base_url(missing)) == "https://environment.example/v2"
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "")
    assert str(resolve_base_url("")) == "https://api.runpod.ai/v2"


@pytest.mark.parametrize(
    ("text", "authority", "whole"),
    [
        ("https://api.example/v2/", "api.example", "https://api.example/v2"),
        ("https://api.example", "api.example", "https://api.example"),
        (" HTTPS://API.example:8443/a/b// ", "api.example:8443", "https://api.example:8443/a/b"),
        ("http://127.0.0.1:8000/v2", "127.0.0.1:8000", "http://127.0.0.1:8000/v2"),
        ("http://[::1]:8000/v2", "[::1]:8000", "http://[::1]:8000/v2"),
        ("http://[::1]", "[::1]", "http://[::1]"),
        ("https://api.example/v2?#", "api.example", "https://api.example/v2"),
    ],
)
def test_a_base_url_is_taken_apart_and_put_together_again(text: str, authority: str, whole: str) -> None:
    url = resolve_base_url(text)
    assert (url.authority, str(url)) == (authority, whole)
    assert resolve_base_url(str(url)) == url


@pytest.mark.parametrize(
    "text",
    [
        "api.runpod.ai/v2",
        "ftp://api.example",
        "file:///etc/passwd",
        "//api.example/v2",
        "https://",
        "https://:443/v2",
        "https:api.example",
        "https://api.example/v2?x=1",
        "https://api.example/v2#x",
        "https://api.example/a b",
        "https://api.exam\r\nple/v2",
        "https://api.example/v2\r\nX-Evil: 1",
        "https://api.exämple/v2",
        "https://api.example/v2/\udc80",
        "https://api.example:port/v2",
        "https://api.example:99999/v2",
        "https://[::1/v2",
        "https://api..example/v2",
        f"https://{'a' * 64}.example/v2",
        "https://\uff0f.example/v2",
        "5",
    ],
)
def test_an_invalid_base_url_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        resolve_base_url(text)


@pytest.mark.parametrize(
    "text",
    [
        f"https://user:{PASSWORD}@api.example/v2",
        f"https://{PASSWORD}@api.example/v2",
        f"https://user:{PASSWORD}#1@api.example/v2",
        f"https://user:1#{PASSWORD}@api.example/v2",
        f"https://user:1?{PASSWORD}@api.example/v2",
        f"https://user:{PASSWORD}/1@api.example/v2",
        f"https//user:{PASSWORD}@api.example/v2",
        f"ftp://user:{PASSWORD}@api.example/v2",
        f"https://user:{PASSWORD}@api.example:port/v2",
        f"https://user:{PASSWORD}@api.example\uff0f/v2",
        f"https://user:{PASSWORD}@[::1",
        f"https://api.example/v2?api_key={PASSWORD}",
        f"https://api.example/v2#{PASSWORD}",
    ],
)
def test_credentials_in_a_base_url_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL") as caught:
        resolve_base_url(text)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("host", ["api.example", "10.0.0.5", "0.0.0.0", "localhost.example", "[fe80::1]"])
def test_plain_http_to_another_machine_warns(host: str) -> None:
    with pytest.warns(UserWarning, match="not encrypted"):
        resolve_base_url(f"http://{host}/v2")


@pytest.mark.parametrize(
    "url", ["http://localhost/v2", "http://a.localhost", "http://127.8.9.1", "https://api.example"]
)
def test_plain_http_to_this_machine_and_https_do_not_warn(url: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve_base_url(url)


def test_the_warning_points_at_the_line_that_made_the_client() -> None:
    with pytest.warns(UserWarning, match="not encrypted") as caught:
        Client(KEY, base_url="http://api.example/v2").close()
    assert Path(caught[0].filename) == Path(__file__)
    with pytest.warns(UserWarning, match="not encrypted") as caught:
        Endpoint("ep", api_key=KEY, base_url="http://api.example/v2").close()
    assert Path(caught[0].filename) == Path(__file__)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("example", False), ("", False)],
)
def test_loopback_is_told_by_name_or_address(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@given(st.text())
def test_any_base_url_is_a_clean_address_or_refused(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            url = resolve_base_url(f"https://{text}")
        except ConfigurationError:
            return
    assert re.fullmatch(r"[\x21-\x7e]+", str(url))
    assert not set("@?#") & set(url.authority)


# What is sent


def test_the_headers_name_the_client_and_hold_the_key_once() -> None:
    headers = CONNECTION.headers(REQUESTS["get_status"].http)
    assert dict(headers)[b"Authorization"] == f"Bearer {KEY}".encode()
    assert dict(headers)[b"Host"] == b"127.0.0.1:8000"
    assert dict(headers)[b"Accept-Encoding"] == b"gzip"
    assert dict(headers)[b"User-Agent"].startswith(b"runpod-typed/")
    assert {b"Content-Type", b"Content-Length"}.isdisjoint(dict(headers))
    assert sum(KEY.encode() in value for _, value in headers) == 1
    assert KEY not in repr(headers)


@pytest.mark.parametrize(("body", "length"), [(None, b"0"), (b"", b"0"), (b"12345", b"5")])
def test_a_post_says_how_long_its_json_is(body: bytes | None, length: bytes) -> None:
    headers = dict(CONNECTION.headers(HttpRequest("POST", "/ep/run", body)))
    assert headers[b"Content-Type"] == b"application/json"
    assert headers[b"Content-Length"] == length


def test_a_connection_s_settings_show_no_key() -> None:
    for shown in (repr(CONNECTION), str(CONNECTION), repr(attrs.asdict(CONNECTION)), repr(attrs.astuple(CONNECTION))):
        assert KEY not in shown
    assert KEY.encode() not in pickle.dumps(CONNECTION)


def test_addresses_are_the_base_url_and_what_follows() -> None:
    assert CONNECTION.url("/ep/run") == "http://127.0.0.1:8000/v2/ep/run"
    assert openai_base_url(CONNECTION, "ep") == "http://127.0.0.1:8000/v2/ep/openai/v1"


@pytest.mark.parametrize("cap", [0, -1, True, 1.5, "5", None])
def test_a_cap_must_be_a_whole_number_above_0(cap: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_response_bytes"):
        ConnectionConfig(api_key=Secret(KEY), base_url=CONNECTION.base_url, max_response_bytes=cap)


def test_the_pool_has_room_for_all_open_requests() -> None:
    budgets = {limit.budget: limit.concurrent for limit in wire.OPERATION_LIMITS.values()}
    assert sum(filter(None, budgets.values())) == connection.POOL_SIZE
    assert max(filter(None, budgets.values())) < connection.POOL_SIZE


# How calls are made


@pytest.mark.parametrize("timeout", [0, 0.0, timedelta(0), -1, math.inf, math.nan, True, "5"])
def test_an_attempt_timeout_is_finite_and_above_zero(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        DEFAULT_CALL_CONFIG.replace(timeout=timeout)


def test_omitted_options_keep_their_values() -> None:
    retry, poll, limits = RetryPolicy(attempts=2), PollPolicy(long_poll=False), RateLimits.disabled()
    changed = DEFAULT_CALL_CONFIG.replace(timeout=timedelta(seconds=7), retry=retry, poll=poll, rate_limits=limits)
    assert changed == CallConfig(timeout=7.0, retry=retry, poll=poll, rate_limits=limits)
    assert changed.replace() == changed
    assert changed.replace(retry=RetryPolicy()) == attrs.evolve(changed, retry=RetryPolicy())


def test_a_client_timeout_above_an_hour_warns() -> None:
    with pytest.warns(UserWarning, match="timeout of 30000 s is more than an hour") as caught, Client(KEY) as client:
        client.with_options(timeout=30_000)
    assert Path(caught[0].filename) == Path(__file__)
    with pytest.warns(UserWarning, match="timeout of 30000 s is more than an hour"):
        Client(KEY, timeout=30_000).endpoint("ep")


# Ids

KINDS = ("endpoint", "job", "batch", "batch request")


@pytest.mark.parametrize("kind", KINDS)
@given(value=st.from_regex(r"\A[A-Za-z0-9_-]+\Z"))
def test_ids_of_the_documented_form_are_accepted(kind: Any, value: str) -> None:
    assert check_id(value, kind) == value


@pytest.mark.parametrize("value", ["a.b", "a:b-u1", "job~1", "YWJj+ZGVm==", "x@y", "..a", "a..b"])
def test_a_jobs_id_of_another_form_is_accepted(value: str) -> None:
    assert check_id(value, "job") == value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value",
    ["", ".", "..", "a/b", "../b", "a b", "a\n", "\na", "a\r\nX-Evil: 1", "a?b", "a#b", "a%2Fb", "a\0", "ä", "\udc80"],
)
def test_ids_that_change_a_path_or_header_are_refused(kind: Any, value: str) -> None:
    with pytest.raises(ConfigurationError, match="id"):
        check_id(value, kind)


def test_a_url_in_place_of_an_id_is_explained() -> None:
    with pytest.raises(ConfigurationError, match="Pass the id alone, not a URL or path"):
        check_id("https://api.runpod.ai/v2/ep/run", "endpoint")


def test_an_endpoint_id_of_none_names_the_environment() -> None:
    with pytest.raises(ConfigurationError, match="environment variable"):
        check_id(None, "endpoint")


@pytest.mark.parametrize("value", [5, b"ep", ["ep"]])
def test_an_id_of_another_class_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"must be a string, not {type(value).__name__}"):
        check_id(value, "job")


# Proxies


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return monkeypatch


API = BaseUrl(scheme="https", host="api.example", port=None, path="/v2")


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:1"}, ProxyAddress(scheme="http", host="proxy", port=1)),
        ({"https_proxy": "proxy:1"}, ProxyAddress(scheme="http", host="proxy", port=1)),
        ({"all_proxy": "https://proxy"}, ProxyAddress(scheme="https", host="proxy", port=None)),
        (
            {"https_proxy": "http://me:p%40ss@proxy:1"},
            ProxyAddress(scheme="http", host="proxy", port=1, user="me", password=Secret("p@ss")),
        ),
        ({"HTTP_PROXY": "http://proxy:1"}, None),
        ({"https_proxy": ""}, None),
        ({"https_proxy": "http://proxy:1", "no_proxy": "api.example"}, None),
        (
            {"https_proxy": "http://proxy:1", "no_proxy": "other.example"},
            ProxyAddress(scheme="http", host="proxy", port=1),
        ),
    ],
)
def test_a_proxy_is_what_the_environment_names_for_the_host(
    environment: pytest.MonkeyPatch, variables: dict[str, str], proxy: ProxyAddress | None
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(API) == proxy


@pytest.mark.parametrize("named", ["api.example:8443", "[fd00::1]", "[fd00::1]:8443", "fd00::1", ".example"])
def test_no_proxy_may_name_a_port_and_brackets(environment: pytest.MonkeyPatch, named: str) -> None:
    environment.setenv("https_proxy", "http://proxy:1")
    environment.setenv("no_proxy", named)
    host = "fd00::1" if "::" in named else "api.example"
    assert proxy_for(BaseUrl(scheme="https", host=host, port=8443, path="/v2")) is None
    assert proxy_for(BaseUrl(scheme="https", host="other.host", port=8443, path="/v2")) is not None


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("ftp://proxy:1", "of the kind 'ftp'"),
        ("http://", "without a host"),
        ("http://proxy..example:1", "cannot be resolved"),
        ("http://b\u00fccher.example:1", "cannot be resolved"),
        (f"http://me:{PASSWORD}@proxy:port", "not a URL"),
        (f"http://me:{PASSWORD}@[::1", "not a URL"),
    ],
)
def test_an_invalid_proxy_is_refused_without_its_password(
    environment: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    environment.setenv("https_proxy", proxy)
    with pytest.raises(ConfigurationError, match=words) as caught:
        proxy_for(API)
    assert "NO_PROXY" in str(caught.value)
    assert PASSWORD not in traceback_with_locals(lambda: proxy_for(API))


@pytest.mark.parametrize("installed", [True, False])
def test_a_socks_proxy_needs_its_package(environment: pytest.MonkeyPatch, *, installed: bool) -> None:
    environment.setattr(proxies, "find_spec", {"socksio": object() if installed else None}.get)
    environment.setenv("all_proxy", "socks5://proxy:1")
    if installed:
        assert proxy_for(API) == ProxyAddress(scheme="socks5", host="proxy", port=1)
        return
    with pytest.raises(ConfigurationError, match=r"httpx\[socks\]"):
        proxy_for(API)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "a.localhost"])
def test_loopback_addresses_have_no_proxy(environment: pytest.MonkeyPatch, host: str) -> None:
    environment.setenv("http_proxy", "http://proxy:1")
    assert proxy_for(BaseUrl(scheme="http", host=host, port=8000, path="/v2")) is None


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        (ProxyAddress(scheme="http", host="proxy", port=1, user="me", password=Secret(PASSWORD)), "http://proxy:1"),
        (ProxyAddress(scheme="socks5", host="::1", port=None), "socks5://[::1]"),
    ],
)
def test_proxy_is_named_without_its_user_and_password(proxy: ProxyAddress, shown: str) -> None:
    assert str(proxy) == shown


def test_a_proxy_s_password_shows_nowhere() -> None:
    assert PASSWORD not in repr(ProxyAddress(scheme="http", host="proxy", port=1, password=Secret(PASSWORD)))


NO_OPTIONS: list[dict[str, Any]] = [
    {"retry": None},
    {"retry": 3},
    {"poll": False},
    {"poll": PollPolicy},
    {"rate_limits": "off"},
    {"rate_limits": {"run": None}},
]


@pytest.mark.parametrize("options", NO_OPTIONS, ids=repr)
def test_an_option_of_another_class_is_refused_by_name(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ConfigurationError, match=f"^{name}= must be a "):
        Client("key", **options)


@pytest.mark.parametrize("value", ["no", 1, None])
def test_pickle_api_key_must_be_a_bool(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="pickle_api_key"):
        Client("key", pickle_api_key=value)


@pytest.mark.parametrize("options", [{"api_key": "another"}, {"base_url": "https://another.example"}], ids=repr)
def test_an_endpoint_of_a_client_refuses_another_key_or_url(options: dict[str, Any]) -> None:
    with Client("key") as client, pytest.raises(ConfigurationError, match="leave out api_key= and base_url="):
        Endpoint("ep", client=client, **options)


def test_a_client_of_the_other_api_is_refused() -> None:
    of_threads: Any = Client("key")
    of_tasks: Any = AsyncClient("key")
    with pytest.raises(ConfigurationError, match=r"client= must be Client\(\.\.\.\) here, not AsyncClient"):
        Endpoint("ep", client=of_tasks)
    with pytest.raises(ConfigurationError, match=r"client= must be AsyncClient\(\.\.\.\) here, not Client"):
        AsyncEndpoint("ep", client=of_threads)


@pytest.mark.parametrize("auth", [("user", "password"), httpx.DigestAuth("user", "password")])
def test_custom_http_client_with_auth_is_refused(auth: Any) -> None:
    with httpx.Client(auth=auth, verify=False) as own, pytest.raises(ConfigurationError, match="no auth="):
        Client("key", http_client=own)


def test_an_httpx_client_of_the_other_api_is_refused() -> None:
    of_threads: Any = httpx.Client()
    of_tasks: Any = httpx.AsyncClient()
    with pytest.raises(ConfigurationError, match=r"http_client= must be an httpx\.Client here, not AsyncClient"):
        Client("key", http_client=of_tasks)
    with pytest.raises(ConfigurationError, match=r"http_client= must be an httpx\.AsyncClient here, not Client"):
        AsyncClient("key", http_client=of_threads)
