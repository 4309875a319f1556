"""The work of memory: claims what is due, has models write summaries and find facts, and stores what they say.

A step is one call of a model. No transaction is open while it runs, and what it gives is written under the claim, so
it is written once or not at all, whoever is killed, and whoever else works on the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from time import monotonic

import structlog
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db import connections

from chatify.llm.errors import LLMError
from chatify.llm.prices import cost_of
from chatify.llm.registry import make_provider
from chatify.llm.types import Provider, Usage
from chatify.memory import meters
from chatify.memory.asking import Answer, ask
from chatify.memory.claims import Claim, claim_due, close, give_back, give_back_done, give_back_failed
from chatify.memory.facts import write_facts
from chatify.memory.finding import FactsInput, Found, find_by_model, find_by_rules
from chatify.memory.models import MemoryPrompt
from chatify.memory.prompts import Prompt, prompt_of
from chatify.memory.steps import Step, is_waiting, next_step
from chatify.memory.summaries import write_summary
from chatify.memory.summarizing import (
    FACTS_TOKENS,
    FRAME,
    SUMMARY_TOKENS,
    Made,
    Source,
    check_summary,
    describe,
    make_extractive,
    tidy,
    tokens_for,
)
from sessions.models import ChatSession

AT_ONCE = 8
RUN_SECONDS = 15.0
"""No step is begun after so long; the last ones may take as long as a model may (`asking.ASK_SECONDS`)."""

TRIES = 6
"""After so many answers in a row that are of no use, what needs no model stands in."""

WAIT = timedelta(seconds=10)
RULES = "rules"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """A claimed chat session and the step to do in it."""

    claim: Claim
    step: Step


class Digester:
    """At most one run at a time in this process, which can be stopped, for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._cancel: Callable[[], object] | None = None
        self._is_stopped = False

    def run(self) -> int:
        """Do what is due, in about RUN_SECONDS. Gives the number of steps, 0 if another run is at it."""
        if not self._lock.acquire(blocking=False):
            return 0
        try:
            return self._run()
        finally:
            self._lock.release()

    def start(self) -> None:
        """Run in a thread of its own, for workers that have but one."""
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run_beside, name="memory", daemon=True)
            thread.start()
            self._thread = thread

    def stop(self, timeout: float = 5.0) -> None:
        """End the run, and begin none any more: calls are cut off, and what was claimed is given back."""
        self._is_stopped = True
        if (cancel := self._cancel) is not None:
            cancel()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run_beside(self) -> None:
        try:
            self.run()
        except Exception:
            log.exception("memory_run_failed")
        finally:
            connections.close_all()

    def _run(self) -> int:
        ends_at, count = monotonic() + RUN_SECONDS, 0
        while not self._is_stopped and monotonic() < ends_at and (claims := claim_due(AT_ONCE)):
            jobs = [job for claim in claims if (job := _plan(claim)) is not None]
            if jobs:
                async_to_sync(self._work)(jobs)
            count += len(jobs)
        return count

    async def _work(self, jobs: Sequence[_Job]) -> None:
        provider = _make_provider()
        working = [asyncio.create_task(_do(job, provider)) for job in jobs]
        loop = asyncio.get_running_loop()

        def cancel() -> None:
            for task in working:
                loop.call_soon_threadsafe(task.cancel)

        self._cancel = cancel
        try:
            if self._is_stopped:
                cancel()
            await asyncio.wait(working)
        finally:
            self._cancel = None
            if provider is not None:
                await provider.aclose()
        for job, task in zip(jobs, working, strict=True):
            if task.cancelled():
                await sync_to_async(give_back)(job.claim)
            elif (error := task.exception()) is not None:  # the database is away: the lease will run out
                log.error("memory_step_not_written", chat_session=str(job.claim.chat_session_id), error=repr(error))


digester = Digester()


def _make_provider() -> Provider | None:
    """None without a key: the offline companion is no model, and cannot summarise."""
    if not settings.OPENAI_API_KEY:
        return None
    return make_provider(api_key=settings.OPENAI_API_KEY, base_url=settings.OPENAI_BASE_URL)


def _plan(claim: Claim) -> _Job | None:
    """What is to be done in a claimed chat session. If that is nothing, the claim is ended."""
    try:
        return _next_job(claim)
    except Exception as error:
        log.exception("memory_step_failed", kind="plan", chat_session=str(claim.chat_session_id))
        give_back_failed(claim, f"internal_error: {type(error).__name__}")
        return None


