r"""Make the English sentence parameters that the package ships.

    python examples/train_punkt.py hotpotqa.json clapnq.jsonl drop.jsonl \
        --out at2_rag/data/punkt_english.json

Punkt learns from plain text how words are written: "the" mostly in lower case, "Smith" never, which
tells whether a capital after an abbreviation begins a sentence. What else it would learn from so
little text is noise (that "Louis" starts sentences, as in "St. Louis"), so abbreviations and
starters are listed by hand below. The same files give the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from nltk.tokenize.punkt import PunktParameters, PunktTrainer

from at2_rag.documents.sentences import Abbreviations

#: Without the last period and in lower case, as Punkt compares them. Left out: initials (U.S.),
#: and words that end a sentence more often than they are shortened (in, mass, me, miss, sat, sun).
ABBREVIATIONS = {
    "titles": "adm amb atty brig capt cdr cmdr col comdr cpl cpt det dr esq fr gen gens gov govs"
    " hon insp jr lieut lt lts maj messrs mgr mlle mm mme mr mrs ms msgr ofc pfc pres prof profs"
    " pvt rep reps rev revd sen sens sfc sgt sgts sr st sta ste sts supt ven",
    "degrees": "b.eng b.sc b.tech d.litt d.phil d.sc ll.b ll.d ll.m m.ed m.eng m.phil m.sc m.tech"
    " ph.d psy.d",
    "months and days": "apr aug dec feb jan jul jun mar nov oct sep sept fri mon thu thur thurs tue"
    " tues wed",
    "latin": "al ca cf eg etc ibid ie loc.cit op.cit viz vs",
    "references": "app appx bk ch chap chaps cit ed eds eq eqs ex fig figs fn fol illus nn nos nr"
    " pg pgs pl pp pts ref refs sec secs ser stat suppl tab trans transl vol vols",
    "companies": "assn assoc bros cie co corp cos dept div inc intl ltd mfg plc pty univ",
    "addresses": "apt ave bldg blvd cir expy hts hwy jct mt mtn mts pkwy rd rte ste tpke",
    "states": "ala ariz ark calif colo conn del fla ind kan kans ky md mich minn mont neb nebr nev"
    " okla ont penn penna que tenn tex va vt w.va wis wisc wyo",
    "measures": "approx avg est ft gal hr hrs lb lbs max min mins oz sq tbsp tsp wt yd yds yr yrs",
    "others": "feat incl misc orig prev tel",
}

#: Words that are abbreviations only in front of a number: "No. 5", but "He said no."
BEFORE_NUMBERS = "art arts ill no pt sat sect sun"

#: Single letters that end a sentence more often than they stand for a name: "World War I."
NO_INITIALS = "ix"

#: Words that begin a new sentence when capitalised after an abbreviation, and are in few names.
SENTENCE_STARTERS = (
    "according additionally after afterwards although as at because before both but by despite due"
    " during each even finally first following for from furthermore he her his how however if in"
    " indeed instead it its later many meanwhile most moreover nevertheless on once our she since"
    " some such that the their then there therefore these they this those though thus to today"
    " under unlike until upon we what when where whereas which while why with you your"
)

#: Flags of ``PunktParameters.ortho_context``: the word was seen in lower case (at the beginning,
#: in the middle, or in an unknown place of a sentence).
LOWER_CASE = 1 << 4 | 1 << 5 | 1 << 6


class Trainer(PunktTrainer):  # type: ignore[misc]
    """Learns how words are written, and takes the abbreviations as given."""

    def __init__(self, abbreviations: Abbreviations) -> None:
        super().__init__()
        self._params.abbrev_types = abbreviations

    def _reclassify_abbrev_types(self, types: set[str]) -> Iterator[tuple[str, float, bool]]:
        """Yield nothing: no abbreviation is found, and none is taken from the list."""
        yield from ()

    def _is_rare_abbrev_type(self, cur_tok: object, next_tok: object) -> bool:
        """Return False: a word seen once or twice is no evidence."""
        return False


def abbreviations() -> Abbreviations:
    """Return the listed abbreviations, and the single letters that stand for names."""
    listed = {word for group in ABBREVIATIONS.values() for word in group.split()}
    return Abbreviations(listed | set(ascii_lowercase) - set(NO_INITIALS))


def texts_of(record: dict[str, Any]) -> Iterator[str]:
    """Yield the texts in one record of HotpotQA, CLAPNQ or DROP."""
    if "passages" in record:
        yield from (passage["text"] for passage in record["passages"])
    elif isinstance(record["context"], str):
        yield record["context"]
    else:
        yield from ("".join(sentences) for sentences in record["context"]["sentences"])


def read_texts(path: Path) -> Iterator[str]:
    """Yield the texts of a JSON list (.json) or of JSON lines (.jsonl)."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        # Not splitlines: JSON allows other line separators inside a string.
        content = "[" + ",".join(content.strip().split("\n")) + "]"
    for record in json.loads(content):
        yield from texts_of(record)


def train(texts: list[str]) -> PunktParameters:
    """Learn how words are written in the texts, and add what is listed by hand."""
    trainer = Trainer(abbreviations())
    # An empty line between them: the first word of a text is the first of a sentence.
    trainer.train("\n\n".join(texts))
    parameters = trainer.get_params()
    parameters.collocations = {(word, "##number##") for word in BEFORE_NUMBERS.split()}
    parameters.sent_starters = set(SENTENCE_STARTERS.split())
    return parameters


def as_json(parameters: PunktParameters) -> str:
    """Write the parameters with sorted keys.

    Punkt treats a word never seen in lower case like an unknown one, so these are left out.
    """
    ortho_context = {
        word: flags for word, flags in parameters.ortho_context.items() if flags & LOWER_CASE
    }
    content = {
        "abbrev_types": sorted(parameters.abbrev_types),
        "collocations": sorted(parameters.collocations),
        "sent_starters": sorted(parameters.sent_starters),
        "ortho_context": ortho_context,
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def main() -> None:
    """Read the files, train, and write the parameters."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help="HotpotQA, CLAPNQ or DROP files")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args()
    # A passage may serve several questions; seen twice, it would count twice.
    texts = list(dict.fromkeys(text for path in options.files for text in read_texts(path)))
    content = as_json(train(texts))
    options.out.write_text(content, encoding="utf-8")
    print(f"{len(texts)} texts, {len(content):,} characters written to {options.out}")


if __name__ == "__main__":
    main()
