"""Pictures by reference: real files, a real HTTP server, real PNGs and JPEGs, a real model."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.runners.models import placed
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, TextColumn
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.inputs import ImageSettings, InputSettings
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners import _pictures
from watchtower.runners._bench import Bench, Job, Rows
from watchtower.runners._pictures import locate, read
from watchtower.runners.onnx import Onnx

pytest.importorskip("PIL")
pytest.importorskip("fsspec")
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def png(*colors: tuple[int, int, int], size: tuple[int, int] | None = None, form: str = "PNG") -> bytes:
    """Stripes from left to right, one pixel each, or brought to *size* (width, height)."""
    from PIL import Image

    image = Image.new("RGB", (len(colors), 1))
    for x, color in enumerate(colors):
        image.putpixel((x, 0), color)
    if size is not None:
        image = image.resize(size, Image.Resampling.NEAREST)
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def texts(*values: str) -> TextColumn:
    names = tuple(dict.fromkeys(each for each in values if each))
    return TextColumn(np.array([names.index(each) if each else -1 for each in values], dtype=np.int32), names)


def settings(root: object, **more: object) -> ImageSettings:
    return ImageSettings.model_validate({"feature": "photo", "size": [1, 2], "roots": root, **more})


def test_pictures_are_read_beneath_their_root_in_the_order_of_the_rows(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(RED, GREEN))
    (tmp_path / "b.png").write_bytes(png(BLUE, RED))
    shown = read(texts("a.png", f"{tmp_path}/b.png", f"file://{tmp_path}/a.png"), settings(str(tmp_path)), 3)
    assert (shown.rows.tolist(), shown.missing) == ([0, 1, 2], {})
    assert shown.pixels[0].tolist() == [[[255, 0, 0], [0, 255, 0]]]
    assert shown.pixels[1].tolist() == [[[0, 0, 255], [255, 0, 0]]]
    assert shown.pixels[2].tolist() == shown.pixels[0].tolist()


def test_colours_may_be_turned_around_or_grey(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(RED, GREEN))
    assert read(texts("a.png"), settings(str(tmp_path), colors="bgr"), 1).pixels[0].tolist() == [[[0, 0, 255], [0, 255, 0]]]
    assert read(texts("a.png"), settings(str(tmp_path), colors="gray"), 1).pixels[0].tolist() == [[[76], [150]]]  # 0.299 and 0.587 of 255 (ITU-R 601)


def test_the_middle_is_cut_out_of_the_resized_picture(tmp_path: Path) -> None:
    (tmp_path / "wide.png").write_bytes(png(RED, GREEN, BLUE, size=(300, 100)))
    shown = read(texts("wide.png"), settings(str(tmp_path), size=[4, 4], resize=4), 1)
    assert shown.pixels[0][:, 1:3].tolist() == [[[0, 255, 0]] * 2] * 4  # beside it red and blue are mixed in
    assert shown.pixels[0][:, 0, 0].min() > 0


def test_what_cannot_be_read_is_missing_and_never_black(tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(png(RED, GREEN))
    (tmp_path / "cut.jpg").write_bytes(png(RED, GREEN, size=(64, 64), form="JPEG")[:300])
    (tmp_path / "text.png").write_bytes(b"no picture")
    (tmp_path / "large.png").write_bytes(png(RED, GREEN) + b"\0" * 1_000)
    column = texts("good.png", "cut.jpg", "text.png", "large.png", "none.png", "", "../etc/passwd", "good.png")
    shown = read(column, settings(str(tmp_path), most_bytes=900), 8)
    assert shown.rows.tolist() == [0, 7]
    assert shown.pixels.shape == (2, 1, 2, 3)
    assert shown.pixels[1].tolist() == [[[255, 0, 0], [0, 255, 0]]]
    assert (shown.missing[3], shown.missing[4], shown.missing[5]) == ("it is larger than 900 bytes", "it is not there", "no address was logged")
    assert shown.missing[6] == "it lies beneath none of the roots"
    assert {1, 2} <= {*shown.missing}


def test_a_small_file_that_holds_a_huge_picture_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pictures, "MOST_PIXELS", 99)
    (tmp_path / "huge.png").write_bytes(png(RED, size=(10, 10)))
    assert read(texts("huge.png"), settings(str(tmp_path)), 1).missing == {0: "it is 10 x 10 pixels, more than 99"}


def test_a_feature_of_numbers_holds_no_addresses() -> None:
    with pytest.raises(ShadowError, match="feature photo holds no addresses of pictures, but numbers"):
        read(NumberColumn(np.zeros(1)), settings("/data"), 1)


@pytest.mark.parametrize(
    ("reference", "roots", "found"),
    [
        ("a/b.png", ["s3://bucket/in"], "s3://bucket/in/a/b.png"),
        ("s3://bucket/in/c.png", ["s3://bucket/in"], "s3://bucket/in/c.png"),
        ("s3://bucket/inner/c.png", ["s3://bucket/in"], ""),
        ("s3://bucket/in/../c.png", ["s3://bucket/in"], ""),
        ("s3://bucket/in/%2e%2e/c.png", ["s3://bucket/in"], ""),
        ("s3://other/in/c.png", ["s3://bucket/in"], ""),
        ("gs://bucket/in/c.png", ["s3://bucket/in"], ""),
        ("http://169.254.169.254/in/c.png", ["s3://bucket/in"], ""),
        ("zip://c.png::s3://bucket/in/c.zip", ["s3://bucket/in"], ""),
        ("https://user@host/in/c.png", ["https://host/in"], ""),
        ("https://host/in/c.png", ["s3://bucket/in", "https://host/in"], "https://host/in/c.png"),
        ("/etc/passwd", ["/data"], ""),
        ("../etc/passwd", ["/data"], ""),
        ("file:///etc/passwd", ["/data"], ""),
        ("file:///data/c.png", ["/data"], "file:///data/c.png"),
    ],
)
def test_nothing_outside_of_the_roots_is_read(reference: str, roots: list[str], found: str) -> None:
    assert locate(reference, roots) == found


def test_a_link_that_leads_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(png(RED, GREEN))
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    assert read(texts("link.png"), settings(str(tmp_path / "in")), 1).missing == {0: "it lies beneath none of the roots"}


class Pictures(BaseHTTPRequestHandler):
    """`/in/a.png`, a redirect to it, one that is slow, and one without end."""

    def do_GET(self) -> None:
        if self.path == "/in/away.png":
            self.send_response(302)
            self.send_header("Location", "/out/a.png")
            self.end_headers()
            return
        if self.path == "/in/slow.png":
            self.server.held.wait(10)  # type: ignore[attr-defined]
        body = png(RED, GREEN) if self.path != "/in/endless.png" else b"\0" * 100_000
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's own name
        """Quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    far = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    far.held = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=far.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{far.server_port}"
    far.held.set()  # type: ignore[attr-defined]
    far.shutdown()
    thread.join()
    far.server_close()


