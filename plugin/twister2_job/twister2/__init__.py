"""A Twister2 job: submitting it, its state, following it to its end, ending it and running it again."""
