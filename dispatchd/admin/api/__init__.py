"""The API under /api/v1: a table of operations, which its description is made from."""
