//go:build tools

// The kinds of objects of the Gateway API, pinned by go.mod; nothing of it is built.
package tools

import _ "sigs.k8s.io/gateway-api/pkg/consts"
