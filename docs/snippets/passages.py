from at2_rag import Passage, Reader

# From the hub; a folder and a GGUF file are loaded alike.
reader = Reader.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct", max_new_tokens=64)

passages = [
    Passage(
        "The Eiffel Tower in Paris was built for the World's Fair of 1889. "
        "It was named after the engineer Gustave Eiffel, whose company built it.",
        title="Eiffel Tower",
    ),
    Passage(
        "Lake Baikal lies in the south of Siberia, in Russia. "
        "It is the deepest lake in the world, with a greatest depth of 1,642 metres.",
        title="Lake Baikal",
    ),
    Passage(
        "Braille is a way of writing that is read with the fingers. It was invented by Louis "
        "Braille, who had been blind since an accident in his father's workshop when he was a "
        "child.",
        title="Braille",
    ),
]
question = "What was the Eiffel Tower built for?"
