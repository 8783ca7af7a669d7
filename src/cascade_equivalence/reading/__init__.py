"""How files that others wrote are read: text, JSON, YAML and values one rule each, with bounds."""
