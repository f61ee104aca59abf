"""Servers for tests: started in a folder of the test's, on a port of this machine only, stopped by their pids."""
