"""The hosted pages: plain HTML that works without JavaScript; what they show and where they lead comes from what is stored."""
