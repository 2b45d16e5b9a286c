"""One module for each strategy, with its collectors beside it; imported when a document names the strategy."""
