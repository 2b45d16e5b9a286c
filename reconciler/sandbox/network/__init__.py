"""What a contained script may reach: ranges nobody may open, pinned names, rules, and the helpers that carry it."""
