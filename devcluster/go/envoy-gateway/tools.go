//go:build tools

// What serves Gateways in the development cluster, pinned by go.mod.
package tools

import _ "github.com/envoyproxy/gateway/cmd/envoy-gateway"
