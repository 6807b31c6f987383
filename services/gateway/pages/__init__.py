"""The hosted pages: plain HTML that works without JavaScript, but for the card form; what is stored says what they show and where they lead."""
