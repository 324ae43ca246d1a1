"""Statements that say nothing but that the answer is not known, or not in what was given.

What a model says of the passages is nothing that they say, so there is nothing to cite. Rather a
refusal is taken for a statement than a statement for a refusal: what says anything else besides, or
tells what somebody else did not know, is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_SOURCE = (
    r"(?:passages?|texts?|contexts?|documents?|sources?|articles?|excerpts?|paragraphs?|materials?|"
    r"snippets?|content|search results?|information|references?|page|pages|files?)"
)
_GIVEN = r"(?:(?:provided|given|above|available|supplied|retrieved|cited|following|current)\s+)"
_BEHIND = (
    r"(?:\s+(?:(?:that\s+)?(?:is|are|was|were)\s+)?(?:provided|given|above|available|supplied|here|"
    r"itself|themselves|(?:that\s+)?(?:you|i)(?:'ve|\s+have|\s+was|\s+were)?\s+"
    r"(?:provided|gave|given|shared|supplied))(?:\s+to\s+me)?)?"
)
_THE_SOURCES = rf"(?:the|this|these|those|your|any\s+of\s+the)\s+{_GIVEN}?{_SOURCE}{_BEHIND}"
_NOT = r"(?:\s+not|n't)"
_HOW = (
    r"(?:\s+(?:explicitly|directly|specifically|clearly|actually|really|even|ever|exactly|"
    r"seem\s+to|appear\s+to))*"
)
_TELL = (
    r"(?:say|mention|state|specify|indicate|tell|discuss|answer|address|describe|reveal|explain|"
    r"clarify|disclose)"
)
_HOLD = r"(?:provide|contain|give|include|offer|have|supply|hold)"
_FACTS = (
    r"(?:information|answers?|details?|mention|data|evidence|explanation|references?|indication|"
    r"context|clues?|specifics)"
)
_SOME = rf"(?:\s+(?:any|enough|sufficient|an?|the|this|that|such|more|[a-z]+)){{0,3}}\s+{_FACTS}"
_KNOW = (
    r"(?:determine|determined|answer|answered|infer|inferred|establish|established|say|said|tell|"
    r"told|know|known|find|found|confirm|confirmed|verify|verified|conclude|concluded|identify|"
    r"identified)"
)
_TOLD = (
    r"(?:mentioned|stated|specified|given|provided|said|told|known|disclosed|answered|addressed|"
    r"described|discussed|indicated|included|named|found|clear|available|listed|covered|explained|"
    r"identified|present|contained)"
)
_BY = r"(?:in|by|from|within|with|using|given|based\s+(?:up)?on|according\s+to|anywhere\s+in)"
_END = r"[\s.!)\"'”’]*$"

#: What may stand before a refusal and changes nothing.
_LEAD = re.compile(
    rf"""(?:(?:unfortunately|sorry|however|therefore|thus|so|hence|but|still|as\s+such|no|well|
    (?:i\s+am|i'm|we\s+are|we're)\s+(?:very\s+)?(?:sorry|afraid)(?:\s+that)?|i\s+apologi[sz]e|
    (?:the\s+)?(?:final\s+|short\s+)?answer(?:\s+is)?\s*:|the\s+answer\s+is|
    {_BY}\s+{_THE_SOURCES})(?![a-z])[\s,;:]*(?:but\s+)?)+""",
    re.X,
)

#: A refusal from the first word on.
_FROM_THE_START = tuple(
    re.compile(pattern)
    for pattern in (
        # What I know.
        rf"(?:i|we)\s+(?:do|did){_NOT}{_HOW}\s+know(?:{_END}|,|\s+(?:the\s+answer|that{_END}|"
        r"(?:based|from|who|whom|whose|what|when|where|which|whether|if|why|how(?!\s+to))\b))",
        rf"(?:i|we)\s+(?:cannot|can\s+not|can't|could{_NOT}|was\s+unable\s+to|(?:am|'m|are)\s+(?:"
        rf"unable|not\s+able)\s+to){_HOW}\s+(?:{_KNOW}|provide|give|locate|see)\b",
        rf"(?:i'm|we're)\s+(?:unable|not\s+able)\s+to\s+(?:{_KNOW}|provide|give|locate)\b",
        rf"(?:i|we)(?:\s+(?:cannot|can\s+not|can't)|\s+(?:am|are)\s+unable\s+to|'(?:m|re)\s+unable\s+to)"
        rf"\s+(?:help|assist)(?:\s+you)?(?:\s+with\s+(?:that|this|it|your)(?:\s+\w+)?)?{_END}",
        rf"(?:i|we)\s+(?:do|did){_NOT}\s+(?:have|find|see)(?:{_SOME}|\s+access)\b",
        rf"(?:i|we)\s+(?:have|found|find|see)\s+no\s+(?:idea|way\s+of\s+knowing|knowledge|{_FACTS})\b",
        rf"(?:i'm|i\s+am)\s+not\s+(?:sure|certain)(?:{_END}|\s+(?:about|of|based|from|who|what|when|"
        r"where|which|whether|if|why)\b)",
        # What the passages say.
        rf"{_THE_SOURCES}\s+(?:do|does|did){_NOT}{_HOW}\s+(?:{_TELL}\b|{_HOLD}{_SOME}\b)",
        rf"{_THE_SOURCES}\s+(?:make|makes|made)\s+no\s+(?:mention|reference)\b",
        rf"{_THE_SOURCES}\s+(?:contain|provide|give|offer|include|have|has|hold)s?\s+no"
        rf"(?:\s+[a-z]+)?\s+{_FACTS}\b",
        rf"{_THE_SOURCES}\s+(?:is|are){_NOT}\s+(?:sufficient|enough|clear)\b",
        rf"{_THE_SOURCES}\s+(?:is|are)\s+insufficient\b",
        rf"{_THE_SOURCES}\s+lacks?{_SOME}\b",
        rf"none\s+of\s+{_THE_SOURCES}{_HOW}\s+(?:{_TELL}|{_HOLD}{_SOME})s?\b",
        rf"(?:no|neither)\s+{_GIVEN}?{_SOURCE}{_HOW}\s+(?:{_TELL}|{_HOLD}{_SOME})s?\b",
        rf"(?:they|it)\s+(?:do|does|did){_NOT}{_HOW}\s+(?:say|tell|specify|mention\s+(?:it|this|"
        rf"that)|state\s+(?:it|this|that)){_END}",
        # What there is to go by.
        rf"there\s+(?:is|are|was|were)\s+no(?:\s+[a-z]+)?\s+{_FACTS}\b.*\b(?:in|within|from|by)\s+"
        rf"{_THE_SOURCES}",
        r"there\s+(?:is|are|was)\s+(?:no(?:t\s+enough)?|insufficient)\s+information\s+(?:about|on|"
        r"regarding|as\s+to|available|provided|given|here|to)\b",
        rf"there\s+(?:is|are|was){_NOT}\s+(?:any|enough|sufficient)\s+{_FACTS}\b",
        rf"(?:not\s+enough|insufficient)\s+(?:information|context|data)(?:{_END}|\s+to\b|\s+in\b)",
        rf"no\s+(?:answer|information|data)(?:\s+(?:is|was))?(?:\s+(?:available|provided|given|"
        rf"found))?{_END}",
        rf"(?:unknown|unanswerable|n/a|not\s+known|not\s+(?:explicitly\s+)?(?:mentioned|stated|"
        rf"specified|given|provided|available|found|answered))(?:\s+{_BY}\s+{_THE_SOURCES})?{_END}",
        # What the question is.
        rf"(?:it|(?:the|this|that|your)\s+(?:answer|question|information))(?:\s+to\s+(?:the|this|"
        rf"that|your)\s+question)?\s+(?:is|was|are){_NOT}{_HOW}\s+(?:mentioned|stated|specified|"
        rf"given|provided|indicated|available)(?:{_END}|\s+(?:who|what|when|where|which|whether|why|"
        rf"how|if|here)\b|\s+{_BY}\s+{_THE_SOURCES})",
        rf"(?:it|(?:the|this|that|your)\s+(?:answer|question|information))(?:\s+to\s+(?:the|this|"
        rf"that|your)\s+question)?\s+(?:cannot|can\s+not|can't|could{_NOT})\s+be\s+{_KNOW}{_END}",
        rf"it\s+is\s+(?:impossible|not\s+possible)\s+to\s+{_KNOW}\b.*\b{_BY}\s+{_THE_SOURCES}",
        rf"(?:the|this|that|your)\s+question\s+(?:is|remains)\s+(?:unanswerable|unanswered){_END}",
    )
)

#: A refusal wherever it stands in the sentence.
_ANYWHERE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:is|are|was|were|has|have){_NOT}(?:\s+been)?{_HOW}\s+{_TOLD}\s+{_BY}\s+{_THE_SOURCES}",
        rf"\b(?:is|are|was|were)\s+(?:nowhere|never)\s+{_TOLD}\s+{_BY}\s+{_THE_SOURCES}",
        rf"\b(?:cannot|can\s+not|can't|could{_NOT})\s+be{_HOW}\s+{_KNOW}\s+(?:directly\s+|solely\s+)?"
        rf"{_BY}\s+{_THE_SOURCES}",
    )
)

#: In front of what somebody else said or did not know; behind a quote; and before something else.
_REPORTED = re.compile(
    r"\b(?:said|says|claim(?:s|ed)?|told|wrote|writes|argue[sd]?|complain(?:s|ed)?|believe[sd]?|"
    r"thought|insist(?:s|ed)?|testified|admit(?:s|ted)?|replie[sd]|asked|asks|according\s+to\s+"
    r"(?!the|this|these|those|your))\b"
)
_QUOTED = re.compile(r"[\"”]\s*\w")
_GOES_ON = re.compile(
    r"[,;:–—]\s*(?:but|however|although|though|yet|while|whereas|except|instead|only)\b"
    r"|\s(?:but|except)\s"
)


def is_refusal(text: str, phrases: Sequence[str] = ()) -> bool:
    """Return whether a statement says only that the answer is not known, or not in what was given.

    The words of English are known; those of other languages, or what a prompt asks for, are to be
    given.

    Args:
        text: The statement that may be a refusal.
        phrases: Further statements that are refusals, whole; case, white space, and the signs
            around them aside.
    """
    plain = _plain(text)
    if plain and plain in map(_plain, phrases):
        return True
    lead = _LEAD.match(plain)
    rest = plain[lead.end() :] if lead else plain
    if _QUOTED.search(plain) or _GOES_ON.search(rest):
        return False
    if any(pattern.match(part) for pattern in _FROM_THE_START for part in (rest, plain)):
        return True
    found = next(filter(None, (pattern.search(rest) for pattern in _ANYWHERE)), None)
    return found is not None and not _REPORTED.search(rest, 0, found.start())


def _plain(text: str) -> str:
    """Return small letters and single spaces, without the signs around a statement."""
    text = text.replace("’", "'").replace("*", "").replace("`", "").casefold()
    text = re.sub(r"(?:\s*\[\^*\d+\])+", "", text)  # numbers of the answer's own
    return " ".join(text.strip().strip("#>_-–•.!\"“”'() \t").split())
