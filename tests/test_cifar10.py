"""CIFAR-10's download, against a server on loopback that holds a small archive of its layout."""

import hashlib
import http.server
import io
import socket
import tarfile
import threading

import numpy as np
import pytest

from simclr.config import DataError
from simclr.data.sources import cifar10
from simclr.settings.data import Prepare
from simclr.stages import prepare

RECORDS = 20  # images of a batch; 10,000 in the real one


def quiet(done, text):
    pass


def archive(records: int = RECORDS, leave_out: str = "", label: int | None = None) -> bytes:
    """A tar.gz in the layout of cifar-10-binary.tar.gz; pixel values tell batch and channel."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number, name in enumerate([*cifar10.BATCHES["train"], *cifar10.BATCHES["test"]]):
            rows = np.zeros((records, cifar10.RECORD), np.uint8)
            rows[:, 0] = np.arange(records) % 10 if label is None else label
            rows[:, 1:] = np.repeat([10 * number, 10 * number + 1, 10 * number + 2], 1024)
            rows[:, 1 : 1 + 32] = 255  # the top row of red
            if name != leave_out:
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                info.size = rows.size
                tar.addfile(info, io.BytesIO(rows.tobytes()))
    return buffer.getvalue()


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`, from where a Range asks; `cut` sends that many bytes and hangs up."""

    content, cut, log, ranges = b"", None, (), True

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.log.append(wanted)
        if self.path != f"/{cifar10.FILE}":
            return self.send_error(404)
        wanted = wanted if self.ranges else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start and start >= len(self.content):
            return self.send_error(416)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start:][: self.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Start a server: serve(content, cut=None) -> list of the Range headers asked for."""
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path / "raw"))
    monkeypatch.setenv("no_proxy", "*")
    running = []

    def start(content, cut=None, path="", ranges=True):
        attributes = {"content": content, "cut": cut, "ranges": ranges, "log": []}
        handler = type("Handler", (Server,), attributes)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        url = f"http://127.0.0.1:{server.server_address[1]}{path}"
        monkeypatch.setenv("SIMCLR_CIFAR10_URL", url)
        return handler.log

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw" / cifar10.FILE


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def refused(match: str, checksum: str = "0" * 32) -> None:
    """Downloading must fail with one line that matches."""
    with pytest.raises(DataError, match=match) as error:
        cifar10.download(quiet, checksum)
    assert "\n" not in str(error.value)


def test_prepared_from_a_download(serve, tmp_path, raw, monkeypatch):
    content = archive()
    log = serve(content)
    monkeypatch.setattr(cifar10, "MD5", md5(content))
    for out, side in (("a", 32), ("b", 16)):
        (tmp_path / out).mkdir()
        settings = Prepare(source="cifar10", image_size=side, train_images=50, test_images=10)
        prepare.run(settings, {}, tmp_path / out, tmp_path / "none", quiet)
    assert log == [None] and raw.read_bytes() == content  # once, for both
    data = prepare.packed.load(tmp_path / "a")
    assert data.classes[3] == "cat"
    assert np.bincount(data.train_labels).tolist() == [5] * 10
    assert np.bincount(data.test_labels).tolist() == [1] * 10
    assert (data.train_images[:, 0, 0] == 255).all()  # row 0 of red: planes and rows are in place
    assert (data.test_images[:, :, 1:] == np.array([50, 51, 52])[:, None, None]).all()
    small = prepare.packed.load(tmp_path / "b")
    assert small.train_images.shape == (50, 3, 16, 16)
    np.testing.assert_array_equal(small.train_labels, data.train_labels)


def test_all_of_it_keeps_its_order(serve, raw):
    content = archive()
    serve(content)
    found = cifar10.read(cifar10.download(quiet, md5(content)))
    pixels, labels = found["train"]
    assert pixels.shape == (100, 3, 32, 32) and labels.tolist() == [*range(10)] * 10
    assert pixels[::20, 1, 5, 5].tolist() == [1, 11, 21, 31, 41]


def test_wrong_checksum_is_not_kept(serve, raw):
    serve(archive())
    refused("MD5 is .* not 0000")
    assert not raw.exists()
    content = archive(records=10)  # and the next attempt starts from nothing
    log = serve(content)
    assert cifar10.download(quiet, md5(content)) == raw and log == [None]


def test_altered_archive_on_disk_is_refused(serve, raw):
    content = archive()
    serve(content)
    cifar10.download(quiet, md5(content))
    raw.write_bytes(content[:-1])
    refused("remove it to download again", md5(content))


def test_broken_connection_is_continued(serve, raw):
    content = archive()
    serve(content, cut=1000)
    refused(f"connection lost at 1,000 of {len(content):,} bytes", md5(content))
    assert not raw.exists()
    log = serve(content)
    reports = []
    cifar10.download(lambda done, text: reports.append(done), md5(content))
    assert raw.read_bytes() == content and log == ["bytes=1000-"] and reports[-1] == 1.0


def test_server_without_ranges_starts_again(serve, raw):
    content = archive()
    raw.parent.mkdir()
    raw.with_name(raw.name + ".part").write_bytes(content[:1000])
    serve(content, ranges=False)
    assert cifar10.download(quiet, md5(content)).read_bytes() == content


def test_complete_part_needs_no_server(serve, raw):
    content = archive()
    raw.parent.mkdir()
    raw.with_name(raw.name + ".part").write_bytes(content)  # killed just before the renaming
    log = serve(content)
    assert cifar10.download(quiet, md5(content)).read_bytes() == content and log == []


def test_part_of_another_file_is_discarded(serve, raw):
    content = archive()
    raw.parent.mkdir()
    raw.with_name(raw.name + ".part").write_bytes(b"x" * (len(content) + 5))
    serve(content)
    assert cifar10.download(quiet, md5(content)).read_bytes() == content


def test_not_found(serve):
    serve(archive(), path="/elsewhere")
    refused("cannot be downloaded .*404: Not Found")


def test_connection_refused(serve, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("SIMCLR_CIFAR10_URL", f"http://127.0.0.1:{port}")
    refused("cannot be downloaded .*refused")
    monkeypatch.setenv("SIMCLR_CIFAR10_URL", "no-url")
    refused("cannot be downloaded .*unknown url type")


def test_archive_that_is_not_cifar10(tmp_path):
    path = tmp_path / "x.tar.gz"
    for content, match in (
        (archive(leave_out="data_batch_3.bin"), "data_batch_3.bin"),
        (archive(label=10), "label exceeds 9"),
        (archive()[:300], "damaged"),
        (b"no archive", "damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=match):
            cifar10.read(path)


def test_more_images_than_there_are():
    with pytest.raises(DataError, match="train_images: CIFAR-10 has 50000"):
        prepare.check(Prepare(source="cifar10", train_images=50_001))
