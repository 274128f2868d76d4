"""Rule books as data: what one holds, what another one would change, and which version that asks for."""
