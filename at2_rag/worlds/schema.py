"""The words of the made-up worlds: what jobs, years, nouns and pronouns there are."""

from __future__ import annotations

JOBS = (
    "baker",
    "carpenter",
    "chemist",
    "dentist",
    "farmer",
    "gardener",
    "geologist",
    "judge",
    "lawyer",
    "librarian",
    "mechanic",
    "nurse",
    "painter",
    "pharmacist",
    "photographer",
    "pilot",
    "plumber",
    "sculptor",
    "singer",
    "surgeon",
    "tailor",
    "teacher",
    "translator",
    "writer",
)
INSTRUMENTS = (
    "accordion",
    "banjo",
    "bassoon",
    "cello",
    "clarinet",
    "drums",
    "flute",
    "guitar",
    "harp",
    "oboe",
    "organ",
    "piano",
    "trombone",
    "trumpet",
    "viola",
    "violin",
)
GENRES = (
    "adventure",
    "comedy",
    "crime",
    "drama",
    "fantasy",
    "horror",
    "musical",
    "romance",
    "thriller",
    "war",
    "western",
)
PRODUCTS = (
    "bicycles",
    "boats",
    "books",
    "bread",
    "cameras",
    "carpets",
    "cheese",
    "clocks",
    "furniture",
    "glass",
    "paper",
    "radios",
    "shoes",
    "soap",
    "tea",
    "toys",
)
SUBJECTS = (
    "astronomy",
    "botany",
    "chess",
    "cooking",
    "fishing",
    "history",
    "law",
    "music",
    "philosophy",
    "sailing",
    "trade",
    "weather",
)
FILM_NOUNS = (
    "Bridge",
    "Castle",
    "Garden",
    "Harvest",
    "House",
    "Island",
    "Journey",
    "Night",
    "Road",
    "Secret",
    "Summer",
    "Winter",
)
BOOK_NOUNS = ("Diaries", "Letters", "Papers", "Poems", "Stories", "Tales")
COMPANY_NOUNS = ("Brothers", "Company", "Group", "Industries", "Works")
SCHOOL_NOUNS = ("Academy", "College", "Institute", "School", "University")
FIRST_YEAR, LAST_YEAR = 1850, 2009

#: Pronouns that may stand for a subject in the later sentences of a passage.
PRONOUNS = {
    "film": ("It",),
    "book": ("It",),
    "company": ("It",),
    "school": ("It",),
    "person": ("She", "He"),
    "city": ("It",),
}

#: What an answer says when the passages do not hold the fact.
UNKNOWN = "The passages do not say."
