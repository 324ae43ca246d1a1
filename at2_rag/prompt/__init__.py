"""What is asked: the prompt as text and as tokens, and where everything lies in both."""
