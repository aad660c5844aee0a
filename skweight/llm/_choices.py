"""What a prompt lets a language model choose from, and which answers are one of these."""

import re
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np

from skweight._rows.values import spell

_AROUND = " \t\r\n\"'`\u2018\u2019\u201c\u201d«»()[]{}<>*."  # what may stand around an answer
_PREFIX = re.compile(r"(?:answer|label|class)\s*:")


@dataclass(frozen=True)
class Choices:
    """What a prompt lets a model choose from, and which answers are one of these.

    Attributes
    ----------
    names : list of str
        Of the classes.
    marks : list of str
        The letter or number of each: never one that is the name of another class, as answers may be names too.
    descriptions : list of str
    """

    names: list
    marks: list
    descriptions: list

    @classmethod
    def of(cls, labels, descriptions):
        """Mark the classes."""
        names = [str(label) for label in labels]
        descriptions = {str(label): text for label, text in descriptions.items()}
        if unknown := sorted(descriptions.keys() - set(names)):
            raise ValueError(f"descriptions has labels that the data lacks: {spell(unknown)}.")
        plain = [_plain(name) for name in names]
        for marks in (list(ascii_uppercase), [str(i + 1) for i in range(2 * len(names))]):
            if plain != [mark.casefold() for mark in marks[: len(names)]]:
                marks = [mark for mark in marks if mark.casefold() not in plain]
            if len(marks) >= len(names):
                break
        return cls(names, marks[: len(names)], [descriptions.get(name, "") for name in names])

    @property
    def lines(self):
        """The classes as the prompt lists them."""
        described = zip(self.marks, self.names, self.descriptions, strict=True)
        return [f"{mark}. {name}{': ' if text else ''}{text}" for mark, name, text in described]

    @property
    def are_single(self):
        """Whether all marks are one character, and so one token."""
        return max(map(len, self.marks)) == 1

    def read(self, text):
        """Position of the class that an answer names, or None."""
        text = text.strip()
        if text in self.names:
            return self.names.index(text)
        plain = _plain(text)
        for form in (plain, _plain(_PREFIX.sub("", plain, count=1)) if _PREFIX.match(plain) else ""):
            found = [i for i in range(len(self.names)) if form and form in self._forms(i)]
            if len(found) == 1:
                return found[0]
        return None

    def _forms(self, i):
        return {_plain(form) for form in (self.marks[i], self.names[i], f"{self.marks[i]}. {self.names[i]}")}

    def proba(self, top):
        """Probabilities of the classes from candidates for the first token, or None if they hold none of the marks."""
        position = {mark.casefold(): i for i, mark in enumerate(self.marks)}
        mass, listed = np.full(len(self.marks), np.nan), []
        for token, logprob in top or ():
            listed.append(np.exp(min(logprob, 0.0)))
            i = position.get(token.strip(" \t\r\n▁Ġ").casefold())  # the last two are spaces of tokenizers
            if i is not None:
                mass[i] = np.nan_to_num(mass[i]) + listed[-1]
        if not np.nansum(mass) > 0:
            return None
        most = max(min(min(listed), 1 - sum(listed)), 0.0)
        mass = np.where(np.isnan(mass), most, mass)
        return mass / mass.sum()


def _plain(text):
    return text.strip(_AROUND).casefold()
