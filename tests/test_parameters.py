"""An estimator states what it adds; parameters, constraints and descriptions of its bases come with it."""

import dataclasses
import inspect
import pickle
import subprocess
import sys
from numbers import Real

import pytest
from helpers import ALL
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, InvalidParameterError
from sklearn.utils.estimator_checks import check_no_attributes_set_in_init, check_parameters_default_constructible

from skweight import DIMPClassifier, IMPClassifier
from skweight._base import BaseTextClassifier
from skweight._parameters import TrainingParameters, estimator
from skweight.baselines import CrossEntropyClassifier, FocalClassifier


@estimator
class Sharpened(FocalClassifier):
    r"""Focal loss with a sharper look.

    A second paragraph, with :math:`\gamma`.

    Parameters
    ----------
    sharpness : float, default=2.0
        How sharp.

        It has a second paragraph too.
    lr : float, default=0.1
        Larger than usual.

    Attributes
    ----------
    edges_ : ndarray of shape (n_samples,)
        What was found.

    Examples
    --------
    >>> 1 + 1
    2
    """

    sharpness: float = 2.0
    lr: float = 0.1

    _parameter_constraints = {"sharpness": [Interval(Real, 0, None, closed="left")]}


def entries(cls, section):
    """Names of the entries of a section of the docstring, in order."""
    doc = inspect.getdoc(cls)
    text = doc.split(f"\n{section}\n{'-' * len(section)}\n")[1]
    names = []
    for line in text.splitlines():
        if line.startswith("---"):  # the underline of the next section
            break
        if line and not line.startswith(" ") and " : " in line:
            names.append(line.split(" : ")[0])
    return names


# -- the constructor --------------------------------------------------------------------------------------------------


def test_a_class_has_its_bases_parameters_and_its_own():
    assert Sharpened("some/encoder", sharpness=3.0, gamma=0.5).get_params() == {
        **FocalClassifier("some/encoder").get_params(),
        "sharpness": 3.0,
        "gamma": 0.5,
        "lr": 0.1,
    }


def test_the_encoder_alone_may_be_passed_by_position():
    assert Sharpened("some/encoder").encoder == "some/encoder"
    with pytest.raises(TypeError, match="positional"):
        Sharpened("some/encoder", 3.0)


@pytest.mark.parametrize("cls", ALL)
def test_a_misspelt_parameter_is_answered_with_the_class_and_the_nearest_names(cls):
    with pytest.raises(TypeError, match=rf"^{cls.__name__} has no parameter 'batch'. Did you mean 'batch_size'\?$"):
        cls(batch=8)
    with pytest.raises(ValueError, match=rf"^Invalid parameter 'max_epoch' for {cls.__name__}. Did you mean 'max_epo"):
        cls().set_params(max_epoch=8)
    with pytest.raises(ValueError, match=r"^Invalid parameter 'encoder__lr': encoder='some' has no parameters"):
        cls("some").set_params(encoder__lr=8)


def test_a_parameter_like_no_other_is_answered_with_all_names():
    with pytest.raises(TypeError, match=r"^Sharpened has no parameter 'x'. There are batch_size, callbacks, .*, w"):
        Sharpened(x=8)


def test_a_subclass_with_a_plain_constructor_is_named_itself():
    class Plain(DIMPClassifier):
        def __init__(self):
            super().__init__(gama=2.0)

    with pytest.raises(TypeError, match=r"^Plain has no parameter 'gama'. Did you mean 'gamma'"):
        Plain()


def test_the_signature_begins_with_what_the_class_adds():
    parameters = list(inspect.signature(IMPClassifier).parameters)
    assert parameters[:3] == ["encoder", "quality_checker", "smoothing"]
    assert parameters.index("gamma") < parameters.index("max_epochs") < parameters.index("verbose")
    assert inspect.signature(IMPClassifier).parameters["gamma"].default == 1.0


def test_a_subclass_with_a_plain_constructor_is_a_classifier_too():
    class Plain(DIMPClassifier):
        def __init__(self, encoder="passthrough", *, temperature=1.0):
            super().__init__(encoder)
            self.temperature = temperature

    assert clone(Plain(temperature=2.0)).get_params(deep=False) == {"encoder": "passthrough", "temperature": 2.0}


