"""One module a provider: our words in, our words out. base.py says what each must do."""
