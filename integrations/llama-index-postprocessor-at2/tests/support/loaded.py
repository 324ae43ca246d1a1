"""What other libraries run a loaded model with, by the fields that their public classes have."""

from transformers import pipeline


def loaded_pipeline(reader):
    """Return a pipeline of transformers that runs a reader's model."""
    return pipeline("text-generation", model=reader.model, tokenizer=reader.tokenizer)


class HuggingFaceLLM:
    """As in llama-index-llms-huggingface 0.8."""

    def __init__(self, model, tokenizer, model_name="a model"):
        self.model_name = self.tokenizer_name = model_name
        self.context_window, self.max_new_tokens = 3900, 256
        self._model, self._tokenizer, self._stopping_criteria = model, tokenizer, []
