"""Citations for what another server has said; that they fail loses nothing of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from at2_rag.answer.answer import Answer
from at2_rag.server.annotations import about, annotations_of
from at2_rag.server.asked import Asked
from at2_rag.server.chats import Talk, kinds_of, talk_of
from at2_rag.server.documents import passages_of
from at2_rag.server.heard import Said
from at2_rag.server.problems import Problem, problem_of
from at2_rag.server.service import Service
from at2_rag.server.wire import ProxiedChat
from at2_rag.server.work import Quiet


@dataclass(frozen=True)
class Scored:
    """What the local model says of an answer.

    Attributes:
        annotations: The citations, as OpenAI's clients read them.
        about: What else there is to know, or why there is nothing.
    """

    annotations: list[dict[str, Any]]
    about: dict[str, Any]


class Scorer:
    """Cites what another server answers to one request.

    Args:
        service: Has the local model.
        chat: The request for a chat completion.

    Raises:
        Problem: If there are documents, and they cannot be used, or no question about them.
    """

    def __init__(self, service: Service, chat: ProxiedChat) -> None:
        self._service, self._chat = service, chat
        self._documents = passages_of(chat.documents or [], service.limits, "documents")
        self._talk: Talk | Problem
        try:
            self._talk = talk_of(chat.messages)
        except Problem as problem:
            if self._documents:
                raise
            self._talk = problem  # what the other server makes of it is its own affair

    def forwarded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return what to ask the other server: the same, with the documents in the question.

        Args:
            body: The client's request, as it came.
        """
        kept = {name: value for name, value in body.items() if name not in ("documents", "at2")}
        if not self._documents or isinstance(self._talk, Problem):
            return kept
        asked = next(m for m in reversed(kept["messages"]) if m["role"] == "user")
        prompt = self._service.reader.settings.prompt
        shown = [i for i, passage in enumerate(self._documents) if not passage.is_empty]
        content, _ = prompt.render(self._talk.question, self._documents, shown)
        filled = [{**m, "content": content} if m is asked else m for m in kept["messages"]]
        return {**kept, "messages": filled}

    async def scored(self, said: Said) -> AsyncGenerator[Scored | Quiet]:
        """Yield what the local model makes of an answer, and until then that it is quiet.

        Args:
            said: What the other server has said.
        """
        if not said.text.strip():
            yield Scored([], {"scored_by": None, "statements": []})
            return
        try:
            asked = self._asked()
            if not self._has_sources(asked):
                yield Scored([], {"scored_by": None, "statements": []})
                return
            work = self._service.citing(asked, said.text, self._thoughts(said))
        except Exception as error:
            yield _failed(error)
            return
        try:
            async for event in work.events():
                yield event if isinstance(event, Quiet) else self._told(event)
        except Problem as problem:
            yield _failed(problem)
        finally:
            work.leave()

    async def whole(self, said: Said) -> Scored:
        """Return what the local model makes of an answer.

        Args:
            said: What the other server has said.
        """
        last = Scored([], {"scored_by": None, "statements": []})
        async for event in self.scored(said):
            if isinstance(event, Scored):
                last = event
        return last

    def _asked(self) -> Asked:
        if isinstance(self._talk, Problem):
            raise self._talk
        options = {
            "on_empty": "answer",
            **kinds_of(self._talk),
            **self._chat.at2.settings(self._service.limits),
        }
        passages = [*self._documents, *self._talk.passages]
        return Asked(self._talk.question, passages, list(self._talk.history), options)

    def _has_sources(self, asked: Asked) -> bool:
        return self._service.reader.has_sources(
            asked.passages, history=asked.history, **asked.options
        )

    def _thoughts(self, said: Said) -> str | None:
        """Return the thoughts, where the local model could have had some."""
        if not said.thoughts.strip() or self._service.reader.thinking_markers() is None:
            return None
        return said.thoughts

    def _told(self, answer: Answer) -> Scored:
        shift = answer.given_start or 0
        told = about(answer, self._service.name, shift)
        return Scored(annotations_of(answer.statements, shift), told)


def _failed(error: Exception) -> Scored:
    return Scored([], {"scored_by": None, **problem_of(error).to_dict()})
