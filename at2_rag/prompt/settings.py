"""How a reader reads: everything a caller can choose, with its default."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from math import isnan
from reprlib import repr as short
from typing import Any, Literal, TypedDict

from transformers import GenerationConfig, PreTrainedModel

from at2_rag.documents.passages import SourceKind, check_text
from at2_rag.documents.sources import SourceUnit, check_kinds, check_unit
from at2_rag.errors import InputError
from at2_rag.prompt.template import MULTI_PASSAGE, PromptTemplate, as_template
from at2_rag.prompt.thinking_markers import ThinkingMarkers


class SettingsOptions(TypedDict, total=False):
    """Single settings by name, none of which is needed: :class:`Settings` says what they are."""

    source_unit: SourceUnit
    source_kinds: tuple[SourceKind, ...]
    system: str | None
    template_options: Mapping[str, Any]
    prompt: PromptTemplate | str
    max_passages: int | None
    thinking: ThinkingMarkers | Literal["auto"] | None
    max_new_tokens: int
    max_citations: int
    min_score: float | None
    on_overflow: Literal["error", "drop", "truncate"]
    language: str
    max_batch_tokens: int
    transitive: bool
    score_by: Literal["attention", "gradient"]
    rank_by: Literal["draft", "question"]
    prove: int | None
    prove_by: Literal["attention", "knockout"]
    groundedness: bool
    refusals: tuple[str, ...]
    on_empty: Literal["error", "answer"]


@dataclass(frozen=True)
class Settings:
    """A reader's settings; each can be given to a single call as well.

    Attributes:
        source_unit: What is scored and cited: ``"sentence"``, ``"passage"``, ``"word"`` or
            ``"token"``.
        source_kinds: What is cut into sources: ``"passage"``, the caller's; ``"message"``, messages
            of ``history``; ``"tool"``, those of its messages that are a tool's or function's
            result; ``"system"``, the system prompt and messages of ``history`` with that role;
            ``"thought"``, what the model wrote before its answer.
        system: System prompt, in front of the conversation; ``None`` for none.
        template_options: Options for the tokenizer's ``apply_chat_template``, such as
            ``{"enable_thinking": False}`` or ``{"tools": [...]}``; not to be changed later.
        prompt: How passages and question become one message: a template, or the name of one,
            the paper's ``"published"``, the default, ``"published-context"`` and
            ``"published-final-answer"``, or ``"from-passages"``, which asks to say so if the
            passages do not tell.
        max_passages: How many passages are shown at most, in the order given: those that share the
            most telling words with the question, by BM25; ``None`` for all.
        thinking: What a reasoning model writes around its thoughts; ``"auto"`` finds it in the
            tokenizer's own tokens and chat template; ``None`` takes all that is written as the
            answer.
        max_new_tokens: How many tokens the longest answer has, with the thoughts before it.
        max_citations: How many citations a statement has at most; as many again of thoughts.
        min_score: Score below which a source is not cited, unitless; ``None`` for no such bound.
        on_overflow: What to do when the prompt and the longest answer do not fit the model's
            context: ``"error"``, ``"drop"`` to leave out passages that do not fit behind those
            before them, or ``"truncate"`` to cut the last sentences of the longest.
        language: The language whose sentences are found, as Punkt names it.
        max_batch_tokens: How many tokens ``answer_batch`` runs at a time at most: texts times the
            longest, answer included. Caches grow with it.
        transitive: Whether a statement that leans on an earlier one of the answer inherits its
            citations; the paper's own behaviour is not to. Needs a calibrated estimator.
        score_by: What sources are scored by once the answer is there: ``"attention"``, as the
            estimator weighs it, which comes along with answering; or ``"gradient"``, what each
            statement owes to attention to each source, in nats, which runs the end of the text
            again, forwards and back; drafts to prune by are scored so, too. Whether a statement is
            ``supported`` the estimator says in any case, where it is calibrated. A ``method`` of
            the reader goes before it.
        rank_by: What passages are ranked by where they are pruned: ``"draft"``, what a first answer
            used, as in the paper; or ``"question"``, what the question looks at beyond what a
            question without content does, before anything is answered, for which the prompt is
            read once (in-context re-ranking, Chen et al., arXiv 2410.02642); the heads that probing
            found count, or all alike where the reader has another estimator.
        prove: How many sources of each statement, those that score best, are really left out when
            the answer is there, to cite what the statement is half as likely without; ``None`` to
            cite by scores alone. Costs forward passes.
        prove_by: How what is proven is left out: ``"attention"`` hides it from all tokens;
            ``"knockout"`` from those behind the passages only, the end of the prompt and the
            answer, which costs a third and finds somewhat less. Models with layers other than
            attention do the first in any case.
        groundedness: Whether to look for words that are from no passage, such as a wrong number in
            an otherwise right sentence of an answer that others wrote. Runs the answer once more,
            with the passages hidden from it.
        refusals: What an answer says where the passages do not say, beside the usual words of
            English: whole statements, which then cite nothing.
        on_empty: What to do when nothing is there to answer from, no passage with text and no other
            source: ``"error"``, or ``"answer"`` to ask the question alone, which cites nothing.
    """

    source_unit: SourceUnit = "sentence"
    source_kinds: tuple[SourceKind, ...] = ("passage", "thought")
    system: str | None = None
    template_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    prompt: PromptTemplate = MULTI_PASSAGE
    max_passages: int | None = None
    thinking: ThinkingMarkers | Literal["auto"] | None = "auto"
    max_new_tokens: int = 256
    max_citations: int = 3
    min_score: float | None = None
    on_overflow: Literal["error", "drop", "truncate"] = "error"
    language: str = "english"
    max_batch_tokens: int = 8192
    transitive: bool = True
    score_by: Literal["attention", "gradient"] = "attention"
    rank_by: Literal["draft", "question"] = "draft"
    prove: int | None = None
    prove_by: Literal["attention", "knockout"] = "attention"
    groundedness: bool = False
    refusals: tuple[str, ...] = ()
    on_empty: Literal["error", "answer"] = "error"

    def __post_init__(self) -> None:
        check_unit(self.source_unit)
        check_kinds(self.source_kinds)
        object.__setattr__(self, "source_kinds", tuple(self.source_kinds))  # hashable from a list
        _check_template_options(self.template_options)
        _check_refusals(self.refusals)
        object.__setattr__(self, "refusals", tuple(self.refusals))
        for name in ("max_new_tokens", "max_citations", "max_batch_tokens"):
            _check_count(name, getattr(self, name))
        if self.prove is not None:
            _check_count("prove", self.prove, " Or None to prove nothing.")
        if self.max_passages is not None:
            _check_count("max_passages", self.max_passages, " Or None to show all.")
        least = self.min_score
        if least is not None and (not isinstance(least, int | float) or isnan(least)):
            raise InputError(f"min_score is {self.min_score!r}; expected a number, or None.")
        if self.system is not None and not isinstance(self.system, str):
            raise InputError(f"system is {self.system!r}; expected text, or None.")
        check_text("system", self.system or "")
        _check_flag("transitive", self.transitive)
        _check_flag("groundedness", self.groundedness)
        _check_choice("score_by", self.score_by, ("attention", "gradient"))
        _check_choice("rank_by", self.rank_by, ("draft", "question"))
        _check_choice("prove_by", self.prove_by, ("attention", "knockout"))
        _check_choice("on_overflow", self.on_overflow, ("error", "drop", "truncate"))
        _check_choice("on_empty", self.on_empty, ("error", "answer"))
        if self.thinking not in ("auto", None) and not isinstance(self.thinking, ThinkingMarkers):
            raise InputError(
                f"thinking is {self.thinking!r}; expected 'auto', None, or ThinkingMarkers: "
                "ThinkingMarkers('<think>', '</think>')."
            )
        object.__setattr__(self, "prompt", as_template(self.prompt))  # from its name

    @property
    def runs_again(self) -> bool:
        """Whether an answer that is there is run again, so that it helps to remember the prompt."""
        return self.prove is not None or self.groundedness or self.score_by == "gradient"

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all settings."""
        return tuple(field.name for field in fields(cls))

    def override(self, options: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
        """Return settings changed by those options that name one, and the other options."""
        names = self.names()
        own = {name: value for name, value in options.items() if name in names}
        rest = {name: value for name, value in options.items() if name not in names}
        return replace(self, **own), rest

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, where those of ``template_options`` are."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **values,
            "source_kinds": list(self.source_kinds),
            "refusals": list(self.refusals),
            "template_options": dict(self.template_options),
            "prompt": asdict(self.prompt),
            "thinking": (
                asdict(self.thinking)
                if isinstance(self.thinking, ThinkingMarkers)
                else self.thinking
            ),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settings:
        """Return settings equal to those that :meth:`to_dict` was called on."""
        thinking = data["thinking"]
        markers = ThinkingMarkers(**thinking) if isinstance(thinking, Mapping) else thinking
        return cls(**{**data, "prompt": PromptTemplate(**data["prompt"]), "thinking": markers})


def settings_for(model: PreTrainedModel) -> Settings:
    """Return the default settings, with what a model's own files say otherwise.

    That are the ``max_new_tokens`` of its generation configuration, and the ``at2_prompt`` of its
    configuration: the name of the template that it was trained with.

    Args:
        model: The model that is to answer.

    Raises:
        InputError: If there is no such template.
    """
    own = {
        "max_new_tokens": getattr(model.generation_config, "max_new_tokens", None),
        "prompt": getattr(model.config, "at2_prompt", None),
    }
    return Settings(**{name: value for name, value in own.items() if value is not None})


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InputError(f"{name} is {value!r}; expected True or False.")


def _check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        told = f"{', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}"
        raise InputError(f"{name} is {value!r}; expected {told}.")


def _check_count(name: str, value: object, advice: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number of at least 1.{advice}")


#: What a prompt is made with, whatever the caller wants.
_OWN_OPTIONS = {"conversation", "messages", "add_generation_prompt", "continue_final_message"}
_OWN_OPTIONS |= {"tokenize", "return_dict", "return_tensors", "return_assistant_tokens_mask"}


def _check_template_options(options: Mapping[str, Any]) -> None:
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise InputError(
            f"template_options is {options!r}; expected a mapping from names to values: "
            "{'enable_thinking': False}."
        )
    if taken := sorted(_OWN_OPTIONS & options.keys()):
        raise InputError(
            f"template_options holds {', '.join(taken)}; expected only what the template itself "
            "looks at. Leave it out."
        )


def _check_refusals(phrases: Sequence[str]) -> None:
    sequence = isinstance(phrases, Sequence) and not isinstance(phrases, str)
    if not sequence or not all(isinstance(phrase, str) for phrase in phrases):
        raise InputError(
            f"refusals is {phrases!r}; expected statements in a tuple: ('Not in the passages.',)."
        )


#: What other libraries call a setting.
_CALLED_OTHERWISE = dict.fromkeys(
    ("max_tokens", "max_output_tokens", "max_completion_tokens", "num_predict"), "max_new_tokens"
) | dict.fromkeys(("stop", "stop_sequences", "stop_words"), "stop_strings")


def meant_by(name: str, known: Collection[str], most: int = 1, alike: float = 0.6) -> list[str]:
    """Return the options that may be meant by an unknown one, the likeliest first.

    Args:
        name: The name that nobody knows.
        known: Names of options, the settings' or more.
        most: How many to return at most.
        alike: How much alike the names are at least, of 1.
    """
    if name in _CALLED_OTHERWISE:
        return [_CALLED_OTHERWISE[name]]
    return get_close_matches(name, sorted(known), most, alike)


def refuse_misspelt_of(known: Collection[str], options: Mapping[str, Any]) -> None:
    """Raise ``InputError`` if an option was most likely meant to be another.

    Args:
        known: Names of options that are misspelt at times. There may be others.
        options: Options by name.
    """
    for name in options.keys() - known:
        if meant := meant_by(name, known, alike=0.8):
            raise InputError(
                f"Unknown option {name}={short(options[name])}. Did you mean {meant[0]}?"
            )


def refuse_unknown(options: Mapping[str, Any]) -> None:
    """Raise ``InputError`` if an option is no setting, with the one that may have been meant."""
    for name in options:
        if name in vars(GenerationConfig()):
            advice = " An option of model.generate goes to a call that has the model write: answer."
        else:
            meant = meant_by(name, Settings.names())
            advice = f" Did you mean {meant[0]}?" if meant else ""
        raise InputError(
            f"Unknown option {name}={short(options[name])}; expected any of "
            f"{', '.join(Settings.names())}.{advice}"
        )
