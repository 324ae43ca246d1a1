"""Lets ``python -m at2_rag.cli`` stand for ``at2-rag``."""

from at2_rag.cli import main

if __name__ == "__main__":
    main()
