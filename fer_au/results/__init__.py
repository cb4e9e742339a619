"""Results of evaluations, as groups, tables and words; for the report and for the command line."""
