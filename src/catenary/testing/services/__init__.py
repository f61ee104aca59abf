"""Real servers for tests: started in a folder, on loopback ports, and ended by their process's number."""
