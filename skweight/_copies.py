"""Which rows copy others, exactly or nearly: numpy, scipy and scikit-learn only."""

import unicodedata
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

_MOST_WORK = 2_000_000  # numbers that one step of a product or a comparison may hold
_ROUNDING = 1e-9


def find_copies(X, other=None, *, least=0.8):
    r"""For every row, the row that it copies.

    Two texts are exact copies if they are the same once Unicode forms, case, white space and punctuation are put aside.
    They are near copies if the sets :math:`A, B` of their pairs of neighbouring words are alike: their Jaccard
    similarity :math:`|A \cap B| / |A \cup B|` is `least` or more. Texts with fewer than two different pairs of words
    have exact copies only; so have rows of numbers, and texts in scripts that do not separate words.

    Parameters
    ----------
    X : list of str or of (str, str), or ndarray of shape (n_rows, n_features)
        As returned by :func:`skweight._rows.texts.check_texts`. The texts of a pair are compared in their order.
    other : of the same kind with n_others rows, default=None
        Rows that may have been copied. None compares each row with those before it.
    least : float in (0, 1], default=0.8
        Smallest similarity of a near copy.

    Returns
    -------
    index : ndarray of shape (n_rows,), int
        Which row of `other`, or which earlier row of `X`, is most similar, the first of several; -1 if none is. Of
        exact copies it is the first row of all.
    similarity : ndarray of shape (n_rows,), float64
        1 for an exact copy, 0 where there is none.

    Notes
    -----
    No pair is missed, and only few are compared: of two texts with a similarity of `least`, each has an intersection of
    at least ``least * |A|`` with the other, so they share one of the ``|A| - ceil(least * |A|) + 1`` rarest pairs of
    words of either (prefix filtering [1]_ [2]_).

    References
    ----------
    .. [1] Chaudhuri, Ganti, Kaushik, "A Primitive Operator for Similarity Joins in Data Cleaning", ICDE 2006.
    .. [2] Bayardo, Ma, Srikant, "Scaling Up All Pairs Similarity Search", WWW 2007.

    Examples
    --------
    >>> from skweight._copies import find_copies
    >>> find_copies(["a warm and funny film", "dull", "A warm, and funny film!", "Dull."])
    (array([-1, -1,  0,  1]), array([0., 0., 1., 1.]))
    """
    own = [plain_form(row) for row in X]
    pool = own if other is None else [plain_form(row) for row in other]
    first: dict = {}
    for j, form in enumerate(pool):
        first.setdefault(form, j)
    index = np.array([first.get(form, -1) for form in own], dtype=np.intp)
    if other is None:
        index[index == np.arange(len(own))] = -1
    similarity = (index >= 0).astype(np.float64)
    asked = np.array([i for i in np.flatnonzero(index < 0).tolist() if _has_pairs(own[i])], dtype=np.intp)
    known = np.array([j for form, j in first.items() if _has_pairs(form)], dtype=np.intp)
    if len(asked) and len(known):
        left, right = _word_pairs([own[i] for i in asked], [pool[j] for j in known])
        for i, j, alike in _near_copies(left, right, least, earlier=other is None):
            # Written in this order, the most similar row is written last, and of several the first.
            order = np.lexsort((-j, alike))
            i, j, alike = asked[i[order]], known[j[order]], alike[order]
            index[i], similarity[i] = j, alike
    return index, similarity


def plain_form(row):
    """Spell a text without what its copies differ in: Unicode form, case, white space and punctuation.

    Symbols stay, as emoji do that say what a text means. Texts of punctuation alone stay as they are.
    """
    if isinstance(row, np.ndarray):
        return (row + 0.0).tobytes()  # -0.0 is 0.0
    if not isinstance(row, str):
        return " \0 ".join(map(plain_form, row))
    folded = unicodedata.normalize("NFKC", row).casefold()
    return " ".join(folded.translate(_SPACED).split()) or " ".join(folded.split())


class _Spaced(dict):
    """What `str.translate` makes of each character; found out when it first occurs."""

    def __missing__(self, code):
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] in "PZC" else character
        return self[code]


_SPACED = _Spaced()


def _has_pairs(form):
    return isinstance(form, str) and form.count(" ") >= 2


def _word_pairs(forms, others):
    """Which pairs of neighbouring words each text has, as binary matrices, rarest pairs first."""
    vectorizer = CountVectorizer(ngram_range=(2, 2), token_pattern=r"\S+", lowercase=False, binary=True, dtype=np.int32)
    counts = vectorizer.fit_transform(forms + others).tocsc()
    counts = counts[:, np.argsort(np.diff(counts.indptr), kind="stable")].tocsr()
    counts.sort_indices()
    return counts[: len(forms)], counts[len(forms) :]


def _near_copies(left, right, least, *, earlier):
    """Yield row numbers of similar rows, and how similar they are, for some rows of `left` at a time.

    With `earlier`, both are the same rows, and each is compared with those before it.
    """
    size, other_size = np.diff(left.indptr), np.diff(right.indptr)
    prefix, other_prefix = _prefixes(left, least), _prefixes(right, least).T.tocsr()
    work = prefix @ np.diff(other_prefix.indptr)  # how many numbers the product of a row may have
    for rows in _steps(work):
        i, j = (prefix[rows] @ other_prefix).nonzero()
        i = i + rows.start
        shorter, longer = np.minimum(size[i], other_size[j]), np.maximum(size[i], other_size[j])
        fits = (shorter > 1) & (least * longer <= shorter + _ROUNDING)
        if earlier:
            fits &= j < i
        i, j = i[fits], j[fits]
        shared = np.empty(len(i))
        for part in _steps(size[i]):
            shared[part] = left[i[part]].multiply(right[j[part]]).sum(axis=1).ravel()
        alike = shared / (size[i] + other_size[j] - shared)
        near = alike >= least
        yield i[near], j[near], alike[near]


def _prefixes(matrix, least):
    """Of every row, the columns of which one at least is in any similar row too."""
    size = np.diff(matrix.indptr)
    kept = size - np.ceil(least * size - _ROUNDING).astype(size.dtype) + 1
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], size)
    stays = place < np.repeat(kept, size)
    indptr = np.concatenate([[0], np.cumsum(np.minimum(kept, size))])
    return sparse.csr_matrix((matrix.data[stays], matrix.indices[stays], indptr), shape=matrix.shape)


def _steps(work):
    """Cut rows into slices of bounded work; a row with more than that is one of its own."""
    ends, total = [], 0
    for i, own in enumerate(np.asarray(work).tolist()):
        if total and total + own > _MOST_WORK:
            ends.append(i)
            total = 0
        total += own
    bounds = [0, *ends, len(work)]
    return [slice(start, end) for start, end in pairwise(bounds) if end > start]
