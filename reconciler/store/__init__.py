"""Reader and writer protocols, and the SQL store behind them."""
