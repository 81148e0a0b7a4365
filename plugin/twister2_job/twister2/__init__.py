"""A Twister2 job: what is submitted, how far it is, following it to its end, ending it and running it again."""
