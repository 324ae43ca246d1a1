"""What comes in: passages and other documents, and the sources that they are cut into."""
