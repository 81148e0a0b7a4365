//go:build tools

// The cluster's DNS server, pinned by go.mod.
package tools

import _ "github.com/coredns/coredns"
