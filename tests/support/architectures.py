"""Tiny random models of many architectures, all with the traps that attention can have.

Four layers, grouped heads, a sliding window shorter than the texts, experts where there are any.
"""

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

#: Through whatever attention function they load with, which is sdpa.
WORKING = (
    "llama", "qwen2", "qwen3", "qwen3_moe", "phi", "phi3", "gemma", "gemma3_text", "mistral",
    "ministral", "mixtral", "olmo2", "olmo3", "granite", "smollm3", "gpt_neox", "gpt2", "stablelm",
    "cohere", "cohere2", "starcoder2", "glm4", "exaone4", "nemotron", "helium", "lfm2", "arcee",
    "bitnet", "ernie4_5", "hunyuan_v1_dense", "seed_oss", "apertus", "llama4_text", "opt",
    "gemma4_text", "gemma4_text+shared", "gemma2", "gpt_oss", "deepseek_v3", "qwen3_next",
    "qwen3_5_text",
)  # fmt: skip
#: Of these, what transformers 4 does not know, or has without its attention interface.
_SINCE_5 = ("gemma4_text", "qwen3_5_text", "stablelm", "nemotron")
#: Without transformers' attention interface.
REFUSED = ("bloom", "mpt", "codegen", "gptj")

WINDOW = 8
_COMMON = {
    "vocab_size": 128, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "max_position_embeddings": 256, "sliding_window": WINDOW, "attention_chunk_size": WINDOW,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "moe_intermediate_size": 32,
    "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2,
    "intermediate_size_mlp": 96, "n_embd": 64, "n_layer": 4, "n_head": 4, "n_positions": 256,
    "d_model": 64, "n_layers": 4, "n_heads": 4, "ffn_dim": 96, "word_embed_proj_dim": 64,
    "rotary_dim": 8, "n_ctx": 256, "moe_num_experts": 4,
}  # fmt: skip
_OWN = {
    "deepseek_v3": {
        "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
        "v_head_dim": 16, "n_routed_experts": 4, "n_group": 1, "topk_group": 1,
        "first_k_dense_replace": 1, "num_key_value_heads": 4, "head_dim": 8,
    },
    "gemma4_text": {
        "layer_types": ["sliding_attention"] * 3 + ["full_attention"], "global_head_dim": 16,
        "vocab_size_per_layer_input": 128, "hidden_size_per_layer_input": 16,
        "num_kv_shared_layers": 0,
    },
}  # fmt: skip


#: The last two layers use the keys and values of the first two.
_SHARED = {
    "layer_types": ["sliding_attention", "full_attention"] * 2, "num_kv_shared_layers": 2,
}  # fmt: skip


def build(name: str, seed: int = 0, **told) -> PreTrainedModel:
    """Return a random float32 model; its weights are large enough for peaked attention.

    ``told`` goes into its config, such as a vocabulary for a tokenizer that there is.

    Skips what this version of transformers is too old for.
    """
    name, *shared = name.split("+")
    if name in _SINCE_5 and transformers.__version__.startswith("4."):
        pytest.skip(f"transformers {transformers.__version__} is too old for {name}")
    known = AutoConfig.for_model(name).to_dict()
    own = _OWN.get(name, {}) | (_SHARED if shared else {})
    chosen = {k: v for k, v in (_COMMON | own | told).items() if k in known}
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **chosen)).eval()
    with torch.no_grad():
        for place, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(3.0)
            elif name == "gemma4_text" and "q_norm" in place:
                # Gemma 4 leaves the scaling of its logits to this learned weight. At its initial
                # one, logits are so large that float32's rounding shows as 3e-5 in the weights.
                parameter.mul_(_COMMON["head_dim"] ** -0.5)
    return model.float()
