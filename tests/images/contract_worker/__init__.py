"""The contract worker: keeps to Twister2 0.8.0's contract with Kubernetes, and computes nothing. It isn't Twister2."""
