from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import write_atomically
from chainrule.errors import ConfigurationError, DataError, MissingExtraError
from chainrule.tasks.digits import Configuration, DigitRecogniser, Digits
from chainrule.tasks.digits_data import load_digits, load_test
from chainrule.tasks.task import Report
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve


def train(
    folder: Path, *settings: str, data: str | None = None, resume: bool = False
) -> tuple[Report, DigitRecogniser]:
    """A finished run: its report, and the system loaded from its folder."""
    task = Digits()
    config = resolve(Configuration, settings=settings)
    where = RunFolder(folder)
    report = task.train(config, data, where, resume=resume, reporter=Silent(), say=lambda line: None)
    return report, task.load(where)


def write_idx(path: Path, array: np.ndarray, *, pack: bool = False) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    content = header + array.astype(np.uint8).tobytes()
    write_atomically(path, gzip.compress(content) if pack else content)


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of 6×6 with one bright row among noise: its number is the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, count)
    images = rng.integers(0, 60, (count, 6, 6))
    images[np.arange(count), labels] += 150
    return images, labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as MNIST's, of stripes: one part plain, one packed, one with a dot in its name."""
    path = tmp_path / "stripes"
    path.mkdir()
    (images, labels), (test_images, test_labels) = stripes(600, 0), stripes(100, 1)
    write_idx(path / "train-images-idx3-ubyte.gz", images, pack=True)
    write_idx(path / "train-labels-idx1-ubyte", labels)
    write_idx(path / "t10k-images.idx3-ubyte", test_images)
    write_idx(path / "t10k-labels.idx1-ubyte.gz", test_labels, pack=True)
    return path


def test_the_default_network_learns_the_bundled_digits(tmp_path: Path) -> None:
    report, system = train(tmp_path / "run")
    assert report.title == "digits: 64-16-16-10, sigmoid"
    assert report.scores["test_accuracy"] > 0.93
    assert report.scores["parameters"] == 64 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10
    again = system.evaluate(None)
    assert again.scores["test_accuracy"] == report.scores["test_accuracy"]
    assert again.tables == [report.tables[0], *report.tables[2:]]
    labels = load_digits(None).test.labels
    (usual, share), (_, linear), (_, own) = report.tables[0].rows
    assert share == report.scores["test_most_frequent_accuracy"] == np.mean(labels == int(usual[-1]))
    assert linear == report.scores["test_linear_accuracy"] > 0.93  # as other programs' logistic regression
    assert own == report.scores["test_accuracy"]


def test_the_bundled_digits_are_split_the_same_way_each_time() -> None:
    first, second = load_digits(None), load_digits(None)
    assert [len(part) for part in (first.train, first.validation, first.test)] == [1295, 143, 359]
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert (first.image, first.classes) == ((8, 8), 10)
    everything = np.concatenate([p.images for p in (first.train, first.validation, first.test)]).reshape(
        1797, 64
    )
    assert len(np.unique(everything, axis=0)) == 1797
    assert (everything.min(), everything.max()) == (0.0, 1.0)
    np.testing.assert_array_equal(load_test(None)[1].labels, first.test.labels)


def test_folders_of_idx_files(tmp_path: Path, folder: Path) -> None:
    found = load_digits(str(folder))
    assert [len(part) for part in (found.train, found.validation, found.test)] == [540, 60, 100]
    images, labels = stripes(600, 0)
    np.testing.assert_array_equal(found.validation.labels, labels[-60:])
    np.testing.assert_allclose(found.validation.images, images[-60:] / 255, rtol=1e-6)
    assert (found.image, found.classes) == ((6, 6), 6)
    quick = ("training.epochs=15", "training.batch=32", "optimizer.learning_rate=0.02")
    report, system = train(tmp_path / "run", *quick, data=str(folder))
    assert report.scores["test_accuracy"] > 0.95
    path = str(folder / "t10k-images.idx3-ubyte")
    answers = system.predict([path])
    predicted = np.array([answer["digit"] for answer in answers])
    assert np.mean(predicted == found.test.labels) == report.scores["test_accuracy"]
    assert [answer["image"] for answer in answers] == list(range(1, 101))
    pixels = ", ".join(map(str, stripes(100, 1)[0][0].ravel()))
    (alone,) = system.predict([pixels])
    assert (alone["digit"], alone["probability"]) == (
        answers[0]["digit"],
        pytest.approx(answers[0]["probability"]),
    )
    assert system.evaluate(str(folder)).scores == system.evaluate(None).scores


def test_a_small_cnn_learns(tmp_path: Path, folder: Path) -> None:
    model = ("kind=cnn", "filters=[8]", "window=3", "hidden=[16]")
    settings = ("training.epochs=20", "training.batch=32", "optimizer.learning_rate=0.02")
    settings += tuple(f"model.{setting}" for setting in model)
    report, system = train(tmp_path / "run", *settings, data=str(folder))
    assert report.title == "digits: CNN 6×6, filters 8, 16-6"
    assert report.scores["test_accuracy"] > 0.9
    assert system.evaluate(None).scores["test_accuracy"] == report.scores["test_accuracy"]


def test_images_are_moved_in_training_and_only_there(tmp_path: Path, folder: Path) -> None:
    """Which row is bright is the class: moved up or down by two at random, it says little of it."""
    settings = ("training.epochs=3", "model.hidden=[32]", "model.activation=relu")
    still, _ = train(tmp_path / "still", *settings, data=str(folder))
    moved, system = train(tmp_path / "moved", *settings, "data.shift=2", data=str(folder))
    assert still.scores["test_accuracy"] > moved.scores["test_accuracy"] + 0.2
    assert system.config.data.shift == 2
    assert system.config.data.source == str(folder.resolve())
    assert system.evaluate(None).scores.items() <= moved.scores.items()


