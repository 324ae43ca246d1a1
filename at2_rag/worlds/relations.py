"""The facts that can be stated in the made-up worlds, and every wording of them.

In every wording ``{s}`` is the subject and ``{o}`` the object. Alternatives stand between bars.
A new relation is one more row.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """One kind of fact and the ways to say it.

    Attributes:
        name: A short name for the kind of fact, unique within the subject's kind.
        object_kind: A kind of entity, or a kind of literal (``year``, ``job``, …).
        opening: Wordings that introduce the subject by name and kind.
        later: Wordings for the rest of a passage; ``{s}`` may be a pronoun.
        questions: Wordings of a question for the object.
        noun: Phrases that stand for the object, to build two-hop questions from.
        answer: The one wording used in answers.
    """

    name: str
    object_kind: str
    opening: tuple[str, ...]
    later: tuple[str, ...]
    questions: tuple[str, ...]
    noun: tuple[str, ...]
    answer: str


def _relation(
    name: str, object_kind: str, opening: str, later: str, questions: str, noun: str, answer: str
) -> Relation:
    def split(wordings: str) -> tuple[str, ...]:
        return tuple(w.strip() for w in wordings.split("|") if w.strip())

    return Relation(
        name, object_kind, split(opening), split(later), split(questions), split(noun), answer
    )


#: Relations by the kind of their subject.
RELATIONS: dict[str, tuple[Relation, ...]] = {
    "film": (
        _relation(
            "director",
            "person",
            "{s} is a film directed by {o}. | {s} is a film by the director {o}.",
            "{s} was directed by {o}. | The director of the film was {o}.",
            "Who directed {s}? | Who was the director of {s}? | Who made the film {s}?",
            "the director of {s} | the person who directed {s}",
            "{s} was directed by {o}.",
        ),
        _relation(
            "star",
            "person",
            "{s} is a film starring {o}. | {s} is a film with {o} in the leading role.",
            "{s} stars {o}. | The leading role is played by {o}.",
            "Who stars in {s}? | Who plays the leading role in {s}?",
            "the star of {s} | the person who stars in {s}",
            "{s} stars {o}.",
        ),
        _relation(
            "release",
            "year",
            "{s} is a film released in {o}. | {s} is a film from {o}.",
            "{s} was released in {o}. | {s} came out in {o}.",
            "When was {s} released? | In what year did {s} come out?",
            "",
            "{s} was released in {o}.",
        ),
        _relation(
            "genre",
            "genre",
            "{s} is a {o} film. ",
            "{s} belongs to the {o} genre. | Its genre is {o}.",
            "What genre is {s}? | What is the genre of {s}?",
            "",
            "{s} belongs to the {o} genre.",
        ),
    ),
    "book": (
        _relation(
            "author",
            "person",
            "{s} is a book written by {o}. | {s} is a book by {o}.",
            "{s} was written by {o}. | The author of the book is {o}.",
            "Who wrote {s}? | Who is the author of {s}?",
            "the author of {s} | the person who wrote {s}",
            "{s} was written by {o}.",
        ),
        _relation(
            "publication",
            "year",
            "{s} is a book published in {o}. | {s} is a book from {o}.",
            "{s} was published in {o}. | {s} first appeared in {o}.",
            "When was {s} published? | In what year was {s} published?",
            "",
            "{s} was published in {o}.",
        ),
        _relation(
            "subject",
            "subject",
            "{s} is a book about {o}.",
            "{s} is about {o}. | The book deals with {o}.",
            "What is {s} about? | What subject does {s} deal with?",
            "",
            "{s} is about {o}.",
        ),
    ),
    "company": (
        _relation(
            "founder",
            "person",
            "{s} is a company founded by {o}. | {s} is a company that was started by {o}.",
            "{s} was founded by {o}. | The founder of the company was {o}.",
            "Who founded {s}? | Who was the founder of {s}? | Who started {s}?",
            "the founder of {s} | the person who founded {s}",
            "{s} was founded by {o}.",
        ),
        _relation(
            "headquarters",
            "city",
            "{s} is a company based in {o}. | {s} is a company with its headquarters in {o}.",
            "{s} is based in {o}. | The headquarters of the company are in {o}.",
            "Where is {s} based? | In which city are the headquarters of {s}?",
            "the city where {s} is based | the home city of {s}",
            "{s} is based in {o}.",
        ),
        _relation(
            "product",
            "product",
            "{s} is a company that makes {o}. | {s} is a maker of {o}.",
            "{s} makes {o}. | The company is known for its {o}.",
            "What does {s} make? | What is made by {s}?",
            "",
            "{s} makes {o}.",
        ),
    ),
    "school": (
        _relation(
            "founder",
            "person",
            "{s} is a school founded by {o}. | {s} is a place of learning founded by {o}.",
            "{s} was founded by {o}. | The founder of the school was {o}.",
            "Who founded {s}? | Who was the founder of {s}?",
            "the founder of {s} | the person who founded {s}",
            "{s} was founded by {o}.",
        ),
        _relation(
            "location",
            "city",
            "{s} is a school in {o}. | {s} is a place of learning in {o}.",
            "{s} is located in {o}. | The school stands in {o}.",
            "Where is {s} located? | In which city is {s}?",
            "the city where {s} is located | the home city of {s}",
            "{s} is located in {o}.",
        ),
        _relation(
            "opening",
            "year",
            "{s} is a school that opened in {o}.",
            "{s} opened in {o}. | {s} opened its doors in {o}.",
            "When did {s} open? | In what year did {s} open?",
            "",
            "{s} opened in {o}.",
        ),
    ),
    "person": (
        _relation(
            "birthplace",
            "city",
            "{s} was born in {o}. | {s} comes from {o}.",
            "{s} was born in {o}. | {s} was born in the city of {o}.",
            "Where was {s} born? | In which city was {s} born?",
            "the city where {s} was born | the birthplace of {s}",
            "{s} was born in {o}.",
        ),
        _relation(
            "birth",
            "year",
            "{s} was born in {o}.",
            "{s} was born in {o}. | The year of birth was {o}.",
            "When was {s} born? | In what year was {s} born?",
            "",
            "{s} was born in {o}.",
        ),
        _relation(
            "job",
            "job",
            "{s} works as a {o}. | {s} is a {o}.",
            "{s} worked as a {o}. | {s} earned a living as a {o}.",
            "What is the job of {s}? | What did {s} work as?",
            "",
            "{s} worked as a {o}.",
        ),
        _relation(
            "instrument",
            "instrument",
            "{s} plays the {o}.",
            "{s} plays the {o}. | {s} loves to play the {o}.",
            "What instrument does {s} play? | Which instrument is played by {s}?",
            "",
            "{s} plays the {o}.",
        ),
    ),
    "city": (
        _relation(
            "country",
            "country",
            "{s} is a city in {o}. | {s} is a city of {o}.",
            "{s} belongs to {o}. | The city is part of {o}.",
            "In which country is {s}? | What country is {s} in?",
            "",
            "{s} is a city in {o}.",
        ),
        _relation(
            "river",
            "river",
            "{s} is a city on the {o}.",
            "{s} lies on the {o}. | The {o} flows through the city.",
            "Which river does {s} lie on? | On which river is {s}?",
            "",
            "{s} lies on the {o}.",
        ),
        _relation(
            "mayor",
            "person",
            "{s} is a city whose mayor is {o}.",
            "The mayor of the city is {o}. | {s} has a mayor named {o}.",
            "Who is the mayor of {s}? | Who leads {s} as its mayor?",
            "the mayor of {s}",
            "The mayor of {s} is {o}.",
        ),
    ),
}
