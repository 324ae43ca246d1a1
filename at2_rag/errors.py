"""The exceptions that this package raises on purpose, all under one base."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class At2Error(Exception):
    """Base of every error raised on purpose; the message says what to do."""


class InputError(At2Error, ValueError):
    """An argument that cannot be used as given."""


class ContextOverflowError(InputError):
    """The prompt is longer than the model's context.

    Attributes:
        excess: How many tokens the prompt has too many.
    """

    def __init__(self, message: str, excess: int) -> None:
        super().__init__(message)
        self.excess = excess


class UnsupportedModelError(At2Error):
    """A model whose attention weights cannot be had exactly."""


class EstimatorMismatchError(At2Error, ValueError):
    """A score estimator made for another model."""


class NumericalError(At2Error, ArithmeticError):
    """The model produced NaN or infinite numbers."""


class FileFormatError(InputError):
    """A file that cannot be read as passages, a model or an estimator."""


class MissingExtraError(At2Error, ImportError):
    """A package that only some of this library needs, and that is not installed."""


class MissingResourceError(At2Error, LookupError):
    """Data that is not installed, such as sentence parameters for a language."""


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Have the message of an ``InputError`` say first what it is about.

    Args:
        name: Which of several things is worked on within.
    """
    try:
        yield
    except InputError as error:
        error.args = (f"{name}: {error}", *error.args[1:])
        raise


def missing_extra(
    what: str, package: str, extra: str, more: str = "", *, owner: str = "at2-rag"
) -> MissingExtraError:
    """Return the error of a package that is not installed.

    Args:
        what: What needs it, as a sentence begins.
        package: The name of the missing package, or of several.
        extra: The extra that the package comes with.
        more: What else there is to say, such as another way.
        owner: What has the extra, as pip is told to install it.
    """
    return MissingExtraError(
        f'{what} needs {package}; install with: pip install "{owner}[{extra}]"{more}'
    )
