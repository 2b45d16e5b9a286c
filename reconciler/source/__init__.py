"""Git commit or working tree -> blobs -> documents; positions of values, where a fault asks for them."""
