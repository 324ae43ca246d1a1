"""What reasoning models write around their thoughts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedTokenizerBase

from at2_rag.errors import InputError
from at2_rag.spans import Span


@dataclass(frozen=True)
class ThinkingMarkers:
    """What a model writes around its thoughts.

    Attributes:
        begin: What stands before thoughts, with the white space that follows it; empty where a
            model thinks from its first word on without a sign.
        end: What stands between thoughts and response, with the white space around it.
    """

    begin: str
    end: str

    def __post_init__(self) -> None:
        if not isinstance(self.begin, str) or not isinstance(self.end, str):
            raise InputError(f"{self}; expected two strings.")
        if not self.end.strip():
            raise InputError(f"The end marker of {self} is empty; expected what ends thoughts.")

    def opened_by(self, ending: str) -> bool:
        """Tell whether a prompt that ends so has begun the thoughts already.

        Args:
            ending: What the prompt ends in, behind the last message.
        """
        begin = self.begin.strip()
        return not begin or ending.rfind(begin) > ending.rfind(self.end.strip())


@dataclass(frozen=True)
class WrittenPlaces:
    """Where thoughts and response lie, in characters or in tokens.

    Attributes:
        thoughts: The first character (or token) of the thoughts, and one past the last.
        response: The first character (or token) of the response, and one past the last.
        finished: Whether the thoughts came to their end.
    """

    thoughts: Span
    response: Span
    finished: bool


@dataclass(frozen=True)
class ThoughtFormat:
    """How a model writes thoughts and response behind one prompt.

    Attributes:
        markers: What the model writes around its thoughts.
        opened: Whether the prompt has begun the thoughts already.
    """

    markers: ThinkingMarkers
    opened: bool

    @property
    def begin(self) -> str:
        """What stands before thoughts, without white space."""
        return self.markers.begin.strip()

    @property
    def end(self) -> str:
        """What stands between thoughts and response, without white space."""
        return self.markers.end.strip()

    def written(self, thoughts: str, response: str) -> str:
        """Return what the model would have written to think and to respond so.

        Args:
            thoughts: The thoughts without markers; may be empty.
            response: The response that follows the thoughts.
        """
        if not thoughts and not self.opened:
            return response
        begin = "" if self.opened else self.markers.begin
        return f"{begin}{thoughts}{self.markers.end}{response}"

    def place_in(self, text: str) -> WrittenPlaces | None:
        """Return which characters are thoughts and response; ``None`` without thoughts.

        Args:
            text: What the model wrote, special tokens included.
        """
        begun = len(text) - len(text.lstrip())
        if self.begin and text.startswith(self.begin, begun):
            first = begun + len(self.begin)
        elif self.opened:
            first = 0
        else:
            return None
        stop = text.find(self.end, first)
        if stop < 0:
            return WrittenPlaces((first, len(text)), (len(text), len(text)), finished=False)
        return WrittenPlaces((first, stop), (stop + len(self.end), len(text)), finished=True)


#: Of models that are out there.
KNOWN_MARKERS = (
    # DeepSeek-R1, Qwen3, QwQ, Phi-4-reasoning, SmolLM3, GLM-4.5, Hunyuan, Nemotron and many others.
    ThinkingMarkers("<think>\n", "\n</think>\n\n"),
    # gpt-oss: channels of the harmony format.
    ThinkingMarkers(
        "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"
    ),
    # Magistral.
    ThinkingMarkers("[THINK]", "[/THINK]"),
    # Command A Reasoning. Its prompt ends in both where it is not to think.
    ThinkingMarkers("<|START_THINKING|>", "<|END_THINKING|>"),
    # Gemma 4.
    ThinkingMarkers("<|channel>thought\n", "<channel|>"),
    # EXAONE Deep.
    ThinkingMarkers("<thought>\n", "\n</thought>\n\n"),
    # Seed-OSS.
    ThinkingMarkers("<seed:think>", "</seed:think>"),
)


def thinking_markers(
    tokenizer: PreTrainedTokenizerBase, told: ThinkingMarkers | Literal["auto"] | None
) -> ThinkingMarkers | None:
    """Return the markers of a model's thoughts; ``None`` for one that does not think.

    Args:
        tokenizer: The model's tokenizer: a model that thinks has the markers among its tokens, or
            speaks of them in its chat template.
        told: The markers, ``"auto"`` to look for them, or ``None`` for none.
    """
    if told != "auto":
        return told
    template = tokenizer.chat_template or ""
    told_of = template if isinstance(template, str) else "\n".join(template.values())
    own = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    # What the template speaks of is used; a token may be left over from another model.
    spoken_of = [m for m in KNOWN_MARKERS if m.begin.strip() in told_of or m.end.strip() in told_of]
    known = [m for m in KNOWN_MARKERS if m.begin.strip() in own]
    return next(iter([*spoken_of, *known]), None)
