"""How a component holds its reader: made of what is loaded, told of in JSON, and never copied."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from at2_rag import InputError, Reader
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)


def as_reader(value: Any) -> Reader:
    """Return a reader as it is, and one of the model that anything else runs.

    Args:
        value: A reader; or ``HuggingFacePipeline``, ``ChatHuggingFace``, or a pipeline of
            transformers, as ``Reader.from_pipeline`` takes them.

    Raises:
        InputError: If it is none of these.
        UnsupportedModelError: If the model's attention cannot be had exactly.
    """
    if isinstance(value, Reader):
        return value
    try:
        return Reader.from_pipeline(value)
    except InputError as error:
        raise InputError(
            f"reader is a {type(value).__name__}; expected an at2_rag.Reader, or a model that is "
            f"loaded already. {error}"
        ) from error


#: A reader as a field of pydantic: in JSON it is the name of its model.
ReaderField = Annotated[
    Reader,
    BeforeValidator(as_reader),
    PlainSerializer(lambda reader: reader.name, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "description": "The name of the reader's model; a reader cannot be made of it.",
        }
    ),
]


class HoldsReader(BaseModel):
    """What has a reader, and shares it with its copies: these have no weights of their own.

    Attributes:
        reader: The local model, as the component uses it.
        reader_options: Options of what the component has the reader do, by name.
    """

    #: The reader's method that the options are for.
    _call: ClassVar[Literal["answer", "rank", "attribute", "audit"]] = "answer"

    reader: ReaderField
    reader_options: dict[str, Any] = Field(default_factory=dict)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        """Refuse options that no call could take where they are given, not when a chain runs."""
        self.reader.check_options(self._call, self.reader_options)
        return self

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        shared = {} if memo is None else memo
        shared[id(self.reader)] = self.reader
        return super().__deepcopy__(shared)
