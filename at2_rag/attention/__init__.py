"""What is recorded: a model's attention, exact and in bounded memory."""
