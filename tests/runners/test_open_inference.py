"""Versions re-run where they are served: a real MLServer, and far ends that are as strict as the protocol."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.servers._require import need
from tests.servers.mlserver import BAD, GOOD, Mlserver, NoMlserverError, server
from tests.workers.test_trials import MINUTE, TEN, Stage, look
from watchtower.edges.clock import ManualClock
from watchtower.model_stores import Artefact
from watchtower.nouns.batch import FeatureType, NumberColumn
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners._bench import Bench, Job, Rows
from watchtower.runners._open_inference import as_bytes, from_bytes, where
from watchtower.runners.open_inference import PROVIDER, OpenInference, OpenInferenceSession
from watchtower.store import Store
from watchtower.workers.rows import RowReader
from watchtower.workers.trials import Terms, TrialRoom

X = np.array([[0.0, 0.0], [1.0, -1.0], [2.0, 3.0]], dtype=np.float32)
SCHEMES = ("http", "grpc")


@pytest.fixture(scope="session")
def mlserver() -> Iterator[Mlserver]:
    running = server()
    try:
        started = running.__enter__()
    except NoMlserverError as missing:
        need("mlserver", str(missing))
    yield started
    running.__exit__(None, None, None)


def artefact(version: str = "1", model: str = "fraud") -> Artefact:
    return Artefact(version, Path(), "", metadata={"model": model})


def opened(runner: OpenInference, version: str = "1") -> OpenInferenceSession:
    return runner.open(artefact(version), "auto")


def probability(weights: tuple[float, float], x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(1 / (1 + np.exp(-(x.astype(np.float64) @ np.array(weights)))))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_both_versions_answer_for_themselves_in_calls_of_a_few_rows(mlserver: Mlserver, scheme: str) -> None:
    runner = OpenInference(url=mlserver.at(scheme), batch=2)
    for version, weights in (("1", GOOD), ("2", BAD)):
        session = opened(runner, version)
        assert str(session.inputs()[0]) == "input X (tensor(float), shape [?, 2])"
        outputs = session.run({"X": X})
        session.close()
        assert outputs.arrays["probability"].shape == (3, 1)
        assert outputs.arrays["probability"][:, 0] == pytest.approx(probability(weights, X), abs=1e-6)
        assert (outputs.provider, len(outputs.batch_seconds)) == (PROVIDER, 2)
        assert outputs.note == f"asked over the network ({scheme}): times hold the way there and whatever else it serves"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_go_there_and_come_back(mlserver: Mlserver, scheme: str) -> None:
    session = opened(OpenInference(url=mlserver.at(scheme, "words")))
    assert session.run({"country": np.array([["DE"], [""], ["Österreich"]], dtype=object)}).arrays["label"].reshape(-1).tolist() == ["DE", "none", "Österreich"]
    session.close()


@pytest.mark.parametrize(("scheme", "said"), [("http", "/versions/3/ready answered 404"), ("grpc", "answered UNKNOWN: ")])
def test_a_version_that_is_not_served_says_which_endpoint_answered_what(mlserver: Mlserver, scheme: str, said: str) -> None:
    with pytest.raises(ShadowError, match="version 3 is not served: ") as error:
        opened(OpenInference(url=mlserver.at(scheme)), "3")
    assert said in str(error.value)
    assert "Model fraud with version 3 not found" in str(error.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_inputs_that_the_metadata_leaves_out_are_asked_for_and_can_be_said(mlserver: Mlserver, scheme: str) -> None:
    url = mlserver.at(scheme, "unsaid")
    with pytest.raises(ShadowError, match=r"names no inputs; say them with tensors: \{NAME: \{type: FP32"):
        opened(OpenInference(url=url))
    session = opened(OpenInference.model_validate({"url": url, "tensors": {"X": {"type": "FP32", "shape": [-1, 2]}}}))
    assert session.run({"X": X}).arrays["probability"][:, 0] == pytest.approx(probability(GOOD, X), abs=1e-6)
    session.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_model_that_refuses_is_told_with_its_words(mlserver: Mlserver, scheme: str) -> None:
    session = opened(OpenInference(url=mlserver.at(scheme, "unwilling")))
    with pytest.raises(ShadowError, match="X is not to my taste"):
        session.run({"X": X})
    session.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_answer_that_does_not_come_in_time_is_an_error_and_not_asked_for_again(mlserver: Mlserver, scheme: str) -> None:
    session = opened(OpenInference.model_validate({"url": mlserver.at(scheme, "slow"), "within": "200ms"}))
    with pytest.raises(ShadowError, match=r"did not answer within 0\.2 s|DEADLINE_EXCEEDED"):
        session.run({"X": X})
    session.close()


def test_a_missing_number_has_no_word_in_json_unless_it_is_said(mlserver: Mlserver) -> None:
    holed = np.array([[np.nan, 0.0], [1.0, 1.0]], dtype=np.float32)
    session = opened(OpenInference(url=mlserver.at("http")))
    with pytest.raises(ShadowError, match=r"input X holds 1 values that are missing or not finite, which JSON has no word for: use grpc://"):
        session.run({"X": holed})
    session.close()
    session = opened(OpenInference(url=mlserver.at("http"), missing="null"))
    answers = session.run({"X": holed}).arrays["probability"][:, 0]
    assert np.isnan(answers[0])
    assert answers[1] == pytest.approx(probability(GOOD, holed[1:])[0], abs=1e-6)
    session.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_trial_runs_both_versions_on_the_same_rows_through_the_bench(mlserver: Mlserver, scheme: str) -> None:
    x = np.random.default_rng(2).normal(0, 1, (600, 2))
    columns = {"amount": NumberColumn(x[:, 0]), "age": NumberColumn(x[:, 1])}
    types = dict.fromkeys(columns, FeatureType.NUMERIC)
    runner = OpenInference(url=mlserver.at(scheme).replace("fraud", "{model}"))
    job = Job(
        runner,
        (artefact("2"), artefact("1"), artefact("9")),
        Rows(columns, 600),
        None,
        types,
        {},
        PredictionSettings.model_validate({"kind": "probability"}),
        "auto",
    )
    bench = Bench()
    live, candidate, none = bench(job)
    for session in bench._sessions.values():
        session.close()
    assert np.asarray(live.answers) == pytest.approx(probability(BAD, x.astype(np.float32)), abs=1e-6)
    assert np.asarray(candidate.answers) == pytest.approx(probability(GOOD, x.astype(np.float32)), abs=1e-6)
    assert len(live.batch_seconds) == len(candidate.batch_seconds) > 10
    assert (live.provider, live.deterministic, none.failure[:25]) == (PROVIDER, True, "version 9 is not served: ")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_whole_trial_needs_no_artefact_and_says_what_ran(mlserver: Mlserver, scheme: str, tmp_path: Path) -> None:
    """Version 2, which is bad, is live; both are asked where they are served, by the trial's own child process."""
    store = Store.open("sqlite://", now=ManualClock(TEN).now)
    stage = Stage(tmp_path, store, list(BAD))
    plan = stage.served("1", "7")
    terms = Terms(stage.watched, None, runner=OpenInference(url=mlserver.at(scheme).replace("fraud", "{model}")))
    room = TrialRoom(store, RowReader([stage.source]), lambda _: terms, MINUTE)
    judgement = look(room, plan)
    store.close()
    assert (judgement.verdict, judgement.candidate) == (Verdict.ACCEPT, "1")
    assert judgement.evidence["providers"] == {"2": PROVIDER, "1": PROVIDER, "7": ""}
    assert judgement.evidence["agreement"] == 1.0
    failures = judgement.evidence["failures"]
    assert isinstance(failures, dict)
    assert "version 7 is not served: " in failures["7"]


