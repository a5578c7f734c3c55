"""Mixed traffic through the real app, and what each monitor made of it."""
