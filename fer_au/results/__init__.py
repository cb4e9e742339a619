"""Results that exist: what evaluations wrote, as groups, tables and words; for the report and for the command line."""
