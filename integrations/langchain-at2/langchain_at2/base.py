"""What the runnables around a reader have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from at2_rag import Answer, InputError, Verification
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import run_in_executor
from pydantic import ConfigDict, Field, model_validator

from langchain_at2.held import HoldsReader


class ReaderRunnable(HoldsReader, RunnableSerializable[dict[str, Any], AIMessage]):
    """A runnable from a question and documents to a message with citations.

    Every option can be given to a single call as well (``invoke(…, max_citations=1)``) or bound
    (``.bind(max_citations=1)``).

    Attributes:
        reader: The local model that answers or scores; used by any number of threads. Given a
            pipeline that is loaded already, such as a ``HuggingFacePipeline``, it is one of the
            same model. Deep copies share it, and in JSON it is the model's name.
        max_citations: How many citations a statement has at most; ``None`` for the reader's own
            setting.
        verify: Whether to leave the cited sources out and measure the difference; costs forward
            passes.
        inline_markers: Whether to put ``[1][2]`` into the text, behind the statements.
        reader_options: Any other options of the reader's method, by name, such as ``on_overflow``.
    """

    max_citations: int | None = Field(default=None, ge=1)
    verify: bool = False
    inline_markers: bool = False

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: Any) -> Any:
        if isinstance(values, dict):
            cls._check_names(values)
        return values

    def invoke(
        self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """Return the message with its citations.

        Args:
            input: Question, documents and so on, as the input schema says; keys that are not in it
                are ignored.
            config: How the call is run: callbacks, tags and so on.
            kwargs: Options for this call alone, by name.

        Raises:
            InputError: If the input or an option cannot be used, as its message says.
            ContextOverflowError: If documents and question do not fit the model's context.
        """
        chosen = self._with(kwargs)
        return chosen._call_with_config(chosen._run, input, config)

    async def ainvoke(
        self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """Do what :meth:`invoke` does, with the model in a thread of its own.

        Args:
            input: As for :meth:`invoke`.
            config: As for :meth:`invoke`.
            kwargs: As for :meth:`invoke`.
        """
        chosen = self._with(kwargs)

        async def run(value: dict[str, Any]) -> AIMessage:
            return await run_in_executor(None, chosen._run, value)

        return await chosen._acall_with_config(run, input, config)

    @abstractmethod
    def _run(self, value: dict[str, Any]) -> AIMessage:
        """Return the message for one input."""

    def _with(self, options: dict[str, Any]) -> Self:
        """Return the same runnable with other options."""
        if not options:
            return self
        self._check_names(options)
        return type(self)(**{**dict(self), **options})

    @classmethod
    def _check_names(cls, options: dict[str, Any]) -> None:
        if unknown := [name for name in options if name not in cls.model_fields]:
            names = ", ".join(name for name in cls.model_fields if name not in ("name", "reader"))
            raise InputError(
                f"Unknown option(s) {', '.join(unknown)} of {cls.__name__}; expected any of "
                f"{names}. Other options of the reader go into reader_options."
            )

    @property
    def _own_options(self) -> dict[str, Any]:
        """Options for the reader's method."""
        own = {"max_citations": self.max_citations}
        return {**self.reader_options, **{k: v for k, v in own.items() if v is not None}}

    def _verification(self, answer: Answer) -> Verification | None:
        return self.reader.verify(answer) if self.verify and answer.text else None
