"""A tiny model as a GGUF file, written with the package that llama.cpp's own converter uses."""

import json

from gguf import GGUFWriter, TokenType
from safetensors.numpy import load_file
from support.places import LLAMA

#: What llama.cpp calls the parts of a layer.
_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def write_llama(path, architecture="llama", without=()):
    """Write the golden llama's model and tokenizer to a GGUF file, in float32.

    Args:
        path: The file to write.
        architecture: What the file says the model is.
        without: Names of weights, as llama.cpp calls them, to leave out.
    """
    config = json.loads((LLAMA / "model/config.json").read_text(encoding="utf-8"))
    writer = GGUFWriter(path, architecture)
    _add_shape(writer, config)
    _add_tokenizer(writer, config)
    for name, weight in load_file(LLAMA / "model/model.safetensors").items():
        name, weight = _as_llama_cpp_has_it(name.removesuffix(".weight"), weight, config)
        if name not in without:
            writer.add_tensor(f"{name}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer, config):
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer, config):
    told = json.loads((LLAMA / "model/tokenizer.json").read_text(encoding="utf-8"))
    tokens = sorted(told["model"]["vocab"], key=told["model"]["vocab"].get)
    special = {token["id"] for token in told["added_tokens"]}
    kinds = [TokenType.CONTROL if i in special else TokenType.NORMAL for i in range(len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in told["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_chat_template((LLAMA / "model/chat_template.jinja").read_text(encoding="utf-8"))


def _as_llama_cpp_has_it(name, weight, config):
    """Return a weight's name there, and the weight with its dimensions in order."""
    if name in _WHOLE:
        return _WHOLE[name], weight
    _, _, layer, part = name.split(".", 3)
    heads = {
        "self_attn.q_proj": config["num_attention_heads"],
        "self_attn.k_proj": config["num_key_value_heads"],
    }.get(part)
    if heads is not None:
        halves = weight.reshape(heads, 2, -1, weight.shape[1])
        weight = halves.swapaxes(1, 2).reshape(weight.shape)
    return f"blk.{layer}.{_LAYER[part]}", weight
