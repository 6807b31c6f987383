"""The balance page: what is shown of the past, and how money is asked out."""
