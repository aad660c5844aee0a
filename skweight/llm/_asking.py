"""Many requests at a time: at most so many at once, within a budget, each answer kept before it counts."""

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from skweight import _progress
from skweight.llm._endpoint import Answer, RequestFailed

_PATIENCE = 10  # failures in a row, each with all of the client's retries, after which the server counts as gone


@dataclass(frozen=True)
class Failure:
    """No answer."""

    message: str


@dataclass
class Budget:
    """How much may be asked, and how much has been.

    Answers that a log already holds count as well: the budget is one of the whole table, however often its making was
    interrupted.

    Parameters
    ----------
    max_requests, max_tokens : int or None
        Tokens are those of prompts and answers.
    """

    max_requests: int | None = None
    max_tokens: int | None = None
    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self):
        """Of all prompts and answers so far."""
        return self.prompt_tokens + self.completion_tokens

    def stops(self, n_waiting):
        """Say why no further request may be sent while so many wait for an answer, or None."""
        if self.max_requests is not None and self.requests + n_waiting >= self.max_requests:
            return f"the budget of {self.max_requests} requests is spent"
        # Those that wait will need about as many tokens each as those before them.
        expected = n_waiting * self.tokens / max(self.requests - self.failures, 1)
        if self.max_tokens is not None and self.tokens + expected >= self.max_tokens:
            return f"the budget of {self.max_tokens} tokens is spent"
        return None

    def count(self, outcome):
        """Count an answer or a failure."""
        self.requests += 1
        if isinstance(outcome, Failure):
            self.failures += 1
        else:
            self.prompt_tokens += outcome.prompt_tokens
            self.completion_tokens += outcome.completion_tokens


def ask_all(requests, endpoint, log, budget, *, concurrency):
    """Ask all requests that the log has no answer to.

    Parameters
    ----------
    requests : list of Request
    endpoint : Endpoint
    log : AnswerLog
    budget : Budget
    concurrency : int
        Requests that wait for an answer at once.

    Returns
    -------
    outcomes : list of Answer, Failure or None
        In the order of `requests`; None for a request that was not sent.
    stopped : str or None
        Why not all were sent.

    Raises
    ------
    RuntimeError
        If the server refuses the key or does not know the model. What came before is in the log.
    """
    outcomes: list = [None] * len(requests)
    arrived: SimpleQueue = SimpleQueue()
    stopped, n_waiting, failed_in_a_row = None, 0, 0

    def settle(i, outcome):
        budget.count(outcome)
        outcomes[i] = outcome
        _progress.advance(1)

    try:
        todo = iter(range(len(requests)))
        while True:
            while stopped is None and n_waiting < concurrency and (i := next(todo, None)) is not None:
                stopped = budget.stops(n_waiting)
                if stopped is None and (known := log.get(requests[i])) is not None:
                    settle(i, known)
                elif stopped is None:
                    # A daemon: a process that is told to end does not wait for a server that hangs.
                    threading.Thread(target=_ask, args=(endpoint, requests[i], i, arrived), daemon=True).start()
                    n_waiting += 1
            if not n_waiting:
                return outcomes, stopped
            i, outcome = arrived.get()
            n_waiting -= 1
            if isinstance(outcome, Answer):
                log.add(requests[i], outcome)
                settle(i, outcome)
                failed_in_a_row = 0
            elif isinstance(outcome, RequestFailed):
                log.add_failure(requests[i], str(outcome))
                if outcome.fatal:
                    raise RuntimeError(f"The server refuses: {outcome}")
                settle(i, Failure(str(outcome)))
                failed_in_a_row += 1
                if failed_in_a_row >= _PATIENCE:
                    stopped = stopped or f"{failed_in_a_row} requests in a row failed, the last with {outcome}"
            else:
                raise outcome
    except BaseException:
        endpoint.close()
        _keep(arrived, requests, log)
        raise


def _ask(endpoint, request, i, arrived):
    """Ask in a thread of its own."""
    try:
        arrived.put((i, endpoint.ask(request)))
    except BaseException as error:
        arrived.put((i, error))


def _keep(arrived, requests, log):
    """Write down what has come and was not looked at: it is paid for."""
    try:
        while True:
            i, outcome = arrived.get_nowait()
            if isinstance(outcome, Answer):
                log.add(requests[i], outcome)
    except Empty:
        pass
