"""One script a contestant; each is run as a process of its own."""