def test_two_classifiers_of_equal_parameters_are_two():
    first, second = CrossEntropyClassifier(), CrossEntropyClassifier()
    assert first != second
    assert len({first, second}) == 2


def test_repr_shows_changed_parameters_only():
    assert repr(Sharpened("passthrough", sharpness=3.0)) == "Sharpened(encoder='passthrough', sharpness=3.0)"


def test_it_can_be_cloned_set_and_pickled():
    copy = pickle.loads(pickle.dumps(clone(Sharpened(sharpness=3.0)).set_params(max_epochs=7)))
    assert (copy.sharpness, copy.max_epochs) == (3.0, 7)


@pytest.mark.parametrize("cls", [Sharpened, IMPClassifier, DIMPClassifier, CrossEntropyClassifier])
def test_scikit_learn_finds_nothing_wrong_with_the_constructor(cls):
    check_parameters_default_constructible(cls.__name__, cls())
    check_no_attributes_set_in_init(cls.__name__, cls())


# -- constraints ------------------------------------------------------------------------------------------------------


def test_constraints_are_those_of_all_bases():
    with pytest.raises(InvalidParameterError, match="'sharpness' parameter of Sharpened must be"):
        Sharpened(sharpness=-1.0)._validate_params()
    with pytest.raises(InvalidParameterError, match="'gamma' parameter of Sharpened must be"):
        Sharpened(gamma=-1.0)._validate_params()
    with pytest.raises(InvalidParameterError, match="'max_epochs' parameter of Sharpened must be"):
        Sharpened(max_epochs=0)._validate_params()


def test_where_both_have_a_constraint_the_classs_own_counts():
    for cls, allowed, refused in ((IMPClassifier, "global", "batch"), (DIMPClassifier, "batch", "global")):
        cls(normalize=allowed)._validate_params()
        with pytest.raises(InvalidParameterError, match="'normalize' parameter"):
            cls(normalize=refused)._validate_params()


def test_every_parameter_has_a_constraint():
    names = {field.name for field in dataclasses.fields(Sharpened)}
    assert names == Sharpened._parameter_constraints.keys()


# -- docstrings -------------------------------------------------------------------------------------------------------


def test_parameters_are_described_in_the_order_of_the_signature():
    assert entries(Sharpened, "Parameters") == list(inspect.signature(Sharpened).parameters)
    assert entries(Sharpened, "Parameters")[:4] == ["encoder", "gamma", "detach", "sharpness"]


def test_attributes_that_a_class_adds_come_before_those_that_all_have():
    assert entries(Sharpened, "Attributes")[:3] == ["edges_", "classes_", "sample_weight_"]


def test_a_classs_own_wording_wins():
    doc = inspect.getdoc(Sharpened)
    assert "Larger than usual." in doc
    assert "Peak learning rate" not in doc
    assert "Peak learning rate" in inspect.getdoc(FocalClassifier)


def test_paragraphs_and_other_sections_stay():
    doc = inspect.getdoc(Sharpened)
    assert doc.startswith(
        "Focal loss with a sharper look.\n\nA second paragraph, with :math:`\\gamma`.\n\nParameters\n--"
    )
    assert "\n    How sharp.\n\n    It has a second paragraph too.\n" in doc
    assert doc.endswith("Examples\n--------\n>>> 1 + 1\n2")
    assert doc.count("Parameters\n----------") == 1


def test_a_parameter_without_a_description_cannot_be_imported():
    with pytest.raises(TypeError, match=r"Silent: parameters without a description: \['volume'\]"):

        @estimator
        class Silent(BaseTextClassifier):
            """Text classifier."""

            volume: float = 0.0


def test_a_description_without_a_parameter_cannot_be_imported():
    with pytest.raises(TypeError, match=r"descriptions without a parameter: \['volume'\]"):

        @estimator
        class Loud(BaseTextClassifier):
            """Text classifier.

            Parameters
            ----------
            volume : float, default=0.0
                How loud.
            """


def test_classifiers_work_where_docstrings_are_removed():
    code = "from skweight import IMPClassifier; print(IMPClassifier(gamma=0.5).gamma)"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.5"]


def test_shared_parameters_are_stated_in_one_class():
    shared = {field.name for field in dataclasses.fields(TrainingParameters)}
    assert shared == CrossEntropyClassifier().get_params().keys()
    assert not shared & vars(CrossEntropyClassifier).get("__annotations__", {}).keys()
