"""Listeners to LlamaIndex's two kinds of events."""

from contextlib import contextmanager

from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler


class EventLog(BaseEventHandler):
    """Keeps what the dispatcher says."""

    events: list

    @classmethod
    def class_name(cls):
        return "EventLog"

    def handle(self, event, **kwargs):
        self.events.append(event)


class CallbackLog(BaseCallbackHandler):
    """Keeps (begin or end, event type, payload) of callbacks."""

    def __init__(self):
        super().__init__([], [])
        self.calls = []

    def on_event_start(self, event_type, payload=None, event_id="", **kwargs):
        self.calls.append(("start", event_type, payload or {}))
        return event_id

    def on_event_end(self, event_type, payload=None, event_id="", **kwargs):
        self.calls.append(("end", event_type, payload or {}))

    def start_trace(self, trace_id=None):
        pass

    def end_trace(self, trace_id=None, trace_map=None):
        pass

    def of(self, event_type):
        return [(when, payload) for when, kind, payload in self.calls if kind == event_type]


@contextmanager
def listening():
    """Yield the log of the dispatcher's events."""
    dispatcher, log = get_dispatcher(), EventLog(events=[])
    dispatcher.add_event_handler(log)
    try:
        yield log.events
    finally:
        dispatcher.event_handlers.remove(log)


def logged():
    log = CallbackLog()
    return log, CallbackManager([log])
