"""What people attest: the file read and checked, a worksheet of what is still open, what expires when, imports."""