# ------------------------------------------------------------------------------------------------------ far ends of our own


class Strict(ThreadingHTTPServer):
    """Speaks the protocol's binary extension and nothing else; refuses the first *busy* inferences with 503; doubles `X`."""

    def __init__(self, busy: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), StrictHandler)
        self.busy = busy
        self.calls: list[str] = []
        self.tokens: set[str] = set()
        self.lose = False


class StrictHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Strict

    def do_GET(self) -> None:
        self.server.calls.append(self.path)
        metadata = {"name": "m", "inputs": [{"name": "X", "datatype": "FP16", "shape": [-1, 2]}, {"name": "T", "datatype": "BYTES", "shape": [-1, 1]}]}
        about = {"name": "strict", "extensions": ["binary_tensor_data"]}
        self._answer(200, json.dumps(about if self.path == "/v2" else metadata).encode())

    def do_POST(self) -> None:
        self.server.calls.append(self.path)
        self.server.tokens.add(self.headers.get("Authorization", ""))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.busy > 0:
            self.server.busy -= 1
            self._answer(503, b'{"error": "no room"}')
            return
        head = int(self.headers["Inference-Header-Content-Length"])
        said, rest = json.loads(body[:head]), body[head:]
        assert said["parameters"] == {"binary_data_output": True}
        sizes = {each["name"]: each["parameters"]["binary_data_size"] for each in said["inputs"]}
        assert sum(sizes.values()) == len(rest)
        x = np.frombuffer(rest[: sizes["X"]], "<f2").reshape(said["inputs"][0]["shape"])
        texts = rest[sizes["X"] :]
        doubled = (2 * x.astype("<f4")).tobytes()
        outputs = [
            {"name": "Y", "datatype": "FP32", "shape": list(x.shape), "parameters": {"binary_data_size": len(doubled)}},
            {"name": "T", "datatype": "BYTES", "shape": [len(x), 1], "parameters": {"binary_data_size": len(texts)}},
            {"name": "N", "datatype": "INT64", "shape": [len(x)], "data": list(range(len(x)))},
        ]
        answer = json.dumps({"outputs": outputs}).encode()
        self._answer(200, answer + doubled + texts[: -1 if self.server.lose else None], {"Inference-Header-Content-Length": str(len(answer))})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's own name
        """Quiet."""


@pytest.fixture
def strict() -> Iterator[Strict]:
    far = Strict()
    thread = threading.Thread(target=far.serve_forever, args=(0.01,))
    thread.start()
    yield far
    far.shutdown()
    thread.join()
    far.server_close()


