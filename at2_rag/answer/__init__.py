"""What comes out: answers, statements with citations, and what pruning keeps."""
