"""What a body says: here where that is soon done, else in a process of its own."""
