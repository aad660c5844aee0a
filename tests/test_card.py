"""The model card that a saved folder brings with it."""

import re

import numpy as np
import pytest
from helpers import QUICK, fit, quick, tfidf
from huggingface_hub import ModelCard

from skweight import DIMPClassifier, OpinionPoolClassifier
from skweight._card import escape
from skweight.baselines import CrossEntropyClassifier

pytestmark = pytest.mark.filterwarnings("ignore:SKW051", "ignore:SKW041")


def saved_card(classifier, folder):
    classifier.save_pretrained(folder)
    return ModelCard.load(folder / "README.md")


def rows(card):
    """Cells of all lines of all tables, by their first cell."""
    lines = [line for line in card.text.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in cells}


def test_a_card_has_the_metadata_of_the_hub(tiny_encoder, toy, tmp_path):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    card = saved_card(clf.set_params(encoder="google-bert/bert-base-uncased"), tmp_path)
    assert card.data.base_model == "google-bert/bert-base-uncased"
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.library_name == "transformers"
    assert "skweight" in card.data.tags
    assert saved_card(clf.set_params(encoder=tiny_encoder), tmp_path).data.base_model is None  # a folder


def test_a_card_says_what_the_training_was(tiny_encoder, toy, tmp_path):
    clf = fit(DIMPClassifier(tiny_encoder, quality_checker=tfidf(), gamma=0.5, **QUICK), toy)
    clf.sample_weight_ = np.array([0.0] * 6 + [1.0] * 4 + [2.0, 2.0])
    card = saved_card(clf, tmp_path)
    found = rows(card)
    assert found["classes"] == ["fresh, rotten"]
    assert found["rows of X (with is\\_real, the real ones are among them)"] == ["12"]
    assert found["real rows"] == ["6"]
    assert found["gamma"] == ["0.5"]
    assert "Without a form in a file: quality\\_checker." in card.text
    assert found["0% of the rows weigh at most"] == ["0"]
    assert found["50% of the rows weigh at most"] == ["0.5"]  # between the sixth and the seventh
    assert found["100% of the rows weigh at most"] == ["2"]
    assert found["effective sample size"] == ["5.3 of 12 rows"]  # 8² / 12
    assert {"skweight", "torch", "transformers"} <= found.keys()
    assert "Not measured" in card.text
    assert card.data.eval_results is None


def test_scores_on_held_out_rows_are_in_the_card_and_in_its_metadata(tiny_encoder, toy, tmp_path):
    clf = fit(CrossEntropyClassifier(tiny_encoder, early_stopping=True, validation_fraction=0.34, **QUICK), toy)
    card = saved_card(clf, tmp_path)
    found = rows(card)
    assert (found["real rows"], found["of which held out for early stopping"]) == (["6"], ["2"])
    (result,) = card.data.eval_results
    assert (result.metric_type, result.dataset_name) == ("accuracy", "real rows held out")
    assert result.metric_value == round(clf.validation_score_, 4)
    assert "best of those" in result.metric_name


def test_scores_of_a_pool_say_that_they_are_those_of_the_pool(toy, tiny_encoder, tmp_path):
    clf = fit(quick(OpinionPoolClassifier, tiny_encoder, cv=2), toy)
    card = saved_card(clf, tmp_path)
    found = {(result.metric_name.split(" of the ")[1], result.metric_type) for result in card.data.eval_results}
    assert len(card.data.eval_results) == 3 * len(clf.scores_)
    teacher = "opinion pool" if clf.teacher_ == "pool" else f"expert {clf.teacher_!r}"
    assert (f"{teacher} (taught the encoder)", "log_loss") in found
    assert {result.dataset_name for result in card.data.eval_results} == {"real rows, cross-fitted"}
    assert rows(card)["real rows"] == ["6"]


def test_real_rows_are_counted_wherever_they_are(numbers_of_both):
    X, y, is_real = numbers_of_both
    clf = CrossEntropyClassifier("passthrough", **QUICK)
    assert clf.fit(X, y, is_real=is_real).n_real_ == 5
    assert clf.fit(X[~is_real], y[~is_real], real_X=X[is_real], real_y=y[is_real]).n_real_ == 5
    assert clf.fit(X, y).n_real_ == 0


@pytest.fixture
def numbers_of_both():
    X = np.random.RandomState(0).randn(20, 3)
    return X, X[:, 0] > 0, np.arange(20) % 4 == 0


def test_rows_of_numbers_have_a_card_too(numeric_classifier, tmp_path):
    card = saved_card(numeric_classifier, tmp_path)
    assert (card.data.pipeline_tag, card.data.library_name) == ("tabular-classification", "skweight")
    assert "transformers.pipeline" not in card.text


HARMFUL = [
    "a | b",
    "**bold**",
    "<script>alert(1)</script>",
    "---\nlicense: mit\n---",
    "![x](http://x)",
    "`c`",
    "# h\n\n- i",
]


def test_names_of_classes_show_as_they_are(tiny_encoder, toy, tmp_path):
    y = (HARMFUL * 2)[: len(toy["y"])]
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], y)
    plain = saved_card(CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"]), tmp_path / "plain")
    card = saved_card(clf, tmp_path / "model")
    assert card.data.to_dict() == plain.data.to_dict()
    assert len(card.text.splitlines()) == len(plain.text.splitlines())
    (shown,) = rows(card)["classes"]
    assert re.sub(r"\\(.)", r"\1", shown) == " ".join(", ".join(clf.classes_).split())
    assert not re.search(r"(?<!\\)[<>|*`\[\]#]", shown)


def test_a_new_line_or_markup_is_escaped():
    assert escape("a\n# b | <c>") == r"a \# b \| \<c\>"


def test_a_card_written_by_hand_stays(numeric_classifier, tmp_path):
    numeric_classifier.save_pretrained(tmp_path)
    ours = (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text("# Mine\n")
    numeric_classifier.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "# Mine\n"
    (tmp_path / "README.md").write_text(ours.replace("skweight", "SKWEIGHT", 1))  # still says that we wrote it
    numeric_classifier.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == ours
