"""What keeps secret values out of results, logs and errors."""
