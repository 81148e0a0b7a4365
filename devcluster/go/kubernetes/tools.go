//go:build tools

// kubectl is built from the same modules; named here, `go mod tidy` keeps what it needs.
package main

import _ "k8s.io/kubernetes/cmd/kubectl"
