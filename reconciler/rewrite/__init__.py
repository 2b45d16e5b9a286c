"""Text of documents brought to another version by edits in place: what no step changes stays byte for byte."""
