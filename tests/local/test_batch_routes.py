"""The nine batch operations over a real socket."""

import pytest

from runpod_typed.local import LocalQueue
from tests.local.caller import Caller

TWO = [{"input": {"n": 1}}, {"input": {"n": 2}}]


def test_batch_runs_from_draft_to_results() -> None:
    with LocalQueue(lambda job: job["input"]["n"] * 10, endpoint_id="demo") as queue:
        client = Caller(queue)
        created = client.post("/batch", TWO)
        assert created.status == 200
        assert set(created.json) == {"id", "status"}
        batch = f"/batch/{created.json['id']}"

        assert client.post(f"{batch}/requests", {"requests": [{"input": {"n": 3}}]}).json["requestTotal"] == 3
        assert client.call("PUT", batch, {"name": "nightly", "colour": "red"}).json["name"] == "nightly"
        first = client.get(f"{batch}/requests").json["requests"][0]["id"]
        assert client.call("DELETE", f"{batch}/requests/{first}").json["requestTotal"] == 2
        assert client.post(f"{batch}/finalize").json["status"] == "FINALIZED"

        done = client.until(batch, lambda shown: shown["requestCompleted"] == shown["requestTotal"])
        assert done | {"endpointId": "demo", "name": "nightly", "requestFailed": 0, "requestInProgress": 0} == done
        page = client.get(f"{batch}/requests?offset=1&limit=1").json
        (request,) = page.pop("requests")
        assert page == {"hasMore": False, "limit": 1, "offset": 1, "total": 2}
        assert (request["output"], request["status"]) == (30, "COMPLETED")
        assert request["startedAt"].endswith("Z")

        listed = client.get("/batch").json
        assert listed == {"batches": [done], "hasMore": False, "limit": 50, "offset": 0, "total": 1}
        assert client.post(f"{batch}/cancel").json["status"] == "FINALIZED"


def test_batch_request_becomes_an_ordinary_job(client: Caller, worker: Caller) -> None:
    batch_id = client.post("/batch", [{"input": 1}]).json["id"]
    client.post(f"/batch/{batch_id}/finalize")
    taken = worker.get("/job-take/w").json
    assert taken == {"batchId": batch_id, "id": taken["id"], "input": 1}
    assert client.get(f"/status/{taken['id']}").json["status"] == "IN_PROGRESS"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/batch", {"requests": []}),
        ("POST", "/batch", [{"inputs": 1}]),
        ("POST", "/batch", None),
        ("POST", "/batch/{id}/requests", [{"input": 1}]),
        ("POST", "/batch/{id}/requests", {"requests": {}}),
        ("POST", "/batch/{id}/requests", {"requests": [7]}),
        ("PUT", "/batch/{id}", []),
        ("PUT", "/batch/{id}", {"name": 7}),
        ("GET", "/batch/{id}/requests?offset=-1", None),
        ("GET", "/batch/{id}/requests?limit=0", None),
    ],
)
def test_batch_routes_refuse_wrong_body_or_page(client: Caller, method: str, path: str, body: object) -> None:
    batch_id = client.post("/batch", []).json["id"]
    response = client.call(method, path.format(id=batch_id), body)
    assert response.status == 400
    assert response.json["error"]


def test_unknown_batch_or_request_gets_404(client: Caller) -> None:
    batch_id = client.post("/batch", []).json["id"]
    for method, path in [
        ("GET", "/batch/none"),
        ("PUT", "/batch/none"),
        ("GET", "/batch/none/requests"),
        ("POST", "/batch/none/finalize"),
        ("POST", "/batch/none/cancel"),
        ("DELETE", f"/batch/{batch_id}/requests/none"),
    ]:
        assert client.call(method, path, {}).status == 404, path


def test_changing_a_finalized_batch_gets_400(client: Caller) -> None:
    batch_id = client.post("/batch", TWO).json["id"]
    client.post(f"/batch/{batch_id}/finalize")
    response = client.post(f"/batch/{batch_id}/finalize")
    assert (response.status, "FINALIZED" in response.json["error"]) == (400, True)


def test_batch_holds_at_most_5000_requests(client: Caller) -> None:
    assert client.post("/batch", [{"input": 1}] * 5000).status == 200
    assert client.post("/batch", [{"input": 1}] * 5001).status == 400


def test_append_above_10_mebibytes_gets_400(client: Caller) -> None:
    batch_id = client.post("/batch", []).json["id"]
    response = client.post(f"/batch/{batch_id}/requests", {"requests": [{"input": "x" * 10 * 1024 * 1024}]})
    assert (response.status, response.json["error"]) == (400, "json is invalid; max size is 10 MB")
