"""The page of the local queue, in a real browser: each button, keyboard, phone, dark mode, accessibility."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

pytest.importorskip("playwright", reason="`nox -s docs` runs this module", exc_type=ImportError)
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from runpod_typed import APIStatusError, Client, RetryPolicy
from runpod_typed.local import LocalQueue

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(__file__).with_name("axe.min.js")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]


def handler(job: dict[str, Any]) -> Iterator[object]:
    given = job["input"]
    if "fail" in given:
        raise ValueError(given["fail"])
    if "nan" in given:
        yield float("nan")
    for number in range(given.get("chunks", 2)):
        yield {"row": number}


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue({"handler": handler, "return_aggregate_stream": True}, endpoint_id="demo", page=True) as queue:
        yield queue


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, queue: LocalQueue) -> Iterator[Page]:
    yield from opened(browser, queue)


def opened(
    browser: Browser, queue: LocalQueue, scheme: Literal["dark", "light"] = "light", width: int = 1280
) -> Iterator[Page]:
    """Open the page; no error may be logged."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 844})
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(queue.page_url)
    expect(page.locator("#connection")).to_have_text("live")
    yield page
    page.close()
    assert [error for error in errors if "status of 400" not in error] == []


def run(queue: LocalQueue, **given: object) -> str:
    """Run a job to its end."""
    with Client(queue.api_key, base_url=queue.base_url) as client:
        job = client.endpoint("demo").run(given)
        job.wait(timeout=60)
        return job.id


def job_row(page: Page, job_id: str) -> Locator:
    return page.locator(f'[data-job="{job_id}"]')


def test_shows_jobs_as_they_come(page: Page, queue: LocalQueue) -> None:
    job_id = run(queue, prompt="comes later")
    expect(job_row(page, job_id)).to_contain_text("COMPLETED")
    assert "token" not in page.url


def test_shows_all_of_a_job(page: Page, queue: LocalQueue) -> None:
    job_row(page, run(queue, prompt="<img src=x onerror=alert(1)>", chunks=3)).click()
    detail = page.locator("#detail")
    expect(detail).to_contain_text("<img src=x onerror=alert(1)>")
    expect(detail.get_by_role("group", name="Output")).to_contain_text('"row": 2')
    expect(detail.locator(".chunks li")).to_have_count(6)  # three statuses, three chunks
    assert detail.locator(".fall .tick").count() == 3
    assert detail.locator("img").count() == 0


def test_shows_error_and_traceback(page: Page, queue: LocalQueue) -> None:
    job_row(page, run(queue, fail="too dark")).click()
    expect(page.get_by_role("group", name="Error")).to_have_text("too dark")
    expect(page.get_by_role("group", name="Traceback")).to_contain_text("ValueError: too dark")


def test_submits_and_reruns_with_edits(page: Page, queue: LocalQueue) -> None:
    page.get_by_role("button", name="Submit job").click()
    page.locator("#submit-input").fill('{"prompt": ')
    page.locator("#submit-send").click()
    expect(page.locator("#submit-error")).to_contain_text("Not valid JSON")
    page.locator("#submit-input").fill('{"prompt": "from the page"}')
    page.locator("#submit-ttl").fill("60")
    page.locator("#submit-send").click()
    expect(page.locator("#detail")).to_contain_text("from the page")
    assert queue.submissions[-1].ttl == 60
    page.get_by_role("button", name="Rerun with edits").click()
    expect(page.locator("#submit-input")).to_have_value('{\n  "prompt": "from the page"\n}')
    page.locator("#submit-input").fill('{"prompt": "edited"}')
    page.locator("#submit-send").click()
    expect(page.get_by_role("group", name="Input")).to_contain_text("edited")


def test_rerun_keeps_numbers_that_javascript_would_round(page: Page, queue: LocalQueue) -> None:
    seed = 2**63 + 1
    job_row(page, run(queue, seed=seed)).click()
    expect(page.get_by_role("group", name="Input")).to_contain_text(str(seed))
    page.get_by_role("button", name="Rerun with edits").click()
    page.locator("#submit-send").click()
    expect(page.locator("#toast")).to_have_text("Submitted")
    assert queue.submissions[-1].input == {"seed": seed}


def test_shows_output_that_is_not_strict_json(page: Page, queue: LocalQueue) -> None:
    job_row(page, run(queue, nan=True)).click()
    expect(page.get_by_role("group", name="Output")).to_contain_text("NaN")


def test_keeps_showing_the_job_that_was_opened_last(page: Page, queue: LocalQueue) -> None:
    first, second = run(queue, prompt="first"), run(queue, prompt="second")
    shown = page.get_by_role("group", name="Input")
    held: list[Route] = []
    job_row(page, first).click()
    expect(shown).to_contain_text("first")
    page.route(f"**/jobs/{first}*", lambda route: held.append(route))  # noqa: PLW0108 -- it needs attributes
    with page.expect_request(f"**/jobs/{first}*"):
        run(queue, prompt="any event")  # the page asks for the open job again
    job_row(page, second).click()
    expect(shown).to_contain_text("second")
    assert held
    for route in held:
        with page.expect_response(f"**/jobs/{first}*"):
            route.continue_()
    page.unroute(f"**/jobs/{first}*")
    run(queue, prompt="another event")
    expect(page.locator("#jobs")).to_contain_text("another event")
    expect(shown).to_contain_text("second")


