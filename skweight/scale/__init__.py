"""Score, weight and label rows by the hundred million: files in, files out, on one machine or on many.

To weight rows, a first pass writes what the checkers say of each row (:func:`score`, or :func:`score_file` for one
file), and with each file a sketch of its log ratios. A second pass adds the sketches up, and knows the weight of every
row (:func:`weights`). :func:`predict` labels rows in the same way, in one pass.
"""

from skweight.scale._predict import Predicted, predict
from skweight.scale._score import Scored, score, score_file
from skweight.scale._scorer import Scorer
from skweight.scale._sketch import Sketch
from skweight.scale._weights import Weights, weights

__all__ = ["Predicted", "Scored", "Scorer", "Sketch", "Weights", "predict", "score", "score_file", "weights"]