def at(far: Strict, **settings: object) -> OpenInference:
    return OpenInference.model_validate({"url": f"http://127.0.0.1:{far.server_port}/v2/models/m/versions/{{version}}", **settings})


INPUTS = {"X": np.array([[1.0, np.nan], [0.5, -2.0]], dtype=np.float16), "T": np.array([["a"], ["öö"]], dtype=object)}


def test_where_the_server_reads_bytes_they_are_sent_as_bytes(strict: Strict) -> None:
    session = opened(at(strict))
    found = session.run(INPUTS).arrays
    session.close()
    assert np.array_equal(found["Y"], np.array([[2, np.nan], [1, -4]], dtype=np.float32), equal_nan=True)
    assert (found["T"].tolist(), found["N"].tolist()) == ([["a"], ["öö"]], [0, 1])
    assert strict.calls == ["/v2/models/m/versions/1/ready", "/v2/models/m/versions/1", "/v2", "/v2/models/m/versions/1/infer"]


def test_a_busy_endpoint_is_asked_again_and_the_waiting_is_not_its_time(strict: Strict) -> None:
    strict.busy = 2
    session = opened(at(strict))
    outputs = session.run(INPUTS)
    session.close()
    assert len(strict.calls) == 3 + 3
    assert outputs.batch_seconds.sum() < 0.1  # the pauses were 0.1 and 0.2 s


def test_patience_ends(strict: Strict) -> None:
    strict.busy = 1000
    session = opened(at(strict, patience="250ms"))
    with pytest.raises(ShadowError, match=r"answered 503: no room \(tried for 0\.25 s\)"):
        session.run(INPUTS)
    session.close()


def test_an_answer_that_is_cut_off_is_an_error(strict: Strict) -> None:
    strict.lose = True
    session = opened(at(strict))
    with pytest.raises(ShadowError, match="answered an output that cannot be read"):
        session.run(INPUTS)
    session.close()


def test_the_token_is_sent_and_never_told(strict: Strict, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    session = opened(at(strict, token_file=str(tmp_path / "token")))
    session.run(INPUTS)
    session.close()
    assert strict.tokens == {"Bearer s3cret"}
    assert "s3cret" not in repr(session)
    with pytest.raises(ShadowError, match="cannot be read"):
        opened(at(strict, token_file=str(tmp_path / "none")))


def test_no_more_rows_a_second_than_the_endpoint_can_spare(strict: Strict) -> None:
    session = opened(at(strict, batch=1, rows_per_second=20))
    assert session._free_at == 0.0
    session.run(INPUTS)
    first = session._free_at
    session.run(INPUTS)
    session.close()
    assert session._free_at - first >= 2 / 20 - 1e-6


def test_an_endpoint_that_is_away_is_named(strict: Strict) -> None:
    runner = at(strict, patience="50ms")
    away = runner.model_copy(update={"url": "http://127.0.0.1:9/v2/models/m/versions/{version}"})
    with pytest.raises(ShadowError, match=r"http://127\.0\.0\.1:9/v2/models/m/versions/1 cannot be reached: Connection refused"):
        opened(away)
    over_grpc = runner.model_copy(update={"url": "grpc://127.0.0.1:9/v2/models/m/versions/{version}"})
    with pytest.raises(ShadowError, match="answered UNAVAILABLE"):
        opened(over_grpc)


def test_a_gpu_cannot_be_demanded_of_somebody_elses_machine(strict: Strict) -> None:
    with pytest.raises(ShadowError, match="cannot be demanded of a live endpoint"):
        at(strict).open(artefact(), "cuda")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://host/v2/models/m", "must hold {version}"),
        ("http://host/models/m/versions/{version}", "is no address of the protocol"),
        ("ftp://host/v2/models/m/versions/{version}", "is no address of the protocol"),
        ("http://user:pass@host/v2/models/m/versions/{version}", "is no address of the protocol"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused(url: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        OpenInference(url=url)


def test_versions_and_names_cannot_leave_their_place_in_the_path() -> None:
    found = where("https://host:8080/serving/v2/models/{model}/versions/{version}/infer", "a/../b", "7?x=1")
    assert found is not None
    assert found.path == "/serving/v2/models/a%2F..%2Fb/versions/7%3Fx%3D1"
    assert (found.model, found.version, found.host) == ("a/../b", "7?x=1", "host:8080")


def test_tensors_are_little_endian_and_texts_carry_their_lengths() -> None:
    assert as_bytes(np.array([[1, 258]], dtype=np.int16), "INT16") == b"\x01\x00\x02\x01"
    assert as_bytes(np.array(["é", ""], dtype=object), "BYTES") == b"\x02\x00\x00\x00\xc3\xa9\x00\x00\x00\x00"
    assert from_bytes(b"\x02\x00\x00\x00\xc3\xa9\x00\x00\x00\x00", "BYTES", [2, 1]).tolist() == [["é"], [""]]
    with pytest.raises(ValueError, match="cut off"):
        from_bytes(b"\x02\x00\x00\x00\xc3", "BYTES", [1])
