"""The function :func:`skweight.llm.generate`."""

import os
import re
from dataclasses import dataclass, field
from numbers import Integral, Real
from string import Template

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from skweight import _progress
from skweight._rows.labels import check_labels
from skweight._rows.texts import check_texts, to_rows
from skweight.llm._asking import Budget, ask_all
from skweight.llm._endpoint import Endpoint, Request
from skweight.llm._generated import Estimate, Generated
from skweight.llm._log import AnswerLog
from skweight.llm._prompts import Turns, combinations, fields_of, fingerprint, quote, read_template

_INSTRUCTION = "You write examples that a text classifier is trained on. They must read like the real ones."
_PLACEHOLDERS = {"instruction", "label", "description", "attributes", "examples", "n", "form"}
_COLUMNS = (
    *("text", "text_a", "text_b", "label", "model", "temperature", "prompt", "shown", "request", "request_id"),
    *("prompt_tokens", "completion_tokens", "seconds", "time", "copy_of", "copy_of_real", "copy_of_test", "reason"),
)
_SPARE = 3  # times as many requests as a server needs that makes no mistake, unless max_requests says otherwise


@validate_params(
    {
        "model": [str],
        "n_per_class": [Interval(Integral, 1, None, closed="left"), dict],
        "instruction": [str, None],
        "descriptions": [dict, None],
        "shots": [Interval(Integral, 0, None, closed="left")],
        "attributes": [dict, None],
        "rows_per_request": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="left")],
        "max_tokens": [Interval(Integral, 1, None, closed="left")],
        "max_requests": [Interval(Integral, 1, None, closed="left"), None],
        "max_total_tokens": [Interval(Integral, 1, None, closed="left"), None],
        "template": [str, os.PathLike, None],
        "log": [str, os.PathLike, None],
        "structured": ["boolean"],
        "replace_copies": ["boolean"],
        "concurrency": [Interval(Integral, 1, None, closed="left")],
        "timeout": [Interval(Real, 0, None, closed="neither")],
        "max_retries": [Interval(Integral, 0, None, closed="left")],
        "extra": [dict, None],
        "random_state": [Interval(Integral, 0, None, closed="left")],
        "dry_run": ["boolean"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=False,
)
def generate(
    real_X,
    real_y,
    *,
    model,
    n_per_class,
    instruction=None,
    descriptions=None,
    shots=5,
    attributes=None,
    rows_per_request=5,
    base_url=None,
    api_key=None,
    temperature=1.0,
    max_tokens=1024,
    max_requests=None,
    max_total_tokens=None,
    template=None,
    log=None,
    ids=None,
    test_X=None,
    replace_copies=False,
    structured=True,
    concurrency=4,
    timeout=60.0,
    max_retries=5,
    extra=None,
    random_state=0,
    dry_run=False,
    verbose=0,
):
    """Let a language model write labelled rows that are like the real ones.

    Each request asks for a few rows of one class and shows a few real rows of it, in turns, so that all are shown
    equally often. Answers that are no rows are counted and kept apart; classes that lack rows are asked for again until
    `n_per_class` is there, the budget is spent, or the server fails ten times in a row. What is there is returned.

    Parameters
    ----------
    real_X : array-like of shape (n_real,) or (n_real, 2)
        Real texts, or pairs. Any of them may be shown, so hold out beforehand what is scored on.
    real_y : array-like of shape (n_real,)
        Their labels.
    model : str
        Name by which the server knows the model.
    n_per_class : int or dict of label to int
        Rows to write for each class; classes that a dictionary lacks get none.
    instruction : str, default=None
        What the texts are, and for whom: "Tweets about airlines, labelled with their sentiment."
    descriptions : dict of label to str, default=None
        What each label means.
    shots : int, default=5
        Real rows that a request shows.
    attributes : dict of str to list, or to dict of label to list, default=None
        Values of length, topic, style and the like, for all classes or for each. Every request asks for one
        combination, in turns [1]_.
    rows_per_request : int, default=5
        Rows that a request asks for.
    base_url : str, default=None
        Of an OpenAI-compatible server (vLLM, llama.cpp, Ollama, a vendor's), as "http://localhost:8000/v1". None takes
        the environment's ``OPENAI_BASE_URL``, or else OpenAI's own.
    api_key : str, default=None
        None takes the environment's ``OPENAI_API_KEY``. It is kept nowhere.
    temperature : float, default=1.0
    max_tokens : int, default=1024
        Of one answer.
    max_requests, max_total_tokens : int, default=None
        Budget of the whole table, with what `log` already holds: requests, and tokens of prompts and answers. None is
        three times the requests that are needed without mistakes, and any number of tokens. Requests that the client
        itself repeats count once.
    template : str or path, default=None
        A file with a prompt in place of ``skweight/llm/templates/generate.txt``, or the prompt; it may use the
        placeholders ``$instruction $label $description $attributes $examples $n $form``.
    log : str or path, default=None
        File for the answers, a line of JSON each, written before they count. With the same file, an interrupted call
        goes on where it was, and nothing is asked twice; another seed or prompt asks anew. None keeps nothing.
    ids : array-like of shape (n_real,), default=None
        Names of the real rows for the provenance; None numbers them.
    test_X : array-like, default=None
        Rows to score on later, which are only compared with what was written.
    replace_copies : bool, default=False
        Whether rows that copy another, a real or a test row are kept apart, and others written in their place. If not,
        they are marked and count.
    structured : bool, default=True
        Whether to send a JSON schema to servers that take one.
    concurrency : int, default=4
        Requests at a time.
    timeout : float, default=60
        Seconds without a byte from the server.
    max_retries : int, default=5
        How often the client repeats a request after 429, 5xx, a cut connection or a time-out.
    extra : dict, default=None
        Further fields of the request, such as ``{"top_p": 0.9}``.
    random_state : int, default=0
        Decides which rows and combinations are shown, and is the seed that is sent.
    dry_run : bool, default=False
        Whether to ask nothing and return an :class:`~skweight.llm.Estimate`.
    verbose : int, default=0
        1 shows how far it has come.

    Returns
    -------
    generated : Generated
        With ``X``, ``y``, ``frame()`` and what it has cost.

    Raises
    ------
    RuntimeError
        If the server refuses the key or does not know the model, or if nothing at all could be asked.

    References
    ----------
    .. [1] Yu et al., "Large Language Model as Attributed Training Data Generator", NeurIPS 2023 (AttrPrompt).

    Examples
    --------
    What would be asked, and what it would take:

    >>> from skweight.llm import generate
    >>> X, y = ["great fun", "a bore", "loved it", "so dull"], ["good", "bad", "good", "bad"]
    >>> estimate = generate(X, y, model="my-model", n_per_class=100, shots=2, dry_run=True)
    >>> estimate.requests
    40
    """
    texts, _ = check_texts(real_X, "real_X")
    own, _ = check_labels(real_y, "real_y")
    if len(own) != len(texts):
        raise ValueError(f"real_X has {len(texts)} rows, but real_y has {len(own)}.")
    if taken := [name for name in attributes or () if name in _COLUMNS]:
        raise ValueError(f"attributes: {', '.join(map(repr, taken))} is a column of the table; take another name.")
    labels = [str(label) for label in own.tolist()]
    writer = _Writer(
        texts=texts,
        labels=labels,
        ids=list(range(len(texts))) if ids is None else to_rows(ids, "ids"),
        wanted=_wanted(n_per_class, labels),
        model=model,
        template=read_template(template, "generate.txt", _PLACEHOLDERS),
        instruction=instruction or _INSTRUCTION,
        descriptions=_by_label(descriptions, labels, "descriptions"),
        attributes=attributes,
        shots=shots,
        size=rows_per_request,
        params={"temperature": temperature, "max_tokens": max_tokens, **(extra or {})},
        seed=random_state,
    )
    if len(writer.ids) != len(texts):
        raise ValueError(f"ids has {len(writer.ids)} entries, but there are {len(texts)} real rows.")
    first = writer.wave(writer.wanted)
    if dry_run:
        return Estimate.of([job.request for job in first], texts, rows_per_request)
    budget = Budget(max_requests or _SPARE * len(first), max_total_tokens)
    endpoint = Endpoint(model, base_url, api_key, timeout, max_retries, structured)
    test = [] if test_X is None else check_texts(test_X, "test_X")[0]
    own_labels = dict(zip(labels, own.tolist(), strict=True))
    result = Generated(fields=writer.fields, wanted=writer.wanted, budget=budget, labels=own_labels)
    with (
        AnswerLog(log) as answers,
        _progress.shown({"generate": len(first)}, enabled=bool(verbose)),
        _progress.stage("generate"),
    ):
        jobs = first
        while jobs and result.stopped is None:
            outcomes, result.stopped = ask_all(
                [job.request for job in jobs], endpoint, answers, budget, concurrency=concurrency
            )
            for job, outcome in zip(jobs, outcomes, strict=True):
                if outcome is not None:
                    result.take(job, outcome, writer.classes)
            if replace_copies:
                result.drop_copies(texts, test)
            jobs = writer.wave(result.lacking())
    endpoint.close()
    if result.stopped and budget.requests == budget.failures:
        reason, n = result.failures.most_common(1)[0]
        raise RuntimeError(f"No answer at all: {result.stopped}. {n} times: {reason}")
    result.drop_surplus()
    result.mark_copies(texts, test)
    return result


