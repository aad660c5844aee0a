"""The second pass: weights from the sketches, as `importance_weights` would give them for all rows at once."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scale_checkers import LetterChecker

from skweight import effective_sample_size, importance_weights
from skweight.scale import Scorer, score_file, weights


@pytest.fixture
def probabilities():
    """P' and Q of 300 rows, some of them not known; the label of each."""
    rng = np.random.default_rng(0)
    quality, diversity = rng.beta(2, 1, 300), rng.beta(4, 1, 300)
    quality[[5, 77]] = np.nan
    quality[9] = 0.0
    return quality, diversity, np.array(["a", "b", "c"])[rng.integers(3, size=300)]


class GivenChecker(LetterChecker):
    """Gives to the label of a row whose text is a number, that probability."""

    classes_ = np.array(["a", "b", "c"])

    def __init__(self, part=0):
        self.part = part

    def predict_proba(self, X):
        given = np.array([float(text.split()[self.part]) for text in X])
        labels = np.array([text.split()[2] for text in X])
        own = labels[:, None] == self.classes_
        return np.where(own, given[:, None], (1 - given[:, None]) / 2)


@pytest.fixture
def scored(probabilities, write_rows, tmp_path):
    """Folder with the scores of those rows, in three files of a hundred; one of them deeper."""
    quality, diversity, labels = probabilities
    texts = [f"{np.nan_to_num(q)!r} {d!r} {label}" for q, d, label in zip(quality, diversity, labels, strict=True)]
    texts = [text.replace("np.float64(", "").replace(")", "") for text in texts]
    shown = np.where(np.isnan(quality), None, labels)
    for i, name in enumerate(("0.parquet", "1.parquet", "deep/2.parquet")):
        part = slice(100 * i, 100 * (i + 1))
        rows = write_rows(text=texts[part], label=shown[part].tolist())
        score_file(rows, tmp_path / "out" / name, Scorer(GivenChecker(0), GivenChecker(1)))
    return tmp_path / "out"


OPTIONS = [
    {},
    {"normalize": "global"},
    {"gamma": 0.5, "normalize": None},
    {"gamma": 2.0, "clip": 3.0},
    {"clip": 1.3},
    {"gamma": 0.0, "normalize": "global"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_weights_are_those_of_all_rows_at_once(scored, probabilities, options):
    expected = importance_weights(*probabilities[:2], **options)
    found = np.concatenate([batch["weight"].to_numpy() for batch in weights(scored, **options).batches(batch_rows=30)])
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-100)
    assert options.get("gamma") == 0.0 or expected.std() > 0.1


@pytest.mark.parametrize(
    "options", [{"gamma": 0.5}, {"gamma": 2.0}, {"clip": 1.3}, {"gamma": 1.5, "clip": 0.9}], ids=str
)
def test_a_mean_that_is_not_exact_is_off_by_less_than_it_says(scored, probabilities, options):
    true = importance_weights(*probabilities[:2], **options).mean()
    found = weights(scored, normalize="global", **options)
    assert 0 < abs(found.mean - true) <= found.mean_error < 0.01 * true
    np.testing.assert_allclose(
        np.concatenate([batch["weight"].to_numpy() for batch in found.batches()]).mean(), 1, rtol=0.01
    )


def test_the_mean_is_exact_for_the_papers_weights(scored, probabilities):
    found = weights(scored)
    assert found.mean == pytest.approx(importance_weights(*probabilities[:2]).mean(), rel=1e-7)
    assert found.mean_error < 1e-12


def test_one_file_is_weighted_alone(scored, probabilities):
    quality, diversity, _ = probabilities
    found = weights(scored / "1.parquet")
    assert found.sketch.n_rows == 100
    assert found.mean == pytest.approx(importance_weights(quality[100:200], diversity[100:200]).mean(), rel=1e-7)


def test_classes_are_told_apart(scored, probabilities):
    quality, diversity, labels = probabilities
    true = importance_weights(quality, diversity, normalize="global")
    known = ~np.isnan(quality)
    found = weights(scored, normalize="global").by_class()
    assert list(found) == ["a", "b", "c"]
    for label, said in found.items():
        rows = known & (labels == label)
        assert said["n_rows"] == rows.sum()
        assert said["weight"] == pytest.approx(true[rows].mean(), rel=1e-6)
        assert said["effective_sample_size"] == pytest.approx(effective_sample_size(true[rows]), rel=0.01)


def test_the_effective_sample_size_is_that_of_all_rows(scored, probabilities):
    true = effective_sample_size(importance_weights(*probabilities[:2], clip=2.0))
    assert weights(scored, clip=2.0).effective_sample_size == pytest.approx(true, rel=0.01)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_weights_can_be_clipped_at_a_quantile_that_is_known_to_a_bin(scored, probabilities, gamma):
    plain = importance_weights(*probabilities[:2], gamma=gamma)
    true = np.quantile(plain[~np.isnan(probabilities[0])], 0.9, method="inverted_cdf")
    found = weights(scored, gamma=gamma, clip_quantile=0.9)
    assert 1 / (1 + found.clip_error) <= found.clip / true <= 1 + found.clip_error
    assert found.clip_error == pytest.approx(np.exp(gamma / 8) - 1)
    at_once = importance_weights(*probabilities[:2], gamma=gamma, clip=found.clip)
    np.testing.assert_allclose(
        np.concatenate([batch["weight"].to_numpy() for batch in found.batches()]), at_once, rtol=2e-6, atol=1e-100
    )


def test_what_the_pass_needs_is_in_the_footers_of_the_files(scored, monkeypatch):
    def no_rows(*args, **kwargs):
        raise AssertionError("a column was read")

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", no_rows)
    monkeypatch.setattr(pq.ParquetFile, "read", no_rows)
    assert weights(scored, clip_quantile=0.5, normalize="global").mean > 0


def test_files_of_different_models_are_not_mixed(scored, write_rows):
    rows = write_rows(text=["0.5 0.5 a"], label=["a"])
    score_file(rows, scored / "3.parquet", Scorer(GivenChecker(1), GivenChecker(0)))
    with pytest.raises(
        ValueError, match=r"deep/2\.parquet was made with another quality checker than|3\.parquet was mad"
    ):
        weights(scored)


def test_a_foreign_file_among_the_scores_is_named(scored):
    pq.write_table(pa.table({"log_ratio": [0.0]}), scored / "3.parquet")
    with pytest.raises(ValueError, match=r"3\.parquet was not written by skweight\.scale"):
        weights(scored)


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no files of scores"):
        weights(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gamma": -1}, "gamma must not be negative, got -1"),
        ({"clip": 0}, "clip must be None or a positive number, got 0"),
        ({"normalize": True}, "normalize must be None or 'global', got True"),
        ({"clip": 2, "clip_quantile": 0.5}, "Pass clip or clip_quantile, not both"),
        ({"clip_quantile": 1.0}, r"clip_quantile must be between 0 and 1, got 1\.0"),
    ],
    ids=str,
)
def test_options_are_checked(scored, options, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        weights(scored, **options)


def test_no_rows_at_all_have_no_weights(write_rows, tmp_path):
    rows = write_rows(text=pa.array([], pa.string()), label=pa.array([], pa.string()))
    score_file(rows, tmp_path / "out" / "0.parquet", Scorer(GivenChecker()))
    found = weights(tmp_path / "out", normalize="global")
    assert (found.mean, found.effective_sample_size, found.by_class()) == (0.0, 0.0, {})
    assert found([]).shape == (0,)
