"""An OpenAI-compatible endpoint: a request goes in, an answer comes out, and the key stays here."""

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_HIDDEN = "<key>"


class Secret:
    """A key that shows itself to nobody: its text is a placeholder, and a pickle holds nothing of it."""

    __slots__ = ("_value",)

    def __init__(self, value=None):
        self._value = value

    def reveal(self):
        """Return the key itself, or None where a pickle has dropped it."""
        return self._value

    def hide_in(self, text):
        """Return a text without the key."""
        return text.replace(self._value, _HIDDEN) if self._value else text

    def __bool__(self):  # one that a pickle has emptied gives way to the environment's
        return bool(self._value)

    def __repr__(self):
        return _HIDDEN

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):  # clones keep the key
        return self

    def __reduce__(self):
        return Secret, ()


def to_secret(api_key):
    """Wrap a key, unless it is wrapped already or None."""
    return api_key if api_key is None or isinstance(api_key, Secret) else Secret(str(api_key))


@dataclass(frozen=True)
class Request:
    """What is asked.

    Attributes
    ----------
    messages : list of dict
        With ``role`` and ``content``.
    params : dict
        Sampling: ``temperature``, ``max_tokens``, ``seed`` and the like.
    schema : dict or None
        JSON schema of the answer, for servers that have structured output.
    """

    model: str
    messages: list[dict]
    params: dict
    schema: dict | None = None

    @property
    def id(self):
        """Hash of all that has an influence on the answer: two requests with one id are one request."""
        content = [self.model, self.messages, self.params, self.schema]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes
    ----------
    text : str
        As the server sent it, but for the key.
    finish : str
        Why the server stopped: "stop", "length", "refusal", ...
    request_id : str
        The server's own.
    prompt_tokens, completion_tokens : int
        As the server counts; a quarter of the letters where it does not.
    seconds : float
        From sending to receiving, with all that the client tried again.
    time : str
        When it came, in UTC.
    top : list of (str, float), or None
        Candidates for the first token and their log-probabilities, if they were asked for.
    """

    text: str
    finish: str
    request_id: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    time: str
    top: list | None = None

    @property
    def tokens(self):
        """Of prompt and answer."""
        return self.prompt_tokens + self.completion_tokens


class RequestFailed(Exception):  # noqa: N818 - it is caught where it is raised, or becomes a Failure
    """No answer, though the client has tried again where that may help.

    Attributes
    ----------
    fatal : bool
        Whether no other request will do better: a wrong key or an unknown model.
    """

    def __init__(self, message, *, fatal=False):
        super().__init__(message)
        self.fatal = fatal


@dataclass
class Endpoint:
    """A model behind an OpenAI-compatible server.

    Parameters
    ----------
    model : str
    base_url : str, default=None
        None takes the environment's ``OPENAI_BASE_URL``, or else OpenAI's own.
    api_key : str or Secret, default=None
        None takes the environment's ``OPENAI_API_KEY``. A server of your own often needs none.
    timeout : float, default=60
        Seconds without a byte from the server after which the client tries again.
    max_retries : int, default=5
        How often the client tries again: after 429 (as long after as ``Retry-After`` says), 408, 409, 5xx, cut
        connections and time-outs.
    structured : bool, default=True
        Whether to send JSON schemas. If the server refuses one, later requests go without.
    """

    model: str
    base_url: str | None = None
    api_key: Any = None
    timeout: float = 60.0
    max_retries: int = 5
    structured: bool = True
    _client: Any = field(default=None, init=False, repr=False)

    def __post_init__(self):
        openai = import_openai()
        self.api_key = to_secret(self.api_key or os.environ.get("OPENAI_API_KEY"))
        base_url = self.base_url or os.environ.get("OPENAI_BASE_URL")
        if base_url is None and self.api_key is None:
            raise ValueError(
                "No key: set OPENAI_API_KEY or pass api_key; for a server of your own pass base_url, such as "
                "http://localhost:8000/v1."
            )
        self.api_key = self.api_key or Secret()
        key = self.api_key.reveal() or "none"  # the client insists on one
        self._client = openai.OpenAI(api_key=key, base_url=base_url, timeout=self.timeout, max_retries=self.max_retries)

    def close(self):
        """End all connections, also those that wait for an answer."""
        self._client.close()

    def ask(self, request):
        """Ask, and wait for the answer.

        Returns
        -------
        answer : Answer

        Raises
        ------
        RequestFailed
        """
        start = time.perf_counter()
        try:
            completion = self._send(request)
        except Exception as error:
            raise self._failure(error) from None  # its chain holds the request, and that the key
        try:
            return self._answer(completion, request, time.perf_counter() - start)
        except (AttributeError, IndexError, TypeError, ValueError):
            raise RequestFailed("The server's answer is no chat completion.") from None

    def _send(self, request):
        import openai

        create, what = self._client.chat.completions.create, {"model": request.model, "messages": request.messages}
        if request.schema is None or not self.structured:
            return create(**what, **request.params)
        form = {"name": "answer", "schema": request.schema, "strict": True}
        try:
            return create(**what, **request.params, response_format={"type": "json_schema", "json_schema": form})
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            completion = create(**what, **request.params)
            self.structured = False  # it was the schema that it refused
            return completion

    def _answer(self, completion, request, seconds):
        choice = completion.choices[0]
        text, finish = choice.message.content, choice.finish_reason or ""
        if text is None:
            text, finish = getattr(choice.message, "refusal", None) or "", "refusal"
        if not isinstance(text, str):
            raise TypeError("no text")
        usage = completion.usage
        asked = sum(len(message["content"]) for message in request.messages)
        top = None
        if request.params.get("logprobs") and choice.logprobs and choice.logprobs.content:
            top = [(candidate.token, candidate.logprob) for candidate in choice.logprobs.content[0].top_logprobs]
        return Answer(
            text=self.api_key.hide_in(text),
            finish=finish,
            request_id=self.api_key.hide_in(str(completion.id or "")),
            prompt_tokens=int(getattr(usage, "prompt_tokens", None) or asked // 4),
            completion_tokens=int(getattr(usage, "completion_tokens", None) or len(text) // 4),
            seconds=round(seconds, 3),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            top=top,
        )

    def _failure(self, error):
        import openai

        said = " ".join(self.api_key.hide_in(str(error)).split())
        said = said if len(said) <= 300 else f"{said[:300]} ..."
        fatal = isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError | openai.NotFoundError)
        return RequestFailed(f"{type(error).__name__}: {said}", fatal=fatal)


def import_openai():
    """Import the client, or say how to get it."""
    try:
        import openai
    except ImportError as error:
        raise ImportError('Language models are asked through openai: pip install "skweight[llm]".') from error
    return openai
