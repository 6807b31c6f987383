"""The hosted pages: plain HTML that works without JavaScript, but for the card form; they show and lead to what is stored."""
