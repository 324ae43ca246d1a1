from at2_rag import Passage, Reader

reader = Reader.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct")  # or a folder, or GGUF

passages = [
    Passage(
        "Velcro was invented by George de Mestral, an engineer from Switzerland. In 1941 he came "
        "back from a walk with his dog and found burrs in its fur.",
        title="Velcro",
    ),
    Passage(
        "Gideon Sundback, an engineer born in Sweden, designed the zip fastener in 1913. The word "
        "zipper was made up by the Goodrich company, which sold rubber boots.",
        title="Zip fastener",
    ),
    Passage(
        "Braille is a way of writing that is read with the fingers. It was invented by Louis "
        "Braille, who had been blind since an accident in his father's workshop.",
        title="Braille",
    ),
]
question = "Who invented Velcro?"
