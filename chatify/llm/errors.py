"""Why a provider could not answer.

LLMError
├── ProviderUnavailable    no connection, 5xx                    retryable
├── ProviderTimeout        nothing came in time                  retryable
├── ProviderRateLimited    429, `retry_after` in seconds         retryable
├── ProviderAuthFailed     401, 403: our key is wrong
├── ProviderRejected       4xx: our request is wrong
├── ContentFiltered        the provider refused the content
├── StreamCut              the answer broke off before its end   retryable
├── StreamGarbled          what came is not what was agreed      retryable
└── EmptyReply             it ended well, without a word         retryable
"""

from __future__ import annotations


class LLMError(Exception):
    """Base of everything a provider raises. `code` is for machines, the text for people who chat."""

    code = "provider_error"
    is_retryable = False

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderUnavailable(LLMError):
    """No connection could be made, or the provider answered 5xx."""

    code = "provider_unavailable"
    is_retryable = True


class ProviderTimeout(LLMError):
    """The provider was silent for longer than the read timeout."""

    code = "provider_timeout"
    is_retryable = True


class ProviderRateLimited(LLMError):
    """429. `retry_after` (seconds) is what the provider asked for, if it did."""

    code = "provider_rate_limited"
    is_retryable = True


class ProviderAuthFailed(LLMError):
    """The provider does not accept our key."""

    code = "provider_auth_failed"


class ProviderRejected(LLMError):
    """The provider says that the request is wrong: unknown model, context too long."""

    code = "provider_rejected"


class ContentFiltered(LLMError):
    """The provider's filter stopped the reply."""

    code = "content_filtered"


class StreamCut(LLMError):
    """The stream ended without a `finish_reason`; or, where half an answer is of no use, at its `max_tokens`."""

    code = "stream_cut"
    is_retryable = True


class StreamGarbled(LLMError):
    """The stream carried something that is not the agreed format."""

    code = "stream_garbled"
    is_retryable = True


class EmptyReply(LLMError):
    """The model ended well and said nothing, or next to nothing where much was asked for."""

    code = "empty_reply"
    is_retryable = True
