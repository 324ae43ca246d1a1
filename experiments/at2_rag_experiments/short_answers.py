"""Short answers against the right ones, by HotpotQA's official rules."""

from __future__ import annotations

import re
import string
from collections import Counter

#: What precedes the short answer (appendix A.6); models set it in bold now and then.
_MARK = re.compile(r"final answer\s*\**\s*:\s*\**", re.IGNORECASE)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
#: Answers that a part of them is no part of.
_WHOLE_ONLY = frozenset({"yes", "no", "noanswer"})


def short_answer(text: str) -> str | None:
    """Return what follows the last "Final answer:" on its line; ``None`` where there is none."""
    marks = list(_MARK.finditer(text))
    if not marks:
        return None
    return text[marks[-1].end() :].strip().partition("\n")[0].strip()


def final_answer(text: str) -> str:
    """Return the short answer; all of the text where nothing marks one."""
    found = short_answer(text)
    return text if found is None else found


def normalized(text: str) -> str:
    """Return lower case without ASCII punctuation, without articles, with single spaces."""
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, gold: str) -> float:
    """Return 1.0 if both are the same once normalized, else 0.0."""
    return float(normalized(answer) == normalized(gold))


def contains(answer: str, gold: str) -> float:
    """Return 1.0 if the right answer's words stand in a row in the answer, once normalized."""
    wanted = normalized(gold)
    return float(bool(wanted) and f" {wanted} " in f" {normalized(answer)} ")


def f1(answer: str, gold: str) -> float:
    """Return the F1 of the words that both share, once normalized.

    Yes, no and noanswer count as a whole or not at all.
    """
    said, wanted = normalized(answer), normalized(gold)
    if said != wanted and (said in _WHOLE_ONLY or wanted in _WHOLE_ONLY):
        return 0.0
    shared = sum((Counter(said.split()) & Counter(wanted.split())).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(said.split()), shared / len(wanted.split())
    return 2 * precision * recall / (precision + recall)
