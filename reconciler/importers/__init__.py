"""Other tools' configurations, read and written down as documents of version 2."""
