"""Conversations with tools, and chat templates in the ways of the common models."""

import copy
from functools import cache

from support.texts import tokenizer_of
from transformers import PreTrainedTokenizerFast

from at2_rag.documents.passages import as_passages
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.settings import Settings

ALL = ("passage", "message", "tool", "system")
QUESTION = "Should I take an umbrella?"
CALL = {
    "id": "call12345",
    "type": "function",
    "function": {"name": "weather", "arguments": {"city": "Zandor"}},
}
ASKED = {"role": "user", "content": "How warm is it in Zandor? I go there."}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call12345", "content": "It is 21 degrees. It rains."}
TOLD = {"role": "assistant", "content": "It is 21 degrees there. Have a good trip."}
HISTORY = [ASKED, CALLED, RESULT, TOLD]
SYSTEM = "Be brief. Rain is wet."

# Templates in the ways of the common models.
CHATML = """
{%- if tools %}{{ '<|im_start|>tools\n' + tools | map(attribute='name') | join(', ') }}
{{- '<|im_end|>\n' }}{% endif %}
{%- for m in messages %}
    {%- set before = messages[loop.index0 - 1].role if not loop.first else '' %}
    {%- if m.role == 'tool' %}
        {%- if before != 'tool' %}{{ '<|im_start|>user' }}{% endif %}
        {{- '\n<tool_response>\n' + m.content + '\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\n' }}
        {%- endif %}
    {%- else %}
        {{- '<|im_start|>' + m.role + '\n' }}{% if m.content %}{{ m.content }}{% endif %}
        {%- for call in m.tool_calls or [] %}
            {{- '<tool_call>' + call.function | tojson + '</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}
    {%- if enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}
{%- endif %}"""
HEADERS = """
{%- for m in messages %}
    {%- set role = 'ipython' if m.role == 'tool' else m.role %}
    {{- '<|start_header|>' + role + '<|end_header|>\n\n' }}
    {%- if m.tool_calls %}{{ m.tool_calls[0].function | tojson }}
    {%- elif role == 'ipython' %}{{ m.content | tojson }}
    {%- else %}{{ m.content | trim }}{% endif %}
    {{- '<|eot|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header|>assistant<|end_header|>\n\n' }}{% endif %}"""
BRACKETS = """
{%- set turn = namespace(user=true) %}
{%- for m in messages %}
    {%- if m.role == 'tool' %}{{ '[TOOL_RESULTS]' + m.content + '[/TOOL_RESULTS]' }}
    {%- elif m.tool_calls %}{{ '[TOOL_CALLS]' + m.tool_calls[0].function | tojson + '</s>' }}
    {%- elif (m.role == 'user') != turn.user %}{{ raise_exception('roles must alternate') }}
    {%- else %}
        {%- set turn.user = not turn.user %}
        {{- '[INST] ' + m.content + ' [/INST]' if m.role == 'user' else m.content + '</s>' }}
    {%- endif %}
{%- endfor %}"""
TURNS = """
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for m in messages %}
    {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Conversation roles must alternate') }}
    {%- endif %}
    {{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}
    {{- m.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"""
STYLES = {"chatml": CHATML, "headers": HEADERS, "brackets": BRACKETS, "turns": TURNS}
MARKUP = {
    "chatml": ["<|im_start|>", "<|im_end|>"],
    "headers": ["<|start_header|>", "<|end_header|>", "<|eot|>"],
    "brackets": ["[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "</s>"],
    "turns": ["<start_of_turn>", "<end_of_turn>"],
}


@cache
def styled(style):
    """Return a tokenizer with a style's template, and its markup as special tokens."""
    backend = copy.deepcopy(tokenizer_of("qwen2").backend_tokenizer)
    backend.add_special_tokens(MARKUP[style])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    tokenizer.chat_template = STYLES[style]
    return tokenizer


def with_template(template):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer_of("llama").backend_tokenizer)
    tokenizer.chat_template = template
    return tokenizer


def maker_of(tokenizer, history=HISTORY, passages=(), question=QUESTION, kinds=ALL, **options):
    settings = Settings(source_kinds=kinds, **options)
    found = as_passages(passages, needed=False)
    return PromptMaker.of(tokenizer, Request(question, found, history, settings))


def made(maker):
    return maker.make(maker.request.readable)


def talk_of(style):
    """Return a history that the style's template can show."""
    return [ASKED, TOLD] if style == "turns" else HISTORY
