"""One class a way of delivering what an order bought: the order's stored form in, its text out. base.py says what each must do."""
