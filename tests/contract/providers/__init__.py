"""One suite for every provider: what each must do alike, driven over its real wire against a stand-in with a book of its own."""
