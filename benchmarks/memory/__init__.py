"""Does Chatify remember? Scripted conversations with facts planted early and asked late; see README.md."""
