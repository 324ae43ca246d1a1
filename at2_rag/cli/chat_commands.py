"""What can be typed into a chat beside questions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from at2_rag.cli.console import show
from at2_rag.cli.talk import Talk
from at2_rag.errors import InputError

#: A path such as /etc/fstab at the beginning of a question is no command.
_COMMAND = re.compile(r"/(?P<name>[a-z]+)(?:\s+(?P<argument>\S+))?\s*")

#: What stands for a number that was not given.
_NUMBER = 3


class Quit(Exception):
    """The chat is to end."""


@dataclass(frozen=True)
class Command:
    """A command of the chat.

    Attributes:
        name: What is typed, behind a slash.
        help: What it does, in a line.
        run: Does it, with the number behind the name.
        number: What the number is called; ``None`` for a command that takes none.
    """

    name: str
    help: str
    run: Callable[[Talk, int], None]
    number: str | None = None

    @property
    def usage(self) -> str:
        """How it is typed."""
        return f"/{self.name} {self.number}" if self.number else f"/{self.name}"


def _help(talk: Talk, _: int) -> None:
    width = max(len(command.usage) for command in COMMANDS)
    for command in COMMANDS:
        show(f"{command.usage:<{width}}  {command.help}")


def _quit(talk: Talk, _: int) -> None:
    raise Quit


COMMANDS = (
    Command("sources", "the cited passages, with what is cited", lambda t, _: t.show_passages()),
    Command("prune", "answer again, from the K passages it used most", Talk.prune, "K"),
    Command("prove", "leave N sources of each statement out, cite what matters", Talk.prove, "N"),
    Command("forget", "begin anew: the model sees nothing said before", lambda t, _: t.forget()),
    Command("help", "this list", _help),
    Command("quit", "end, as Ctrl-D does; Ctrl-C stops an answer", _quit),
)


def run_command(line: str, talk: Talk) -> bool:
    """Do what a line says, if it is a command.

    Args:
        line: What was typed.
        talk: The talk that it was typed into.

    Returns:
        Whether it is one; else it is a question.

    Raises:
        InputError: If there is no such command, or it takes another argument.
        Quit: If the chat is to end.
    """
    match = _COMMAND.fullmatch(line)
    if match is None:
        return False
    command = next((each for each in COMMANDS if each.name == match["name"]), None)
    if command is None:
        known = ", ".join(each.usage for each in COMMANDS)
        raise InputError(f"There is no command /{match['name']}; expected one of {known}.")
    command.run(talk, _number(command, match["argument"]))
    return True


def _number(command: Command, argument: str | None) -> int:
    if argument is None:
        return _NUMBER
    if command.number is None or not re.fullmatch("[1-9][0-9]{0,8}", argument):
        expected = command.usage.replace(" K", " 3").replace(" N", " 3")
        raise InputError(f"/{command.name} was given {argument!r}; expected {expected}.")
    return int(argument)
