"""What people state with documents: reading and checking it, worksheets, imports, and what expires when."""