def test_pauses_cancels_purges_and_resumes(page: Page, queue: LocalQueue) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_have_attribute("aria-pressed", "true")
    with Client(queue.api_key, base_url=queue.base_url) as client:
        cancelled, purged = (client.endpoint("demo").run({"n": n}).id for n in range(2))
    job_row(page, cancelled).click()
    page.get_by_role("button", name="Cancel", exact=True).locator("visible=true").click()
    expect(job_row(page, cancelled)).to_contain_text("CANCELLED")
    page.get_by_role("button", name="Purge").click()
    page.locator("#purge-send").click()
    expect(page.locator("#toast")).to_have_text("1 jobs were removed")
    expect(job_row(page, purged)).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_retries_a_failed_job(page: Page, queue: LocalQueue) -> None:
    job_row(page, run(queue, fail="again")).click()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".facts")).to_contain_text("Retries1")


def test_injects_a_fault(page: Page, queue: LocalQueue) -> None:
    page.get_by_role("button", name="Inject fault").click()
    page.locator("#inject-kind").select_option("server_error")
    page.locator("#inject-operation").select_option("get_health")
    page.locator("#inject-send").click()
    expect(page.locator("#toast")).to_contain_text("waits for the next request")
    client = Client(queue.api_key, base_url=queue.base_url, retry=RetryPolicy.disabled())
    with client, pytest.raises(APIStatusError):
        client.endpoint("demo").health()


def test_advances_the_clock(page: Page, queue: LocalQueue) -> None:
    job_id = run(queue, prompt="expires")
    expect(job_row(page, job_id)).to_be_visible()
    page.get_by_role("button", name="Advance clock").click()
    page.locator("#advance-seconds").fill("3600")
    page.locator("#advance-send").click()
    expect(job_row(page, job_id)).to_have_count(0)
    expect(page.locator("#tiles")).to_contain_text("clock ahead")


def test_filters_jobs(page: Page, queue: LocalQueue) -> None:
    other, wanted = run(queue, prompt="other"), run(queue, prompt="needle")
    page.locator("#filter").fill("needle")
    expect(job_row(page, other)).to_have_count(0)
    expect(job_row(page, wanted)).to_be_visible()
    page.locator("#filter").fill("no such job")
    expect(page.locator("#empty")).to_have_text("No job matches.")


def test_keyboard_opens_and_closes_a_job(page: Page, queue: LocalQueue) -> None:
    job_id = run(queue, prompt="by keyboard")
    expect(job_row(page, job_id)).to_be_visible()
    page.locator("#filter").focus()
    page.keyboard.press("Tab")
    expect(job_row(page, job_id)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(job_row(page, job_id)).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_violation(
    browser: Browser, queue: LocalQueue, scheme: Literal["dark", "light"], width: int
) -> None:
    failed = run(queue, fail="for axe")
    for page in opened(browser, queue, scheme, width):
        job_row(page, failed).click()
        expect(page.locator("#detail")).to_be_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for name in ("Submit job", "Advance clock", "Inject fault", "Purge"):
            page.get_by_role("button", name=name, exact=True).first.click()
            dialog = page.locator("dialog[open]")
            expect(dialog).to_be_visible()
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
        page.goto(f"{queue.base_url.removesuffix('/v2')}/docs")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def violations(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))  # the page's policy allows no script element
    found = page.evaluate("axe.run().then(({violations}) => violations.map((v) => `${v.id}: ${v.nodes[0].html}`))")
    return [str(one) for one in found]


def test_reference_has_every_operation(page: Page, queue: LocalQueue) -> None:
    page.get_by_role("link", name="API").click()
    expect(page.get_by_role("heading", name="POST /run", exact=True)).to_be_visible()
    expect(page.locator("main")).to_contain_text("1000 requests in 10 s")
    expect(page.get_by_role("heading", name="RunRequest", exact=True)).to_be_visible()
    page.get_by_role("link", name="RunRequest").first.click()
    expect(page.locator("main")).to_contain_text("lowPriority")
    assert page.url.endswith("#schema-RunRequest")


def test_reference_lists_operations_as_users_meet_them(page: Page) -> None:
    page.get_by_role("link", name="API").click()
    paths = page.locator("section h2 code").all_inner_texts()
    met = ["/run", "/runsync", "/status/{job_id}", "/stream/{job_id}", "/cancel/{job_id}", "/purge-queue", "/health"]
    assert [path for path in paths if path in met] == met
    assert paths.index("/health") < paths.index("/batch") < paths.index("/batch/{batch_id}/cancel")
