//go:build tools

// What enforces NetworkPolicy on the nodes, pinned by go.mod.
package tools

import _ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