@pytest.mark.parametrize(("kind", "name"), [("mlp", "sigmoid"), ("cnn", "relu")])
def test_the_activation_that_suits_the_network(tmp_path: Path, kind: str, name: str) -> None:
    train(tmp_path / "run", f"model.kind={kind}", "training.epochs=1", "training.batch=400")
    assert RunFolder(tmp_path / "run").config()["model"]["activation"] == name


@pytest.mark.parametrize("initial", ["xavier_normal", "kaiming_uniform", "uniform", "normal", "orthogonal"])
def test_initial_weights_and_optimizers_are_settings(tmp_path: Path, initial: str) -> None:
    rule = {"normal": "adagrad", "uniform": "rmsprop"}.get(initial, "momentum")
    optimizer = (f"rule={rule}", "clip_norm=1", "schedule=cosine", "warmup=3")
    settings = (f"model.initial={initial}", "training.epochs=1", "training.plateau=1")
    report, _ = train(tmp_path / "run", *settings, *(f"optimizer.{setting}" for setting in optimizer))
    assert 0 <= report.scores["test_accuracy"] <= 1


def test_inputs_are_brought_to_mean_0_with_the_training_images_figures(tmp_path: Path) -> None:
    _, system = train(tmp_path / "run", "training.epochs=1")
    images = load_digits(None).train.images
    assert system.model.mean.value.item() == pytest.approx(images.mean(), rel=1e-5)
    assert system.model.std.value.item() == pytest.approx(images.std(), rel=1e-5)
    assert "mean" not in dict(system.model.named_parameters())


def test_the_test_images_decide_nothing(tmp_path: Path, folder: Path) -> None:
    settings = ("training.epochs=3", "training.patience=1")
    train(tmp_path / "a", *settings, data=str(folder))
    images, labels = stripes(50, 9)
    write_idx(folder / "t10k-images.idx3-ubyte", 255 - images)
    write_idx(folder / "t10k-labels.idx1-ubyte.gz", (labels + 1) % 6, pack=True)
    train(tmp_path / "b", *settings, data=str(folder))
    a, b = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_an_activation_that_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match="did you mean leaky_relu"):
        train(Path("unused"), "model.activation=leakyrelu")


def test_without_scikit_learn_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[digits\]'"):
        load_digits(None)


def _break(folder: Path, how: str) -> None:
    images, labels = stripes(600, 0)
    match how:
        case "missing":
            (folder / "train-labels-idx1-ubyte").unlink()
        case "few labels":
            write_idx(folder / "train-labels-idx1-ubyte", labels[:-1])
        case "wrong axes":
            write_idx(folder / "train-labels-idx1-ubyte", images)
        case "other size":
            write_idx(folder / "t10k-images.idx3-ubyte", stripes(100, 1)[0][:, 1:])
        case "new class":
            write_idx(folder / "t10k-labels.idx1-ubyte.gz", np.full(100, 9))
        case "few images":
            write_idx(folder / "train-images-idx3-ubyte.gz", images[:9])
            write_idx(folder / "train-labels-idx1-ubyte", labels[:9])
        case "no images":
            write_idx(folder / "train-images-idx3-ubyte.gz", images[:0])
            write_idx(folder / "train-labels-idx1-ubyte", labels[:0])
        case "no idx":
            (folder / "train-images-idx3-ubyte.gz").write_bytes(b"PNG, perhaps")
        case "floats":
            head = bytes([0, 0, 13, 3, *([0, 0, 0, 1] * 3)])
            (folder / "train-images-idx3-ubyte.gz").write_bytes(head + b"\0\0\0\0")


@pytest.mark.parametrize(
    ("how", "text", "name"),
    [
        ("missing", "train-labels-idx1-ubyte is missing", ""),
        ("few labels", "599 labels for 600 images", "train-labels-idx1-ubyte"),
        ("wrong axes", "holds an array of 600 × 6 × 6; 1 axes were expected", "train-labels-idx1-ubyte"),
        ("other size", "training images are 6×6, test images 5×6", ""),
        ("new class", "class 9 is in the test labels only", ""),
        ("few images", "9 training images leave none for validation", ""),
        ("no images", "there are no images", "train-images-idx3-ubyte.gz"),
        ("no idx", "no IDX file", "train-images-idx3-ubyte.gz"),
        ("floats", "pixels are float32; bytes were expected", "train-images-idx3-ubyte.gz"),
    ],
)
def test_faults_of_the_data_name_the_file(folder: Path, how: str, text: str, name: str) -> None:
    _break(folder, how)
    if how == "floats":
        write_idx(folder / "train-labels-idx1-ubyte", np.zeros(1))
    with pytest.raises(DataError) as caught:
        load_digits(str(folder))
    assert text in str(caught.value)
    assert str(folder / name) in str(caught.value)


def test_images_that_do_not_fit_the_network(tmp_path: Path, folder: Path) -> None:
    _, system = train(tmp_path / "run", "training.epochs=1")
    with pytest.raises(DataError, match="images are 6×6; the network takes 8×8"):
        system.evaluate(str(folder))
    with pytest.raises(DataError, match="images are 6×6; the network takes 8×8"):
        system.predict([str(folder / "t10k-images.idx3-ubyte")])