def _next_job(claim: Claim) -> _Job | None:
    row = ChatSession.objects.filter(id=claim.chat_session_id).first()
    if row is None:
        return None
    step = next_step(row)
    if step is not None:
        return _Job(claim, step)
    if is_waiting(row):
        give_back(claim, after=WAIT)
    else:
        close(claim, row)
    return None


async def _do(job: _Job, provider: Provider | None) -> None:
    """One step, with whatever becomes of it: nothing that fails in it may keep the others from theirs."""
    chat_session = str(job.claim.chat_session_id)
    match job.step:
        case Source() as source:
            kind, step = "summary", _summarize(job.claim, source, provider)
        case input:
            kind, step = "facts", _find(job.claim, input, provider)
    try:
        is_done = await step
    except LLMError as error:
        log.warning("memory_step_failed", kind=kind, chat_session=chat_session, code=error.code, detail=str(error))
        await _fail(job, kind, f"{error.code}: {error}")
    except Exception as error:
        log.exception("memory_step_failed", kind=kind, chat_session=chat_session)
        await _fail(job, kind, f"internal_error: {type(error).__name__}")
    else:
        _tell(job, kind, "done" if is_done else "lost")


async def _fail(job: _Job, kind: str, reason: str) -> None:
    is_mine = await sync_to_async(give_back_failed)(job.claim, reason)
    _tell(job, kind, "failed" if is_mine else "lost")


def _tell(job: _Job, kind: str, result: str) -> None:
    meters.step_ended(kind, result)
    log.info("memory_step_ended", kind=kind, result=result, chat_session=str(job.claim.chat_session_id))


# Summaries ----------------------------------------------------------------------------------------


async def _summarize(claim: Claim, source: Source, provider: Provider | None) -> bool:
    made = await _make(source, claim.useless, provider)
    return await sync_to_async(write_summary)(claim=claim, source=source, made=made)


async def _make(source: Source, useless: int, provider: Provider | None) -> Made:
    if provider is None or useless >= TRIES:
        return await asyncio.to_thread(make_extractive, source)
    prompt = await sync_to_async(prompt_of)(MemoryPrompt.Purpose.SUMMARY)
    answer = await _ask(provider, prompt, describe(source), tokens_for(SUMMARY_TOKENS, useless))
    text = tidy(answer.text)
    check_summary(text, source.previous)
    return Made(text, _model(prompt), prompt.version, answer.usage, _cost(prompt, answer.usage))


async def _ask(provider: Provider, prompt: Prompt, text: str, max_tokens: int) -> Answer:
    system = f"{prompt.text.strip()}\n\n{FRAME}"
    return await ask(provider, model=_model(prompt), system=system, text=text, max_tokens=max_tokens)


def _model(prompt: Prompt) -> str:
    return prompt.model or str(settings.CHAT_MODEL)


def _cost(prompt: Prompt, usage: Usage) -> Decimal | None:
    return cost_of(settings.MODEL_PRICES, _model(prompt), usage)


# Facts --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was found, and how it came about."""

    found: list[Found]
    model: str
    prompt_version: int
    usage: Usage | None = None


async def _find(claim: Claim, input: FactsInput, provider: Provider | None) -> bool:
    facts = await _look(input, claim.useless, provider)
    return await sync_to_async(_remember)(claim, input, facts)


async def _look(input: FactsInput, useless: int, provider: Provider | None) -> _Facts:
    if provider is None or useless >= TRIES:
        return _Facts(await asyncio.to_thread(find_by_rules, input), RULES, 0)
    prompt = await sync_to_async(prompt_of)(MemoryPrompt.Purpose.FACTS)
    most = tokens_for(FACTS_TOKENS, useless)
    found, usage = await find_by_model(input, lambda text: _ask(provider, prompt, text, most))
    return _Facts(found, _model(prompt), prompt.version, usage)


def _remember(claim: Claim, input: FactsInput, facts: _Facts) -> bool:
    is_written = write_facts(
        input=input,
        found=facts.found,
        model=facts.model,
        prompt_version=facts.prompt_version,
        claim=claim.token,
        usage=facts.usage,
    )
    if is_written:
        give_back_done(claim)
    return is_written
