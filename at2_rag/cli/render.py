"""Answers, references and passages as text for a terminal; the words alone read as well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.style import Style
from rich.table import Table
from rich.text import Text

from at2_rag.answer.likelihood import effect_in_words
from at2_rag.cli.marker import Marker, style_of
from at2_rag.cli.screens import harmless, one_line
from at2_rag.cli.wrapping import Hanging

if TYPE_CHECKING:
    from at2_rag import Answer
    from at2_rag.ablation.verification import Verification
    from at2_rag.answer.statement import Citation
    from at2_rag.answer.thoughts import Thoughts
#: Addresses that a terminal may open.
_WEB = re.compile(r"https?://")


def marked_answer(answer: Answer) -> Text:
    """Return the answer with its ``[n]`` markers in the colours of their references."""
    return Marker.of(answer.text, answer.statements).finish()


def marked_thoughts(thoughts: Thoughts) -> Text:
    """Return the thoughts with their markers, dim as what is said to oneself."""
    text = Marker.of(thoughts.text, thoughts.statements).finish()
    text.stylize_before("dim")
    return text


def references(answer: Answer) -> Text:
    """Return one line for each cited source: number, title, quote, and how much it mattered."""
    if not answer.citations:
        only_refuses = answer.statements and all(s.refusal for s in answer.statements)
        said = "It claims nothing, so there is nothing to cite."
        return Text(said if only_refuses else "No passage made the model say this.", "dim")
    width = answer.widest_mark
    return Text("\n").join(_reference(answer, citation, width) for citation in answer.citations)


def hung_references(answer: Answer) -> Hanging:
    """Return the same for the screen: on a terminal, what is behind the numbers is aligned."""
    return Hanging(references(answer), answer.widest_mark + 1 if answer.citations else 0)


def _reference(answer: Answer, citation: Citation, width: int) -> Text:
    mark = answer.mark_of(citation.number)
    line = Text.assemble((mark, style_of(citation.number)), " " * (1 + width - len(mark)))
    if citation.kind != "passage":
        line.append(f"{citation.kind}: ", "italic")
    told = (citation.title, answer.passages[citation.passage_index].page)
    if title := ", ".join(one_line(each) for each in told if each):
        line.append(f"{title}: ", "bold")
    before, quote, behind = map(one_line, answer.quote_of(citation))
    line.append(before, "dim").append(quote).append(behind, "dim")
    where = one_line(answer.place_of(citation) or citation.passage_id or "")
    facts = [*_use(answer, citation), *map(one_line, answer.elsewhere(citation))]
    line.append(f" ({', '.join(facts)}", "dim")
    if where:
        line.append(", ", "dim")
        line.append(where, Style(dim=True, link=_address(answer, citation)))
    return line.append(")", "dim")


def _address(answer: Answer, citation: Citation) -> str | None:
    """Return where a terminal that has links finds what is cited; ``None`` if nowhere."""
    if citation.url:
        return harmless(citation.url) if _WEB.match(citation.url) else None
    path = answer.passages[citation.passage_index].metadata.get("path")
    there = isinstance(path, str) and "\0" not in path and Path(path).exists()
    return Path(path).absolute().as_uri() if isinstance(path, str) and there else None


def _use(answer: Answer, citation: Citation) -> list[str]:
    """Say how much a source mattered; of an inherited one, through what."""
    effect = effect_in_words(citation)
    if citation.via_thought is not None:
        return ["through a thought", *effect]
    if citation.via is not None:
        return ["through an earlier statement", *effect]
    from at2_rag.answer.shown import share  # loads torch

    part = share(answer.attribution, citation)
    return [f"share {part:.0%}", f"score {citation.score:.3g}", *effect]


def proof_of(verification: Verification) -> Text:
    """Return what leaving out each statement's citations does to it."""
    return Text("\n").join(
        Text(harmless(line), "" if line.startswith(" ") else "bold")
        for line in str(verification).splitlines()
    )


def passage_list(answer: Answer, numbers: Sequence[int]) -> Table:
    """Return the answer's passages with what it cites highlighted, and the uncited ones dim.

    Args:
        answer: The answer whose passages are listed.
        numbers: Which number to put before each of the answer's passages.
    """
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="dim")
    table.add_column()
    for index, number in enumerate(numbers):
        table.add_row(str(number), highlighted(answer, index))
    return table


def highlighted(answer: Answer, index: int) -> Text:
    """Return a passage's title and text, each cited piece followed by its mark.

    Args:
        answer: The answer that cites the passage, or does not.
        index: Index of the passage among the answer's.
    """
    passage = answer.passages[index]
    cited = [citation for citation in answer.citations if citation.passage_index == index]
    line = Text(style="" if cited else "dim")
    if passage.title:
        line.append(f"{one_line(passage.title)}: ", "bold" if cited else "")
    text, done = harmless(passage.text), 0
    for citation in sorted(cited, key=lambda c: c.source_start):
        style = style_of(citation.number)
        line.append(text[done : citation.source_start])
        line.append(text[citation.source_start : citation.source_end], style)
        line.append(answer.mark_of(citation.number), style)
        done = citation.source_end
    return line.append(text[done:])
