"""What guidance is good for, from a project's results: tables and figures over methods, seeds and shares of data."""
