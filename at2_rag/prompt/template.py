"""The prompt as text, and where every passage lies in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as short
from types import MappingProxyType

from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.spans import Span


@dataclass(frozen=True)
class PassageInPrompt:
    """Where one passage, or another document, lies in a text.

    Attributes:
        index: Index among the documents, the caller's passages first.
        block: Characters of a passage's title and text; of any other document, of its text.
        text: Characters of the document's text alone.
    """

    index: int
    block: Span
    text: Span

    def shifted(self, by: int) -> PassageInPrompt:
        """Return the same, ``by`` characters later."""
        (a, b), (c, d) = self.block, self.text
        return PassageInPrompt(self.index, (a + by, b + by), (c + by, d + by))


@dataclass(frozen=True)
class PromptTemplate:
    """How passages and a question become one message.

    Nothing but the named fields is replaced, so braces in templates and passages are safe. An empty
    title is no title.

    Attributes:
        message: How the whole message is written; holds ``{passages}`` and ``{question}`` once
            each.
        titled: How a passage with a title is written; holds ``{title}`` and ``{text}`` once each.
        untitled: How a passage without a title is written; holds ``{text}`` once.
        separator: What stands between one passage and the next.
    """

    message: str
    titled: str = "{title}\n{text}"
    untitled: str = "{text}"
    separator: str = "\n\n"

    def __post_init__(self) -> None:
        for name in ("message", "titled", "untitled", "separator"):
            if not isinstance(value := getattr(self, name), str):
                raise InputError(
                    f"The prompt template's {name} is a {type(value).__name__}; expected a string."
                )
        _check_fields("message", self.message, ("passages", "question"))
        _check_fields("titled", self.titled, ("title", "text"))
        _check_fields("untitled", self.untitled, ("text",))

    def render(
        self, question: str, passages: Sequence[Passage], shown: Sequence[int]
    ) -> tuple[str, tuple[PassageInPrompt, ...]]:
        """Return the message and where each shown passage lies in it.

        Args:
            question: What the model is asked.
            passages: All passages, those that are not shown as well.
            shown: Indices of the passages to show, in order.
        """
        body, places = self._render_passages(passages, shown)
        fields = {"passages": body, "question": question}
        text, found = _fill(self.message, fields)
        return text, tuple(place.shifted(found["passages"][0]) for place in places)

    def _render_passages(
        self, passages: Sequence[Passage], shown: Sequence[int]
    ) -> tuple[str, list[PassageInPrompt]]:
        body = ""
        places: list[PassageInPrompt] = []
        for index in shown:
            passage = passages[index]
            if places:
                body += self.separator
            template = self.titled if passage.title else self.untitled
            fields = {"title": passage.title or "", "text": passage.text}
            block, found = _fill(template, fields)
            place = PassageInPrompt(index, (0, len(block)), found["text"])
            places.append(place.shifted(len(body)))
            body += block
        return body, places


def _check_fields(name: str, template: str, fields: tuple[str, ...]) -> None:
    for field in fields:
        if (count := template.count("{" + field + "}")) != 1:
            raise InputError(
                f"The prompt template's {name} holds {{{field}}} {count} times; expected it once, "
                f"in {template!r}."
            )


def _fill(template: str, fields: dict[str, str]) -> tuple[str, dict[str, Span]]:
    """Replace ``{field}`` by its value, and return where each value lies in the result."""
    text, found = "", {}
    pattern = "|".join(re.escape("{" + field + "}") for field in fields)
    # With a group in the pattern, every second piece is a field.
    for index, piece in enumerate(re.split(f"({pattern})", template)):
        value = piece
        if index % 2:
            field = piece[1:-1]
            value = fields[field]
            found[field] = (len(text), len(text) + len(value))
        text += value
    return text, found


#: For models that can tell whether passages answer. It gives no words for a refusal: small models
#: that are given them refuse what the passages do say, and even so they miss some of it.
FROM_PASSAGES = PromptTemplate(
    "Passages:\n\n{passages}\n\nAnswer the question from these passages, and say so if they do not "
    "tell.\n\nQuestion: {question}"
)
#: What a reader asks unless it is told otherwise. Several passages (paper, appendix A.3.1,
#: HotpotQA and MS MARCO).
MULTI_PASSAGE = PromptTemplate("Passages:\n\n{passages}\n\nQuery: {question}")
#: One running context (paper, appendix A.3.1, CNN DailyMail, Natural Questions and Dolly).
CONTEXT = PromptTemplate("Context: {passages}\n\nQuery: {question}")
#: Several passages, and an answer that ends in a short form (paper, appendix A.6).
FINAL_ANSWER = PromptTemplate(
    "Passages:\n\n{passages}\n\nQuery: {question}\n\n"
    "Please respond in complete sentences and then end with just a single word or phrase in the "
    'format "Final answer: <answer>". If the question is a yes or no question, the answer should '
    'be "yes" or "no".'
)

#: The templates that can be called by a name.
NAMED: Mapping[str, PromptTemplate] = MappingProxyType(
    {
        "from-passages": FROM_PASSAGES,
        "published": MULTI_PASSAGE,
        "published-context": CONTEXT,
        "published-final-answer": FINAL_ANSWER,
    }
)


def as_template(prompt: object) -> PromptTemplate:
    """Return a template, or the one that has a name.

    Args:
        prompt: A template, or one of the names in :data:`NAMED`.

    Raises:
        InputError: If it is something else.
    """
    if isinstance(prompt, PromptTemplate):
        return prompt
    if isinstance(prompt, str) and prompt in NAMED:
        return NAMED[prompt]
    given = short(prompt) if isinstance(prompt, str) else f"a {type(prompt).__name__}"
    raise InputError(
        f"prompt is {given}; expected any of {', '.join(map(repr, NAMED))}, or a template: "
        "PromptTemplate('… {passages} … {question} …')."
    )