def test_pictures_come_over_http_where_a_root_is_there_and_redirects_are_not_followed(address: str) -> None:
    column = texts("a.png", f"{address}/in/a.png", f"{address}/out/a.png", "away.png", "endless.png")
    shown = read(column, settings(f"{address}/in", most_bytes=50_000), 5)
    assert shown.rows.tolist() == [0, 1]
    assert shown.missing[2] == "it lies beneath none of the roots"
    assert shown.missing[3] == "the server answered 302"
    assert "more than 50,000 bytes" in shown.missing[4]


def test_a_picture_that_does_not_come_in_time_keeps_nobody(address: str) -> None:
    shown = read(texts("slow.png", "a.png"), settings(f"{address}/in", within="300ms"), 2)
    assert shown.rows.tolist() == [1]
    assert "0.3 s" in shown.missing[0] or "timed out" in shown.missing[0]


# ------------------------------------------------------------------------------------------------------ through a model


def redness() -> bytes:
    """P = the mean of the first channel of X, float [N, 3, 1, 2], as [N, 1]."""
    nodes = [
        helper.make_node("Slice", ["X", "from", "to", "axis"], ["red"]),
        helper.make_node("ReduceMean", ["red"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "flat"], ["probability"]),
    ]
    weights = {"from": [0], "to": [1], "axis": [1], "flat": [-1, 1]}
    tensors = [helper.make_tensor(name, TensorProto.INT64, [len(value)], value) for name, value in weights.items()]
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 3, 1, 2])]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, tensors), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_a_model_is_run_on_pictures_and_rows_without_are_left_out_and_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    for name, colors in {"red": (RED, RED), "half": (RED, BLUE), "none": (GREEN, BLUE)}.items():
        (tmp_path / f"{name}.png").write_bytes(png(*colors))
    one, two = placed(tmp_path / "models", "1", redness()), placed(tmp_path / "models", "2", redness())
    names = ["red.png", "half.png", "gone.png", "none.png"] * 25
    columns: dict[str, Column] = {"photo": texts(*names)}
    inputs = {"X": InputSettings(image=settings(str(tmp_path)))}
    probability = PredictionSettings.model_validate({"kind": "probability"})
    job = Job(Onnx(), (two, one), Rows(columns, 100), Rows(columns, 100), {"photo": FeatureType.TEXT}, inputs, probability, "cpu")
    for ran in Bench()(job):
        assert ran.failure == ""
        assert np.asarray(ran.answers) == pytest.approx([1.0, 0.5, 0.0] * 25)
        assert ran.reference is not None
        assert len(ran.reference) == 75
        assert (sorted(ran.absent), set(ran.absent.values())) == ([*range(2, 100, 4)], {"photo: it is not there"})
        assert sorted(ran.absent_reference) == sorted(ran.absent)


def test_a_model_that_takes_other_pictures_is_broken_and_names_its_input(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "red.png").write_bytes(png(RED, RED))
    inputs = {"X": InputSettings(image=settings(str(tmp_path), size=[2, 2]))}
    probability = PredictionSettings.model_validate({"kind": "probability"})
    rows = Rows({"photo": texts("red.png")}, 1)
    (ran,) = Bench()(Job(Onnx(), (placed(tmp_path / "models", "1", redness()),), rows, None, {"photo": FeatureType.TEXT}, inputs, probability, "cpu"))
    assert ran.failure == "input X (tensor(float), shape [N, 3, 1, 2]) does not take pictures of shape [N, 3, 2, 2] (nchw)"
