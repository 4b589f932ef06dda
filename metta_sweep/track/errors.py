"""What may go wrong with W&B, in the two kinds that matter: try again, or proof that a person has to mend something."""

from __future__ import annotations


class TryLaterError(Exception):
    """W&B did not take it now; the same can be tried again."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds that the service asked to wait."""


class ClientFailedError(TryLaterError):
    """The client gave up on something; the process that holds it has to end, and the next one goes on."""


class RefusedError(Exception):
    """The service itself rejected the credentials: it answered 401 or 403 to a request of ours, in its own form.

    Nothing else counts as proof. The client raises ``AuthenticationError`` for any failure of its first query, a proxy
    answers 403 with a page of its own, and a GraphQL error may mean anything.
    """


def one_line(error: BaseException) -> str:
    """Return an error in one line of bounded length."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
