"""The client against a scripted server: retries, ladder, budget, record, keys."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alphamine.llm.base import (
    BudgetError,
    ChatRequest,
    ContentError,
    LLMError,
    Message,
    RefusedError,
    ReplayError,
    TransportError,
    Usage,
)
from alphamine.llm.client import Client
from alphamine.llm.extract import json_object
from alphamine.llm.redact import redacted
from alphamine.llm.settings import LLMSettings
from tests.llm.server import Turn, serving

pytest.importorskip("openai")
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
REQUEST = ChatRequest("m", (Message("user", "hello"),), SCHEMA, sample="tree 0 root")


def _client(url: str, record: Path | None = None, **settings: Any) -> tuple[Client, list[float]]:
    waited: list[float] = []
    chosen = LLMSettings.of({"model": "m", "url": url, **settings})
    return Client(chosen, record, waited.append), waited


def test_an_answer_comes_with_what_it_cost() -> None:
    with serving([Turn("{}")]) as server:
        client, _ = _client(server.url, prompt_price=2.0, completion_price=10.0)
        answer = client.ask(REQUEST)
    assert (answer.text, answer.whole) == ("{}", True)
    assert client.usage().tokens == 120
    assert client.usage().money == pytest.approx((100 * 2.0 + 20 * 10.0) / 1e6)
    sent = server.requests[0]
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    assert sent["messages"] == [{"role": "user", "content": "hello"}]


def test_too_many_requests_are_followed_by_the_pause_that_was_asked_for() -> None:
    with serving([Turn(status=429, headers={"retry-after": "7"}, raw=b"{}"), Turn("{}")]) as server:
        client, waited = _client(server.url)
        assert client.ask(REQUEST).text == "{}"
    assert waited == [7.0]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("bad", "paid"),
    [
        (Turn(status=500, raw=b"oops"), 0),
        (Turn(status=503, raw=b"{}"), 0),
        (Turn(status=504, raw=b"{}"), 2),
        (Turn("x" * 4000, cut=True), 2),
        (Turn(raw=b"this is no JSON"), 2),
        (Turn(raw=b'{"choices": []}'), 2),
    ],
)
def test_what_passes_is_tried_again_and_counts_if_it_may_be_billed(bad: Turn, paid: int) -> None:
    with serving([bad, bad, Turn("{}")]) as server:
        client, waited = _client(server.url)
        assert client.ask(REQUEST).text == "{}"
    assert len(waited) == 2
    assert client.usage().calls == 1 + paid
    assert client.usage().completion_tokens == 20 + paid * REQUEST.max_tokens


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """It may have answered, and be paid: that counts, also after a break."""
    record = tmp_path / "llm.jsonl"
    with serving([Turn("{}", sleep=5.0)]) as server:
        client, waited = _client(server.url, record, timeout=0.2, retries=1)
        with pytest.raises(TransportError, match="2 attempts"):
            client.ask(REQUEST)
        assert len(waited) == 1
        spent = client.usage()
        assert spent.calls == 2
        assert spent.completion_tokens == 2 * REQUEST.max_tokens
        assert spent.prompt_tokens >= 2 * len("hello" + json.dumps(SCHEMA))
        again, _ = _client(server.url, record, timeout=0.2, retries=5, max_calls=3)
        assert again.usage() == spent
        with pytest.raises(BudgetError, match="calls were spent: 3 of 3; 3 attempts brought"):
            again.ask(REQUEST)
    assert len(server.requests) == again.usage().calls == 3


def test_a_server_that_is_not_there_costs_nothing() -> None:
    client, waited = _client("http://127.0.0.1:9/v1", retries=2)
    with pytest.raises(TransportError, match="3 attempts"):
        client.ask(REQUEST)
    assert len(waited) == 2
    assert client.usage() == Usage()


@pytest.mark.parametrize(
    "bad", [None, Turn(status=500, raw=b"{}"), Turn(raw=b"no JSON"), Turn("{}", sleep=5.0)]
)
def test_a_server_that_is_down_is_asked_no_more(bad: Turn | None, tmp_path: Path) -> None:
    """Twenty attempts of any question; the next client asks it again, and pays for what is new."""
    record = tmp_path / "llm.jsonl"
    numbered = [replace(REQUEST, sample=str(number)) for number in range(50)]
    up = False
    with serving(lambda request, number: bad if bad and not up else Turn("{}")) as server:
        url = server.url if bad else "http://127.0.0.1:9/v1"
        client, waited = _client(url, record, retries=2, timeout=0.05)
        for request in numbered:
            with pytest.raises(TransportError) as told:
                client.ask(request)
        assert len(server.requests) == (20 if bad else 0)
        assert len(waited) <= 20
        assert "20 times in a row and is asked no more; `alphamine resume`" in str(told.value)
        up = True
        again, _ = _client(server.url, record)
        assert [again.ask(request).text for request in numbered] == ["{}"] * 50
    replay, _ = _client(server.url, record, mode="replay")
    assert replay.ask(numbered[-1]).text == "{}"


def test_servers_that_ask_for_patience_are_not_down() -> None:
    with serving([*[Turn(status=429, raw=b"{}")] * 30, Turn("{}")]) as server:
        client, _ = _client(server.url, retries=40)
        assert client.ask(REQUEST).text == "{}"


@pytest.mark.parametrize("silent", [True, False])
def test_a_tokenizer_of_bytes_does_not_exceed_the_budget(silent: bool) -> None:
    """The most tokens that 400 Chinese characters, a schema and an answer can be."""
    words = "\u6536" * 400
    used = {"prompt_tokens": 1200 + len(json.dumps(SCHEMA)), "completion_tokens": 80}
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "a", "content": "\u6536" * 20},
    }
    body = {"choices": [choice], "model": "m", **({} if silent else {"usage": used})}
    with serving([Turn(raw=json.dumps(body).encode())]) as server:
        for limit in (1000, 1200, 1400, 1600, 3200):
            client, _ = _client(server.url, max_total_tokens=limit, max_tokens=80)
            before = len(server.requests)
            for number in range(5):
                with suppress(BudgetError):
                    client.ask(
                        ChatRequest(
                            "m", (Message("user", words),), SCHEMA, 1.0, 80, "", str(number)
                        )
                    )
            asked = len(server.requests) - before
            assert asked == {1600: 1, 3200: 2}.get(limit, 0)
            assert asked * sum(used.values()) <= limit
            assert client.usage().calls == asked


def test_calls_side_by_side_wait_for_what_the_others_leave() -> None:
    """Each sets aside far more than it costs; what it leaves is for the others."""
    with serving([Turn("{}", sleep=0.2)]) as server, ThreadPoolExecutor(4) as threads:
        client, _ = _client(server.url, max_total_tokens=3000)
        numbered = [replace(REQUEST, sample=str(number)) for number in range(4)]
        assert [answer.text for answer in threads.map(client.ask, numbered)] == ["{}"] * 4
    assert client.usage().tokens == 480


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_does_not_pass_is_not_tried_again(status: int) -> None:
    body = b'{"error": {"message": "key sk-abcdefghijkl is wrong"}}'
    with serving([Turn(status=status, raw=body)]) as server:
        client, waited = _client(server.url)
        with pytest.raises(RefusedError) as told:
            client.ask(REQUEST)
    assert (len(server.requests), waited) == (1, [])
    assert "sk-abcdefghijkl" not in str(told.value)


def test_requests_of_other_samples_have_other_seeds_where_a_server_takes_any() -> None:
    """Or a server that draws by the words, at temperature 0, answers islands alike."""
    with serving([Turn("{}")]) as server:
        client, _ = _client(server.url, temperature=0.0)
        for sample in ("seed 1 turn 0", "seed 2 turn 0", "seed 1 turn 0"):
            client.ask(replace(REQUEST, sample=sample))
    first, second, again = (request["seed"] for request in server.requests)
    assert first == again != second
    assert all(0 <= seed < 2**31 for seed in (first, second))


@pytest.mark.parametrize("words", ["unknown field: seed", "bad request"])
@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_a_seed_that_is_refused_is_left_out_from_then_on(
    words: str, schema: dict[str, Any] | None
) -> None:
    refusal = Turn(status=400, raw=json.dumps({"error": {"message": words}}).encode())
    with serving(lambda request, number: refusal if "seed" in request else Turn("{}")) as server:
        client, _ = _client(server.url)
        for sample in ("a", "b"):
            client.ask(replace(REQUEST, sample=sample, schema=schema))
    assert not any("seed" in request for request in server.requests[-2:])
    # What forms it takes is as if it had never been asked for a seed.
    assert client.capability == "json_schema"
    assert len(server.requests) == 2 + (3 if schema and "seed" not in words else 1)


def test_the_ladder_is_stepped_down_once_and_remembered() -> None:
    with serving(lambda request, number: Turn("{}", refuses="json_schema")) as server:
        client, waited = _client(server.url)
        for sample in ("a", "b"):
            client.ask(replace(REQUEST, sample=sample))
    forms = [(r.get("response_format") or {}).get("type") for r in server.requests]
    assert forms == ["json_schema", "json_object", "json_object"]
    assert (client.capability, waited) == ("json_object", [])


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"max_calls": 2}, "calls"),
        ({"max_total_tokens": 4500}, "tokens"),
        ({"max_money": 0.0005, "prompt_price": 1.0, "completion_price": 0.1}, "money"),
    ],
)
def test_the_budget_is_checked_before_a_call(settings: dict[str, Any], what: str) -> None:
    with serving([Turn("{}")]) as server:
        client, _ = _client(server.url, **settings)
        numbered = (replace(REQUEST, sample=str(number)) for number in range(50))
        with pytest.raises(BudgetError, match=what):
            deque(map(client.ask, numbered))
        spent = client.usage()
        assert spent.calls == len(server.requests) >= 2
    assert spent.calls <= settings.get("max_calls", 50)
    assert spent.tokens <= settings.get("max_total_tokens", 10**9)
    assert spent.money <= settings.get("max_money", 10.0)


def test_what_was_recorded_is_replayed_without_a_server(tmp_path: Path) -> None:
    record = tmp_path / "llm.jsonl"
    with serving(lambda request, number: Turn(json.dumps({"number": number}))) as server:
        client, _ = _client(server.url, record)
        said = [client.ask(replace(REQUEST, sample=str(n))).text for n in range(3)]
        again, _ = _client(server.url, record)
        assert [again.ask(replace(REQUEST, sample=str(n))).text for n in range(3)] == said
        assert len(server.requests) == 3
        assert again.usage() == client.usage()
    replay, _ = _client(server.url, record, mode="replay")
    assert [replay.ask(replace(REQUEST, sample=str(n))).text for n in range(3)] == said
    with pytest.raises(ReplayError, match="tree 9"):
        replay.ask(replace(REQUEST, sample="tree 9"))
    # Model, temperature and form are part of the key.
    for other in (
        replace(REQUEST, sample="0", model="other"),
        replace(REQUEST, sample="0", temperature=0.5),
        replace(REQUEST, sample="0", schema=None),
    ):
        with pytest.raises(ReplayError):
            replay.ask(other)


def test_a_line_that_was_cut_off_is_asked_again_and_others_are_not(tmp_path: Path) -> None:
    record = tmp_path / "llm.jsonl"
    with serving(lambda request, number: Turn(json.dumps({"number": number}))) as server:
        client, _ = _client(server.url, record)
        for n in range(2):
            client.ask(replace(REQUEST, sample=str(n)))
        record.write_bytes(record.read_bytes()[:-30])
        again, _ = _client(server.url, record)
        texts = [again.ask(replace(REQUEST, sample=str(n))).text for n in range(2)]
    assert texts == ['{"number": 0}', '{"number": 2}']
    assert len(Client(LLMSettings.of({"mode": "replay"}), record)._cassette or ()) == 2


def test_failures_are_replayed_too_but_asked_again_in_a_live_run(tmp_path: Path) -> None:
    record = tmp_path / "llm.jsonl"
    with serving([Turn(status=500, raw=b"{}"), Turn("{}")]) as server:
        client, _ = _client(server.url, record, retries=0)
        with pytest.raises(TransportError):
            client.ask(REQUEST)
        replay, _ = _client(server.url, record, mode="replay")
        with pytest.raises(TransportError):
            replay.ask(REQUEST)
        assert client.ask(REQUEST).text == "{}"


def test_a_spent_budget_is_recorded_once_and_replayed(tmp_path: Path) -> None:
    record = tmp_path / "llm.jsonl"
    numbered = [replace(REQUEST, sample=str(number)) for number in range(5)]

    def answered(client: Client, requests: Sequence[ChatRequest] = numbered) -> list[bool]:
        found = []
        for request in requests:
            try:
                client.ask(request)
                found.append(True)
            except BudgetError:
                found.append(False)
        return found

    with serving([Turn("{}")]) as server:
        live = answered(_client(server.url, record, max_calls=2)[0])
        assert live == [True, True, False, False, False]
        assert len(record.read_text().splitlines()) == 3
        replay = answered(_client(server.url, record, mode="replay")[0])
        assert replay == live
        # Threads may ask in another order, so that what was never asked comes first.
        replay = answered(_client(server.url, record, mode="replay")[0], numbered[::-1])
        assert replay == live[::-1]
        # A larger budget asks for what is missing, and pays for nothing else.
        assert answered(_client(server.url, record, max_calls=9)[0]) == [True] * 5
        assert len(server.requests) == 5


def test_openais_key_goes_to_openai_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    record = tmp_path / "llm.jsonl"
    with serving([Turn("{}")]) as server:
        client, _ = _client(server.url, record)
        client.ask(REQUEST)
        with pytest.raises(LLMError, match="not sent to"):
            _client(server.url, key="OPENAI_API_KEY")
        monkeypatch.setenv("ALPHAMINE_LLM_KEY", "key-of-this-server")
        client, _ = _client(server.url)
        client.ask(REQUEST)
    assert server.keys == ["Bearer none", "Bearer key-of-this-server"]
    assert "secret" not in record.read_text()
    assert LLMSettings().secret() == "sk-secret-of-openai"
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(LLMError, match="OPENAI_API_KEY"):
        LLMSettings().secret()


@pytest.mark.parametrize(
    ("given", "law"),
    [
        ({"api_key": "x"}, "no setting 'api_key'"),
        ({"model": "sk-abcdefgh"}, "environment alone"),
        ({"url": "ftp://host"}, "address of a server"),
        ({"url": "http://me:word@host/v1"}, "without a name"),
        ({"max_money": 1.0}, "prompt_price"),
        ({"mode": "sometimes"}, "mode is one of"),
        ({"retries": "many"}, "retries is a int"),
        ({"max_calls": 0}, "max_calls is above 0"),
        ({"max_money": float("nan")}, "max_money is above 0"),
        ({"prompt_price": -1.0}, "prompt_price is 0 or more"),
        ({"prompt_price": float("inf")}, "prompt_price is 0 or more and finite"),
        ({"completion_price": float("inf")}, "completion_price is 0 or more and finite"),
        ({"temperature": float("nan")}, "temperature is from 0 to 10, or -1"),
        ({"temperature": float("inf")}, "temperature is from 0 to 10, or -1"),
        ({"temperature": -0.5}, "temperature is from 0 to 10, or -1"),
        ({"retries": -3}, "retries is from 0"),
        ({"timeout": float("nan")}, "timeout is above 0 and at most"),
        ({"timeout": float("inf")}, "timeout is above 0 and at most"),
        ({"deadline": float("inf")}, "deadline is above 0 and at most"),
        ({"max_total_tokens": -1}, "max_total_tokens is above 0"),
    ],
)
def test_impossible_settings_are_refused(given: dict[str, Any], law: str) -> None:
    with pytest.raises(LLMError, match=law):
        LLMSettings.of(given)


@pytest.mark.parametrize("place", [".", "file/llm.jsonl", "/proc/x/llm.jsonl"])
@pytest.mark.parametrize("mode", ["auto", "record", "replay"])
def test_a_record_that_cannot_be_written_is_refused_before_anything_is_asked(
    place: str, mode: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    record = tmp_path / place
    settings = {"cassette": str(record), "mode": mode, "url": "http://127.0.0.1:9/v1"}
    with pytest.raises(LLMError, match="record"):
        Client(LLMSettings.of(settings), record)


def test_a_folder_is_a_server_too(tmp_path: Path) -> None:
    folder = tmp_path / "queue"

    def answer(seconds: float) -> None:
        [task] = folder.glob("*.task.json")
        asked = json.loads(task.read_text())
        assert asked["messages"][0]["content"] == "hello"
        (folder / task.name.replace(".task.", ".answer.")).write_text('{"a": 1}')

    client = Client(LLMSettings.of({"url": f"queue:{folder}"}), tmp_path / "r.jsonl", answer)
    assert client.ask(REQUEST).text == '{"a": 1}'
    replay = Client(LLMSettings.of({"mode": "replay"}), tmp_path / "r.jsonl")
    assert replay.ask(REQUEST).text == '{"a": 1}'


def test_an_answer_that_is_written_bit_by_bit_is_read_whole(tmp_path: Path) -> None:
    folder, whole = tmp_path / "queue", '[{"a": 1}, {"b": "\u00e9"}]'
    raw = whole.encode()
    written = 0

    def write(seconds: float) -> None:
        nonlocal written
        written = min(written + 1, len(raw))
        [task] = folder.glob("*.task.json")
        (folder / task.name.replace(".task.", ".answer.")).write_bytes(raw[:written])

    client = Client(LLMSettings.of({"url": f"queue:{folder}"}), wait=write)
    assert client.ask(REQUEST).text == whole
    assert written == len(raw)


def test_an_answer_that_is_no_json_is_taken_when_nobody_changes_it(tmp_path: Path) -> None:
    folder, waited = tmp_path / "queue", list[float]()

    def write(seconds: float) -> None:
        waited.append(seconds)
        [task] = folder.glob("*.task.json")
        words = ["", "I", "I think"][min(len(waited), 22) // 11]
        (folder / task.name.replace(".task.", ".answer.")).write_text(words)

    client = Client(LLMSettings.of({"url": f"queue:{folder}"}), wait=write)
    assert client.ask(REQUEST).text == "I think"
    assert sum(waited[22:]) == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize(
    "text",
    ['{"a": [1, 2]}', 'Sure!\n```json\n{"a": [1, 2]}\n```\nDone.', 'I think {"a": [1, 2]} is it'],
)
def test_the_object_is_found_in_what_is_around_it(text: str) -> None:
    assert json_object(text) == {"a": [1, 2]}


def test_a_list_stands_for_proposals() -> None:
    assert json_object('[{"formula": "close"}]') == {"proposals": [{"formula": "close"}]}


@pytest.mark.parametrize("text", ["", "no", '{"a": [1, 2', "[" * 100_000, "1", " " * 10_000_000])
def test_what_holds_no_object_is_said_to(text: str) -> None:
    with pytest.raises(ContentError):
        json_object(text)


def test_keys_are_masked() -> None:
    text = (
        "Authorization: Bearer abcdefghijk, sk-proj-123456789 and http://me:pass@host/ hidden-one"
    )
    shown = redacted(text, "hidden-one")
    assert not any(part in shown for part in ("abcdefghijk", "123456789", "pass", "hidden-one"))
    assert "host" in shown


@pytest.mark.parametrize(
    "text",
    ["risk-adjusted", "Ask-whatever_else", "task-adjusted\\nrisk-adjusted", "http://host:80/a b@c"],
)
def test_words_are_no_keys(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("密钥sk-abcdefgh12 is", "密钥[redacted] is"),
        ('{"a": "x\\nsk-abcdefgh12"}', '{"a": "x\\n[redacted]"}'),
        ('{"u":"http://x","b":"c@d"}', '{"u":"http://x","b":"c@d"}'),
        ("a\ud83d", "a\ufffd"),
        ("\ude00\ud83db", "\ufffd\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
)
def test_what_is_kept_is_whole_and_without_keys(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


def test_a_search_sees_what_its_record_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Or a question that echoes an answer would not be found in the record."""
    monkeypatch.setenv("ALPHAMINE_LLM_KEY", "key-of-this-server")
    record, said = tmp_path / "llm.jsonl", '{"a": "risk-adjusted sk-abcdefgh12 key-of-this-server"}'
    with serving([Turn(said)]) as server:
        client, _ = _client(server.url, record)
        answer = client.ask(REQUEST)
        client.ask(replace(REQUEST, messages=(Message("user", f"{said} \ud83d {answer.text}"),)))
    assert answer.text == '{"a": "risk-adjusted [redacted] [redacted]"}'
    monkeypatch.delenv("ALPHAMINE_LLM_KEY")
    replay, _ = _client(server.url, record, mode="replay")
    assert replay.ask(REQUEST) == answer
    replay.ask(replace(REQUEST, messages=(Message("user", f"{said} \ud83d {answer.text}"),)))
    assert "sk-abc" not in record.read_text()
    assert "key-of-this-server" not in record.read_text()
    assert "sk-abc" not in json.dumps(server.requests)


def test_a_long_error_shows_no_part_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHAMINE_LLM_KEY", "local_key_0123456789")
    words = ["x" * padding + " local_key_0123456789" for padding in range(180, 300, 6)]
    bodies = [json.dumps({"error": {"message": message}}).encode() for message in words]
    with serving([Turn(status=401, raw=body) for body in bodies]) as server:
        client, _ = _client(server.url)
        for _ in bodies:
            with pytest.raises(RefusedError) as told:
                client.ask(REQUEST)
            assert "local_key" not in str(told.value)


def test_half_a_surrogate_pair_ends_in_the_parser() -> None:
    assert json_object(r'{"a\ud83d": ["\ude00", "\ud83d\ude00"]}') == {
        "a\ufffd": ["\ufffd", "\U0001f600"]
    }
