"""Version chains: checked at every start, walked for every document, from the version it declares to the head."""
