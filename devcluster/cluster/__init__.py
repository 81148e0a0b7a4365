"""The development cluster: a real Kubernetes in network namespaces of its own. Standard library only."""
