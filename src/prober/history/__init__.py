"""What earlier looks saw, kept in SQLite or PostgreSQL; the run folders stay the evidence."""
