"""What is remembered: the window of the latest messages, summaries of older ones, facts about people."""
