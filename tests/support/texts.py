"""Texts that are easy to get wrong, and tokenizers of every kind to get them wrong with."""

from functools import cache
from string import ascii_letters, ascii_lowercase, digits

from hypothesis import settings
from hypothesis import strategies as st
from support.places import GOLDEN
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

#: The same examples on every machine, few enough for every run.
quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)

SPECIAL_TEXTS = ("<|end|>", "<|user|>\n", "</s>", "<s>", "<unk>", "[SEP]", "<|end|><|assistant|>")
PIECES = (
    "The ", "river", " Nile", " is 6,650 km long.", "  two  spaces ", "'s", " ,", "...", "##ing",
    "\n", "\n\n", "\t", " ", "\r\n", "\u00a0", "\u2028", "\u3000", "\x00",
    "{text}", "{question}", "{passages}", "{title}", "{", "}", "{{ m }}", "{% if x %}",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467", "🇫🇷", "👍🏽", "😀", "\u200d", "\ufeff", "\ufffd",
    "e\u0301", "n\u0303\u0323", "é", "ﬁ", "½", "İ", "ß", "𝔘𝔫𝔦", "▁", "Ġ",
    "שלום ", "مرحبا", "漢字かな", "한국어", "\u1100\u1161\u11a8", "हिन्दी", "ไทย",
    *SPECIAL_TEXTS,
)  # fmt: skip

#: Texts with something in them: known trouble mixed with any characters at all.
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=9).map("".join)
readable_texts = texts.filter(str.strip)

CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
CHAT_TOKENS = ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>")
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]

KINDS = (
    "llama", "qwen2", "phi3", "prepending", "swallowing", "metaspace_bpe", "unigram", "word_piece",
    "end_of_word",
)  # fmt: skip
#: Those that have a token for every byte, and so can write any text.
LOSSLESS = KINDS[:7]


@cache
def tokenizer_of(kind):
    if kind in ("llama", "qwen2", "phi3"):
        return PreTrainedTokenizerFast.from_pretrained(GOLDEN / kind / "model")
    built = {
        "prepending": prepending,
        "swallowing": swallowing,
        "metaspace_bpe": metaspace_bpe,
        "unigram": unigram,
        "word_piece": word_piece,
        "end_of_word": end_of_word,
    }
    return built[kind]()


def wrapped(backend, **options):
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, **options)
    fast.chat_template = CHAT
    return fast


def swallowing():
    """Byte-level, with special tokens that take the white space beside them (as Phi-3's do)."""
    path = GOLDEN / "qwen2" / "model" / "tokenizer.json"
    backend = Tokenizer.from_file(str(path))
    backend.add_special_tokens([AddedToken("<|end|>", special=True, rstrip=True)])
    backend.add_special_tokens([AddedToken("<|user|>", special=True, rstrip=True)])
    backend.add_special_tokens([AddedToken("</s>", special=True, lstrip=True, rstrip=True)])
    backend.add_tokens([AddedToken("<think>", special=False), AddedToken("\n\n", special=False)])
    return wrapped(backend, eos_token="<|end|>")


def chars_and_merges():
    """A small vocabulary with every step on the way to its longer pieces."""
    whole = ["▁the", "▁is", "▁Nile", "river", "ing", "long", "▁two"]
    merges = [(word[: i + 1], word[i + 1]) for word in whole for i in range(len(word) - 1)]
    steps = [left + right for left, right in merges]
    letters = sorted({char for word in whole for char in word} | set("aeiostT.,{}<>/|▁漢é"))
    return list(dict.fromkeys([*letters, *steps])), list(dict.fromkeys(merges))


def metaspace_bpe():
    """Spaces become part of words and unknown characters bytes, as in Gemma and Llama 2."""
    pieces, merges = chars_and_merges()
    vocab = {p: i for i, p in enumerate(["<unk>", "<s>", "</s>", *CHAT_TOKENS, *BYTES, *pieces])}
    backend = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    backend.add_special_tokens(["<unk>", "<s>", "</s>", *CHAT_TOKENS])
    return wrapped(backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def prepending():
    """Puts a space before every text and takes one from what it decodes, as Llama 2's does."""
    pieces, merges = chars_and_merges()
    vocab = {piece: i for i, piece in enumerate(["<unk>", "<s>", "</s>", *BYTES, *pieces])}
    backend = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
         decoders.Strip(" ", 1, 0)]
    )  # fmt: skip
    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    fast = wrapped(backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    fast.chat_template = "{% for m in messages %}<s>{{ m['content'] }}</s>\n{% endfor %}"
    return fast


def unigram():
    """Its model knows the special tokens as pieces of text, and likes them best."""
    special = ["<unk>", "<s>", "</s>", *CHAT_TOKENS]
    pieces, _ = chars_and_merges()
    vocab = [(p, 0.0) for p in special] + [(b, -20.0) for b in BYTES]
    vocab += [(p, -5.0 - 0.01 * i) for i, p in enumerate(pieces)]
    backend = Tokenizer(models.Unigram(vocab, 0, byte_fallback=True))
    backend.pre_tokenizer = pre.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first", split=False)]
    )
    backend.add_special_tokens(special)
    return wrapped(backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def word_piece():
    """Words in lower-case pieces; what it does not know is lost."""
    special = ["[UNK]", "[SEP]", *CHAT_TOKENS]
    letters = f"{ascii_lowercase}{digits}.,{{}}<>|/[]'#é"
    pieces = [*letters, *(f"##{letter}" for letter in letters), "the", "is", "##ing", "riv"]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys([*special, *pieces]))}
    backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=True)
    backend.pre_tokenizer = pre.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens(special)
    return wrapped(backend, unk_token="[UNK]", sep_token="[SEP]")


def end_of_word():
    """Marks where words end; the decoder writes no space after the last one."""
    letters = f"{ascii_letters}{digits}.,{{}}<>|/"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocab = {piece: i for i, piece in enumerate(["<unk>", *CHAT_TOKENS, *pieces])}
    backend = Tokenizer(models.BPE(vocab, [], unk_token="<unk>", end_of_word_suffix="</w>"))
    backend.pre_tokenizer = pre.Whitespace()
    backend.decoder = decoders.BPEDecoder()
    backend.add_special_tokens(["<unk>", *CHAT_TOKENS])
    return wrapped(backend, unk_token="<unk>")
