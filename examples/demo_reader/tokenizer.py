"""The demo reader's tokenizer: whole words and years, and a name as its two pieces.

Byte-level, so any text round-trips; but a language model of a few million parameters copies a
name well only when it is cut the same way every time, which byte-pair encoding does not do.
"""

from __future__ import annotations

from itertools import islice

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from at2_rag.worlds import generate_examples, schema
from at2_rag.worlds.names import HEADS, TAILS

PAD, USER, ASSISTANT, SYSTEM, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"
SPECIAL_TOKENS = (PAD, USER, ASSISTANT, SYSTEM, END)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_SPACE = "Ġ"  # how byte-level pre-tokenization writes a space
_WHOLE_PIECE, _SINGLE_BYTE = -1.0, -10.0  # log-probabilities: as few pieces as can be


def _closed_vocabulary() -> list[str]:
    """Return every word, number and mark that worlds are told in, but for the made-up names."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    names = {head + tail for head in HEADS for tail in TAILS}
    words: set[str] = set()
    for hops in (1, 2, "unanswerable"):
        for example in islice(generate_examples(0, 8, hops), 1500):
            told = "\n\n".join(f"{p.title}\n{p.text}" for p in example.passages)
            text = f"Passages:\n\n{told}\n\nQuery: {example.question}\n{example.answer}"
            words.update(piece for piece, _ in splitter.pre_tokenize_str(text))
    words |= {f"{_SPACE}{year}" for year in range(schema.FIRST_YEAR, schema.LAST_YEAR + 1)}
    return sorted(word for word in words if word.removeprefix(_SPACE) not in names)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer from the worlds' own wordings and names."""
    pieces = [*_closed_vocabulary(), *HEADS, *(_SPACE + head for head in HEADS), *TAILS]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = dict.fromkeys(SPECIAL_TOKENS, 0.0)
    vocabulary |= dict.fromkeys(alphabet, _SINGLE_BYTE)
    vocabulary |= dict.fromkeys(pieces, _WHOLE_PIECE)
    tokenizer = Tokenizer(models.Unigram(list(vocabulary.items())))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
