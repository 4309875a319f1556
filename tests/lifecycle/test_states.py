"""The state machine: every step from every state."""

import pytest

from chatify.common.errors import Conflict
from sessions.lifecycle import EVENTS, Step, next_status
from sessions.models import ChatSession

STEPS = {
    ("active", "message"): "active", ("active", "pause"): "paused", ("active", "resume"): "active",
    ("active", "end"): "ended", ("paused", "message"): "active", ("paused", "pause"): "paused",
    ("paused", "resume"): "active", ("paused", "end"): "ended", ("ended", "end"): "ended",
    ("ended", "message"): None, ("ended", "pause"): None, ("ended", "resume"): None,
}  # fmt: skip


def test_every_step_from_every_state_is_decided() -> None:
    assert set(STEPS) == {(status, step) for status in ChatSession.Status.values for step in Step}
    assert set(EVENTS) == set(ChatSession.Status.values)


@pytest.mark.parametrize(("status", "step"), STEPS, ids=lambda word: word)
def test_step_leads_where_it_should(status: str, step: str) -> None:
    expected = STEPS[status, step]
    if expected is None:
        with pytest.raises(Conflict) as raised:
            next_status(status, Step(step))
        assert raised.value.code == "session_ended"
    else:
        assert next_status(status, Step(step)) == expected
