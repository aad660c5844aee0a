"""Many requests at a time: at most so many at once, within a budget, each answer kept before it counts."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

from skweight import _progress
from skweight.llm._endpoint import RequestFailed

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


def ask_all(requests, endpoint, log, budget, *, concurrency, done=None):
    """Ask all requests that the log has no answer to.

    Parameters
    ----------
    requests : list of Request
    endpoint : Endpoint
    log : AnswerLog
    budget : Budget
    concurrency : int
        Requests that wait for an answer at once.
    done : callable, default=None
        Called with the position of a request and its outcome, in this thread.

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
    waiting: dict = {}
    stopped, failed_in_a_row = None, 0

    def settle(i, outcome):
        budget.count(outcome)
        outcomes[i] = outcome
        if done is not None:
            done(i, outcome)
        _progress.advance(1)

    executor = ThreadPoolExecutor(concurrency, thread_name_prefix="skweight-llm")
    try:
        todo = iter(range(len(requests)))
        while True:
            while stopped is None and len(waiting) < concurrency and (i := next(todo, None)) is not None:
                stopped = budget.stops(len(waiting))
                if stopped is None and (known := log.get(requests[i])) is not None:
                    settle(i, known)
                elif stopped is None:
                    waiting[executor.submit(endpoint.ask, requests[i])] = i
            if not waiting:
                return outcomes, stopped
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                i = waiting.pop(future)
                try:
                    answer = future.result()
                except RequestFailed as error:
                    log.add_failure(requests[i], str(error))
                    if error.fatal:
                        raise RuntimeError(f"The server refuses: {error}") from None
                    settle(i, Failure(str(error)))
                    failed_in_a_row += 1
                    if failed_in_a_row >= _PATIENCE:
                        stopped = stopped or f"{failed_in_a_row} requests in a row failed, the last with {error}"
                else:
                    log.add(requests[i], answer)
                    settle(i, answer)
                    failed_in_a_row = 0
    except BaseException:
        endpoint.close()  # or the process would wait for answers that nobody wants any more
        raise
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
