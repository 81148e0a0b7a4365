"""The development cluster: a real Kubernetes with several nodes, in network namespaces of its own. Standard library only."""
