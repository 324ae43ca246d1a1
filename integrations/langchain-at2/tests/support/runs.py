"""A callback handler that notes what it sees."""

from langchain_core.callbacks import BaseCallbackHandler


class Runs(BaseCallbackHandler):
    """Notes what is run, under which name, and how it ends."""

    def __init__(self):
        self.started, self.ended, self.failed = [], [], []

    def on_chain_start(self, serialized, inputs, *, tags=None, metadata=None, name=None, **_):
        self.started.append((name, tuple(tags or ()), (metadata or {}).get("who")))

    def on_chain_end(self, outputs, **_):
        self.ended.append(outputs)

    def on_chain_error(self, error, **_):
        self.failed.append(error)
