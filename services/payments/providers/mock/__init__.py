"""The stand-in provider: sessions in a book of its own, told of by signed events like anybody's."""