@dataclass(frozen=True)
class Job:
    """A request for rows of one class, and where they come from."""

    request: Request
    label: str
    size: int
    provenance: dict


@dataclass
class _Writer:
    """Makes requests. Which ones come depends on the seed and on how many rows lack, not on when answers arrive."""

    texts: list
    labels: list[str]
    ids: list
    wanted: dict
    model: str
    template: Template
    instruction: str
    descriptions: dict
    attributes: dict | None
    shots: int
    size: int
    params: dict
    seed: int
    _turns: dict = field(default_factory=dict)

    @property
    def classes(self):
        return set(self.labels)

    @property
    def fields(self):
        return fields_of(self.texts[0])

    def wave(self, lacking):
        """Make as many requests for each class as would fill it, the classes in turns."""
        numbers = {label: -(-n // self.size) for label, n in lacking.items() if n > 0}
        rounds = max(numbers.values(), default=0)
        return [self._job(label) for i in range(rounds) for label, number in numbers.items() if i < number]

    def _job(self, label):
        if label not in self._turns:
            own = [i for i, other in enumerate(self.labels) if other == label]
            of_class = [self.seed, sorted(self.classes).index(label)]
            rows, values = Turns(own, of_class), Turns(combinations(self.attributes, label), [*of_class, 1])
            seeds = np.random.RandomState(of_class)
            self._turns[label] = rows, values, seeds
        rows, values, seeds = self._turns[label]
        shown, attributes = rows.take(self.shots), values.take(1)[0]
        form = quote("..." if len(self.fields) == 1 else ("...", "..."))
        prompt = self.template.substitute(
            instruction=self.instruction,
            label=label,
            description=self.descriptions.get(label, ""),
            attributes="\n".join(f"{name}: {value}" for name, value in attributes.items()),
            examples="\n".join(quote(self.texts[i]) for i in shown),
            n=self.size,
            form=f'{{"rows": [{", ".join([form] * min(self.size, 2))}{", ..." if self.size > 2 else ""}]}}',
        )
        request = Request(
            model=self.model,
            messages=[{"role": "user", "content": re.sub(r"\n{3,}", "\n\n", prompt)}],  # where a placeholder is empty
            params={"seed": int(seeds.randint(2**31)), **self.params},
            schema=_schema(self.fields, self.size),
        )
        provenance = {
            "model": self.model,
            "temperature": self.params["temperature"],
            "prompt": fingerprint(self.template.template, self.instruction),
            "shown": [self.ids[i] for i in shown],
            **{name: str(value) for name, value in attributes.items()},
            "request": request.id,
        }
        return Job(request, label, self.size, provenance)


def _schema(fields, size):
    row = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in fields},
        "required": list(fields),
        "additionalProperties": False,
    }
    rows = {"type": "array", "items": row, "minItems": size, "maxItems": size}
    return {"type": "object", "properties": {"rows": rows}, "required": ["rows"], "additionalProperties": False}


def _wanted(n_per_class, labels):
    classes = sorted(set(labels))
    if not isinstance(n_per_class, dict):
        return dict.fromkeys(classes, n_per_class)
    numbers = _by_label(n_per_class, labels, "n_per_class")
    if wrong := [n for n in numbers.values() if not isinstance(n, Integral) or n < 0]:
        raise ValueError(f"n_per_class has a number of rows that is none: {wrong[0]!r}.")
    return {label: int(n) for label, n in numbers.items() if n > 0}


def _by_label(values, labels, name):
    values = {str(label): value for label, value in (values or {}).items()}
    if unknown := sorted(values.keys() - set(labels)):
        raise ValueError(f"{name} has labels that real_y lacks: {', '.join(map(repr, unknown))}.")
    return values
