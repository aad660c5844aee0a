import numpy as np
import pytest
from helpers import passthrough
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skweight import DIMPClassifier, IMPClassifier
from skweight.inspection import QualityDiversityDisplay


def points(ax):
    """Places of the points, of all groups."""
    return np.concatenate([np.asarray(drawn.get_offsets()) for drawn in ax.collections])


def test_diversity_is_to_the_right_and_quality_is_up_both_as_log_odds():
    ax = QualityDiversityDisplay.from_probas([0.9, 0.02], [0.3, 0.8]).plot().ax_
    assert points(ax).tolist() == [[0.3, 0.9], [0.8, 0.02]]
    assert (ax.get_xscale(), ax.get_yscale()) == ("logit", "logit")
    assert ax.get_xlabel().startswith("diversity Q(y|x)")
    assert ax.get_ylabel().startswith("quality P'(y|x)")


def test_rows_of_the_weights_a_tenth_one_and_ten_lie_on_curves():
    ax = QualityDiversityDisplay.from_probas([0.9, 0.001], [0.01, 0.8]).plot().ax_
    assert len(ax.lines) == 3
    for line, weight in zip(ax.lines, (0.1, 1, 10), strict=True):
        assert line.get_ydata() == pytest.approx(weight * line.get_xdata())
        assert len(line.get_xdata()) > 10
    assert [text.get_text() for text in ax.texts] == ["weight 0.1", "weight 1", "weight 10"]


def test_groups_have_colours_and_are_counted(legend):
    display = QualityDiversityDisplay.from_probas([0.9, 0.8, 0.1], [0.5, 0.8, 0.9], groups=["a", "b", "b"])
    ax = display.plot().ax_
    assert legend(ax) == ["b (2)", "a (1)"]
    first, second = ax.collections
    assert first.get_facecolor().tolist() != second.get_facecolor().tolist()
    assert np.asarray(second.get_offsets()).tolist() == [[0.5, 0.9]]


def test_no_row_is_left_out_without_a_word(legend):
    display = QualityDiversityDisplay.from_probas([0.9, 0.0, np.nan, 0.2, 0.7], [0.5, 0.8, 0.8, 0.1, 1.0])
    ax = display.plot().ax_
    assert legend(ax)[1:] == ["1 row of unknown probability:\nnot drawn", "2 rows of probability 0 or 1:\non the edge"]
    bottom, right = ax.get_ylim()[0], ax.get_xlim()[1]
    assert points(ax).tolist() == [[0.5, 0.9], [0.8, bottom], [0.1, 0.2], [right, 0.7]]
    assert bottom < 0.2
    assert right > 0.8


def test_the_frame_has_the_weight_of_each_row():
    frame = QualityDiversityDisplay.from_probas([0.9, 0.1], [0.5, 0.8], groups=["a", None]).frame()
    assert frame.to_dict("list") == {
        "group": ["a", "missing"],
        "quality": [0.9, 0.1],
        "diversity": [0.5, 0.8],
        "weight": [1.8, 0.125],
    }


def test_probabilities_of_an_imp_classifier_are_found_in_it():
    X = np.random.RandomState(0).normal(size=(40, 3))
    y = X[:, 0] > 0
    clf = passthrough(IMPClassifier, max_epochs=1).fit(X, y, real_X=X[:20] + 0.1, real_y=y[:20])
    display = QualityDiversityDisplay.from_estimator(clf)
    assert display.frame()["weight"].to_numpy() == pytest.approx(clf.sample_weight_)


@pytest.mark.parametrize(
    ("build", "missing"),
    [
        (lambda: passthrough(DIMPClassifier, max_epochs=1), "DIMPClassifier has no diversity_proba_"),
        (
            lambda: passthrough(IMPClassifier, max_epochs=1, diversity_checker="drop"),
            "IMPClassifier has no diversity_proba_",
        ),
        (
            lambda: GridSearchCV(LogisticRegression(), {}, cv=2),
            "GridSearchCV has no quality_proba_ and diversity_proba_",
        ),
    ],
)
def test_a_classifier_without_both_is_told_which_has_them(build, missing):
    X = np.random.RandomState(0).normal(size=(40, 3))
    y = X[:, 0] > 0
    estimator = build()
    estimator.fit(X, y, **({} if isinstance(estimator, GridSearchCV) else {"real_X": X[:20] + 0.1, "real_y": y[:20]}))
    with pytest.raises(TypeError) as error:
        QualityDiversityDisplay.from_estimator(estimator)
    assert str(error.value) == (
        f"{missing}, and no classifier inside that has. IMPClassifier has both after fit, unless "
        "diversity_checker='drop'. Or pass probabilities to QualityDiversityDisplay.from_probas."
    )


@pytest.mark.parametrize(
    ("quality", "diversity", "groups", "message"),
    [
        ([0.5], [0.5, 0.5], None, r"quality and diversity must be of one length, got shapes \(1,\) and \(2,\)"),
        ([0.5, 1.5], [0.5, 0.5], None, "quality must be probabilities, got 1.5 in row 1"),
        ([0.5, 0.5], [-1, 0.5], None, "diversity must be probabilities, got -1 in row 0"),
        ([0.5, 0.5], [0.5, 0.5], ["a"], r"probabilities and groups must be of one length, got 2 and \(1,\)"),
    ],
)
def test_what_is_no_probability_is_refused_with_its_row(quality, diversity, groups, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        QualityDiversityDisplay.from_probas(quality, diversity, groups=groups)
